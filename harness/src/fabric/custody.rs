//! Bytes that the plane keeps until it knows what becomes of them, and what their sender's kernel is told meanwhile.
//!
//! A receiver's kernel would have acknowledged them, and a sender may wait for that: Nagle's algorithm holds its next
//! small segment back, its send buffer is full, or the receiver's window is used up. So they are acknowledged when they
//! would have arrived, unless a fault has made the path one on which they would not have.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::connection::sender;
use super::packet::Packet;
use super::{ConnectionIndex, Deadline, Fabric, Power};
use crate::name::Direction;
use crate::tcp::{EndState, next_attempt};

/// What the plane was shown of one direction and has to decide on. Offsets count those bytes.
#[derive(Debug, Default)]
pub(crate) struct Custody {
    shown: u64,
    decided: u64,
    /// Up to where they are acknowledged, whatever has been decided.
    vouched: u64,
    /// When they would have arrived: the time, and the offset after the last that it concerns.
    arrivals: VecDeque<(Duration, u64)>,
}

impl Custody {
    pub(super) fn take_in(&mut self, bytes: usize) {
        self.shown += bytes as u64;
    }

    /// Decides on the oldest bytes. Returns how many of them their sender does not know acknowledged.
    pub(super) fn decide(&mut self, bytes: usize) -> usize {
        let vouched = self.vouched.saturating_sub(self.decided).min(bytes as u64);
        self.decided = self.shown.min(self.decided + bytes as u64);
        if self.decided == self.shown {
            self.arrivals.clear();
        }
        bytes - vouched as usize
    }

    /// The latest bytes were never shown.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.shown = self.decided.max(self.shown.saturating_sub(bytes as u64));
    }

    pub(super) fn undecided(&self) -> usize {
        (self.shown - self.decided) as usize
    }

    /// What is undecided now would have arrived at that time.
    fn expect(&mut self, at: Duration) {
        self.arrivals.push_back((at, self.shown));
    }

    /// How many bytes would have arrived by now that are neither acknowledged nor decided on. They are from now on.
    fn vouch(&mut self, now: Duration) -> usize {
        let mut to = 0;
        while let Some((_, offset)) = self.arrivals.pop_front_if(|(at, _)| *at <= now) {
            to = offset.min(self.shown);
        }
        let from = self.vouched.max(self.decided);
        self.vouched = self.vouched.max(to);
        to.saturating_sub(from) as usize
    }
}

impl Fabric {
    /// The plane keeps bytes of a direction, which would be on their way.
    pub(super) fn keep_in_custody(&mut self, index: ConnectionIndex, direction: Direction) {
        let connection = &mut self.connections[index.0 as usize];
        let at = self.now + connection.link.latency;
        let custody = &mut connection.path_mut(direction).custody;
        if let Some(custody) = custody.as_mut().filter(|custody| custody.undecided() > 0) {
            custody.expect(at);
            self.schedule.push(at, Deadline::Custody(index, direction));
        }
    }

    /// Bytes that the plane keeps would have arrived by now.
    pub(super) fn vouch(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        let (receiver, latency) = {
            let connection = self.connection(index);
            if connection.path(direction).custody.as_ref().is_none_or(|custody| custody.undecided() == 0) {
                return;
            }
            (connection.end(sender(direction).peer()), connection.link.latency)
        };
        let is_lost = self.holding(index, direction).is_some() || self.blackholed(index, direction);
        let state = receiver.tcp.state();
        if self.machines.get(receiver.host).power == Power::Off {
            self.begin_loss(index, direction);
            let since = self.connection(index).path(direction).lost_since.unwrap_or(now);
            self.schedule.push(next_attempt(since, now) + latency, Deadline::Custody(index, direction));
        } else if is_lost {
            // The end of what loses them sees to it.
            self.begin_loss(index, direction);
        } else if state == EndState::Forgotten {
            self.put(index, direction.reverse(), Packet::Rst { forged: None });
        } else if state == EndState::Closed {
            self.refuse_data(index, direction);
        } else {
            let custody = self.connection_mut(index).path_mut(direction).custody.as_mut();
            let bytes = custody.map_or(0, |custody| custody.vouch(now));
            if bytes > 0 {
                self.schedule_return(index, direction, bytes, bytes);
            }
        }
    }

    /// What kept bytes from arriving is over: those that the plane keeps are sent again, too.
    pub(super) fn resume_custody(&mut self, index: ConnectionIndex, direction: Direction) {
        let connection = self.connection(index);
        let at = self.now + connection.link.latency;
        let undecided = connection.path(direction).custody.as_ref().map_or(0, |custody| custody.undecided());
        if undecided > 0 && !self.blackholed(index, direction) {
            self.schedule.push(at, Deadline::Custody(index, direction));
        }
    }

    /// The plane has decided to let bytes pass.
    pub(super) fn forward(&mut self, index: ConnectionIndex, direction: Direction, bytes: Bytes) {
        let owed = self.decide(index, direction, bytes.len());
        if self.connection(index).end(sender(direction)).tcp.state() == EndState::Forgotten {
            // They were in the memory of a machine that has lost its power.
            return;
        }
        self.connection_mut(index).path_mut(direction).travel.sent(bytes.len());
        self.put(index, direction, Packet::Data { bytes, owed, forged: None });
    }

    /// The plane has decided on bytes. Returns how many of them are still to be acknowledged.
    pub(super) fn decide(&mut self, index: ConnectionIndex, direction: Direction, bytes: usize) -> usize {
        let custody = self.connection_mut(index).path_mut(direction).custody.as_mut();
        custody.map_or(bytes, |custody| custody.decide(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Show(usize),
        Expect,
        Vouch,
        Decide(usize),
        GiveBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1..50_usize).prop_map(Step::Show),
            Just(Step::Expect),
            Just(Step::Vouch),
            (1..80_usize).prop_map(Step::Decide),
            Just(Step::GiveBack),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn each_byte_is_acknowledged_once(steps in steps()) {
            let mut custody = Custody::default();
            let (mut now, mut shown, mut acknowledged, mut decided) = (Duration::ZERO, 0, 0, 0);
            for step in steps {
                now += Duration::from_millis(1);
                match step {
                    Step::Show(bytes) => {
                        custody.take_in(bytes);
                        shown += bytes;
                    }
                    Step::Expect => custody.expect(now),
                    Step::Vouch => acknowledged += custody.vouch(now),
                    Step::Decide(bytes) => {
                        let bytes = bytes.min(custody.undecided());
                        acknowledged += custody.decide(bytes);
                        decided += bytes;
                    }
                    // Only what was shown just now goes back; none of it is acknowledged.
                    Step::GiveBack => {
                        custody.take_in(7);
                        custody.give_back(7);
                    }
                }
                prop_assert_eq!(custody.undecided(), shown - decided);
                prop_assert!(acknowledged <= shown);
            }
            let rest = custody.undecided();
            acknowledged += custody.decide(rest);
            prop_assert_eq!(acknowledged, shown);
        }
    }
}
