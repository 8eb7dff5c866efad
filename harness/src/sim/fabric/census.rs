//! What is open, and who waits for what: for reports and for the check of leaks.

use std::time::Duration;

use super::connection::{EndState, Fin};
use super::hosts::State;
use super::{Network, Socket};
use crate::check::{Pending, SocketRow};
use crate::name::Side;

impl Network {
    /// Every socket that a living process holds, in the order they were made, as they stand at `now`.
    pub(crate) fn sockets(&self, now: Duration) -> Vec<SocketRow> {
        let mut rows = Vec::new();
        for connection in &self.connections {
            for side in [Side::Client, Side::Server] {
                let end = connection.end(side);
                let Some(life) = end.life else { continue };
                if !end.held() {
                    continue;
                }
                let (host, incarnation) = self.hosts.name_of_life(life);
                // What has come back is accounted for when the sender next looks; whoever reads the table looks now.
                let returns = connection.path(side.sends()).returns.iter();
                let acknowledged: usize = returns.filter(|back| back.at <= now).map(|back| back.acknowledged).sum();
                let unacknowledged = end.unacknowledged.saturating_sub(acknowledged);
                rows.push(SocketRow {
                    host: host.clone(),
                    incarnation,
                    connection: Some(connection.id.clone()),
                    side,
                    state: state_name(end).to_owned(),
                    recv_q: end.received_bytes as u64,
                    send_q: (end.unsent_bytes + unacknowledged) as u64,
                });
            }
        }
        rows
    }

    /// Who of the living waits on a socket.
    pub(crate) fn waiting(&self) -> Vec<Pending> {
        let mut pending = Vec::new();
        for connection in &self.connections {
            for side in [Side::Client, Side::Server] {
                let end = connection.end(side);
                let Some(life) = end.life else { continue };
                if !end.held() || self.hosts.life(life).state != State::Alive {
                    continue;
                }
                let host = self.hosts.name_of_life(life).0;
                if !end.readers.is_empty() {
                    pending.push(Pending { host: host.clone(), on: format!("read on {}", connection.id) });
                }
                if !end.writers.is_empty() {
                    pending.push(Pending { host: host.clone(), on: format!("write on {}", connection.id) });
                }
            }
        }
        pending
    }

    /// Whether a stream's process still lives (its handle may outlive it).
    pub(crate) fn life_of(&self, socket: Socket) -> Option<super::hosts::LifeId> {
        self.connection(socket.connection).end(socket.side).life
    }
}

/// The state's name in RFC 9293's words, lower case; the two FIN-WAITs are one.
fn state_name(end: &super::connection::End) -> &'static str {
    if end.reset {
        return "closed";
    }
    match (end.state, end.fin, end.fin_received) {
        (EndState::Connecting, ..) => "syn_sent",
        (EndState::SynReceived, ..) => "syn_received",
        (EndState::Established, Fin::Open, false) => "established",
        (EndState::Established, Fin::Open, true) => "close_wait",
        (EndState::Established, Fin::Queued | Fin::Sent, false) => "fin_wait",
        (EndState::Established, Fin::Queued | Fin::Sent, true) => "last_ack",
        (EndState::Closed | EndState::Forgotten, ..) => "closed",
    }
}
