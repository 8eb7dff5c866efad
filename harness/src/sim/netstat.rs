//! What is open, and who waits for what: for reports and for the check of leaks.

use std::time::Duration;

use super::hosts::State;
use super::network::Network;
use crate::name::Side;
use crate::trace::{Pending, SocketRow};

impl Network {
    /// Every socket that a living process holds, in the order they were made, as they stand at `now`.
    pub(crate) fn sockets(&self, now: Duration) -> Vec<SocketRow> {
        let mut rows = Vec::new();
        for (_, connection) in self.fabric.connections() {
            for side in [Side::Client, Side::Server] {
                let end = connection.end(side);
                let Some(life) = end.holder() else { continue };
                let (host, incarnation) = self.hosts.name_of_life(life);
                rows.push(SocketRow {
                    host: host.clone(),
                    incarnation,
                    connection: Some(connection.id.clone()),
                    side,
                    state: end.tcp().state_name().to_owned(),
                    recv_q: end.tcp().received_bytes() as u64,
                    send_q: connection.unacknowledged_bytes(side, now) as u64,
                });
            }
        }
        rows
    }

    /// Who of the living waits on a socket.
    pub(crate) fn waiting(&self) -> Vec<Pending> {
        let mut pending = Vec::new();
        for (index, connection) in self.fabric.connections() {
            for side in [Side::Client, Side::Server] {
                let end = connection.end(side);
                let Some(life) = end.holder().filter(|life| self.hosts.life(*life).state == State::Alive) else {
                    continue;
                };
                let host = self.hosts.name_of_life(life).0;
                let (for_read, for_write) = self.waiting.has(index, side);
                if for_read {
                    pending.push(Pending { host: host.clone(), on: format!("read on {}", connection.id) });
                }
                if for_write {
                    pending.push(Pending { host: host.clone(), on: format!("write on {}", connection.id) });
                }
            }
        }
        pending
    }
}
