//! What a run leaves behind: its records, and a hash of much more than they say.

use std::time::Duration;

use super::fabric::PacketDigest;
use crate::name::{Direction, HostName, Incarnation};
use crate::trace::{Record, TraceHash, What};

/// Records and hash, as they grow.
pub(crate) struct Journal {
    records: Vec<Record>,
    hash: TraceHash,
    /// Nothing is recorded any more: what runs now is the taking apart of the run, whose order is tokio's own affair.
    sealed: bool,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { records: Vec::new(), hash: TraceHash::default(), sealed: false }
    }

    pub(crate) fn push(&mut self, at: Duration, host: Option<(&HostName, Incarnation)>, what: What) {
        if self.sealed {
            return;
        }
        let (host, incarnation) = match host {
            Some((host, incarnation)) => (Some(host.clone()), incarnation),
            None => (None, Incarnation::default()),
        };
        self.hash.absorb(at.as_nanos() as u64 ^ (self.records.len() as u64) << 40);
        self.records.push(Record { at, host, incarnation, what });
    }

    /// Takes a packet into the hash: when, where, what, and every byte.
    pub(crate) fn absorb_packet(
        &mut self,
        at: Duration,
        connection: u32,
        direction: Direction,
        packet: &impl PacketDigest,
    ) {
        if self.sealed {
            return;
        }
        self.hash.absorb(at.as_nanos() as u64);
        self.hash.absorb(packet.digest() ^ (u64::from(connection) << 8 | direction as u64).rotate_left(32));
    }

    /// Takes the poll of a task into the hash.
    pub(crate) fn absorb_poll(&mut self, life: u32, ordinal: u64) {
        if !self.sealed {
            self.hash.absorb(u64::from(life) << 48 | ordinal);
        }
    }

    /// Takes a number of the engine's own into the hash (draws).
    pub(crate) fn absorb(&mut self, number: u64) {
        if !self.sealed {
            self.hash.absorb(number);
        }
    }

    pub(crate) fn seal(&mut self) {
        self.sealed = true;
    }

    pub(crate) fn take(&mut self) -> (Vec<Record>, TraceHash) {
        (std::mem::take(&mut self.records), self.hash)
    }
}
