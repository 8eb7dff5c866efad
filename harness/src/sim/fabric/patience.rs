//! How long a kernel waits for a peer that says nothing: retry budgets, `TCP_USER_TIMEOUT`, keepalive.

use std::io;
use std::time::Duration;

use super::connection::{End, EndState, Fin, Packet, sender};
use super::retransmission::{ORPHAN_BUDGET, RETRY_BUDGET};
use super::{ConnectionIndex, Due, Network, Socket};
use crate::fault::HalfOpenKind;
use crate::name::Direction;
use crate::plane::Mode;
use crate::trace::{ConnectionEvent, GaveUpOn};

impl Network {
    /// From the first loss on the sender's kernel tries again, until it gives up.
    pub(super) fn begin_loss(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        let budget = budget(self.connection(index).end(sender(direction)));
        let path = self.connection_mut(index).path_mut(direction);
        if path.lost_since.is_none() {
            path.lost_since = Some(now);
            self.schedule.push(now + budget, Due::RetryBudget(index, direction));
        }
    }

    /// The kernel may have sent for the last time.
    pub(super) fn spend_retry_budget(&mut self, index: ConnectionIndex, direction: Direction) {
        let budget = budget(self.connection(index).end(sender(direction)));
        let Some(since) = self.connection(index).path(direction).lost_since else { return };
        if self.now < since + budget {
            self.schedule.push(since + budget, Due::RetryBudget(index, direction));
        } else {
            let user_timeout = self.connection(index).end(sender(direction)).options.user_timeout;
            let why = if user_timeout.is_some() { GaveUpOn::UserTimeout } else { GaveUpOn::Retransmission };
            self.give_up(index, direction, why);
        }
    }

    /// `ETIMEDOUT` to a direction's sender. Nobody is told of it on the wire.
    fn give_up(&mut self, index: ConnectionIndex, direction: Direction, why: GaveUpOn) {
        let path = self.connection_mut(index).path_mut(direction);
        path.lost.clear();
        path.lost_fin = false;
        path.unanswered.clear();
        path.held.clear();
        path.unreported = 0;
        path.lost_since = None;
        path.blocked_since = None;
        let by = sender(direction);
        let end = self.connections[index.0 as usize].end_mut(by);
        if !end.reset {
            end.reset = true;
            end.error = Some(io::ErrorKind::TimedOut);
            end.unacknowledged = 0;
            end.wake_all(&mut self.to_wake);
            let unsent = end.discard_unsent();
            // An orphan has no process to tell, and an attempt that is half answered never was a connection.
            let established = end.state == EndState::Established;
            self.buffered_bytes = self.buffered_bytes.saturating_sub(unsent);
            if established {
                self.record_connection(index, ConnectionEvent::GaveUp { by, why });
            }
        }
        self.maybe_end(index);
    }

    /// A sender cannot go on because its peer's window is closed. Only a user timeout makes that a question of time.
    pub(super) fn note_blocked(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        let connection = self.connection_mut(index);
        let Some(timeout) = connection.end(sender(direction)).options.user_timeout else { return };
        let path = connection.path_mut(direction);
        if path.blocked_since.is_none() {
            path.blocked_since = Some(now);
            self.schedule.push(now + timeout, Due::UserTimeout(index, direction));
        }
    }

    /// The window may have been closed for too long.
    pub(super) fn check_blocked(&mut self, index: ConnectionIndex, direction: Direction) {
        self.collect_returns(index, direction);
        let connection = self.connection(index);
        let timeout = connection.end(sender(direction)).options.user_timeout;
        let (Some(since), Some(timeout)) = (connection.path(direction).blocked_since, timeout) else { return };
        if self.now >= since + timeout {
            self.give_up(index, direction, GaveUpOn::UserTimeout);
        } else {
            self.schedule.push(since + timeout, Due::UserTimeout(index, direction));
        }
    }

    /// A socket's patience was set anew.
    pub(super) fn begin_patience(&mut self, socket: Socket) {
        let direction = socket.side.sends();
        let connection = self.connection_mut(socket.connection);
        let end = connection.end_mut(socket.side);
        end.is_probed = end.options.keepalive.is_some();
        if let Some(keepalive) = end.options.keepalive {
            self.schedule.push(self.now + keepalive.time, Due::KeepAlive(socket.connection, direction));
        }
        let budget = budget(self.connection(socket.connection).end(socket.side));
        if let Some(since) = self.connection(socket.connection).path(direction).lost_since {
            self.schedule.push((since + budget).max(self.now), Due::RetryBudget(socket.connection, direction));
        }
    }

    /// An idle connection's peer is asked whether it is there.
    pub(super) fn probe(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        self.collect_returns(index, direction);
        let end = self.connection_mut(index).end_mut(sender(direction));
        let Some(keepalive) = end.options.keepalive.filter(|_| end.state == EndState::Established && !end.reset) else {
            return;
        };
        let idle = now.saturating_sub(end.last_heard);
        let next = if end.unacknowledged > 0 || end.unsent_bytes > 0 || end.fin == Fin::Queued {
            // Data on its way asks the same question.
            end.probes = 0;
            keepalive.time
        } else if end.probes == 0 && idle < keepalive.time {
            keepalive.time - idle
        } else {
            let dead = match end.options.user_timeout {
                Some(timeout) => idle >= timeout && end.probes > 0,
                None => end.probes >= keepalive.retries,
            };
            if dead {
                self.give_up(index, direction, GaveUpOn::Keepalive);
                self.send_rst(index, direction);
                return;
            }
            end.probes += 1;
            self.send_probe(index, direction, Packet::Probe);
            keepalive.interval
        };
        self.schedule.push(now + next, Due::KeepAlive(index, direction));
    }

    /// A probe or its answer: nobody repeats it, so that a silent path swallows it for good.
    fn send_probe(&mut self, index: ConnectionIndex, direction: Direction, packet: Packet) {
        self.plane.carried(index.into(), self.now);
        match self.connection(index).path(direction).mode {
            Mode::Silent(HalfOpenKind::Blackhole, fault) => self.bite(fault, index, || packet.describe(direction)),
            Mode::Severed(fault) => self.answer_severed(index, direction, 0, fault),
            // A window that is closed, and a middle that throws data away, answer.
            Mode::Pass | Mode::Silent(HalfOpenKind::Stall | HalfOpenKind::Discard, _) => {
                self.put(index, direction, packet);
            }
        }
    }

    /// The peer asks whether somebody is there.
    pub(super) fn receive_probe(&mut self, index: ConnectionIndex, direction: Direction) {
        let end = self.connection(index).end(sender(direction).peer());
        if end.reset {
            self.put(index, direction.reverse(), Packet::Rst { forged: None });
        } else {
            self.send_probe(index, direction.reverse(), Packet::ProbeAnswer);
        }
    }
}

impl End {
    /// Something has come from the peer.
    pub(super) fn heard(&mut self, at: Duration) {
        self.last_heard = self.last_heard.max(at);
        self.probes = 0;
    }
}

/// How long an end's kernel sends unacknowledged data again.
fn budget(end: &End) -> Duration {
    match end.state {
        EndState::Closed => ORPHAN_BUDGET,
        EndState::Connecting | EndState::SynReceived | EndState::Established | EndState::Forgotten => {
            end.options.user_timeout.unwrap_or(RETRY_BUDGET)
        }
    }
}
