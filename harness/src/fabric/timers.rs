//! How long a kernel waits for a peer that says nothing: retry budgets, `TCP_USER_TIMEOUT`, keepalive.

use std::time::Duration;

use super::connection::sender;
use super::packet::Packet;
use super::{ConnectionIndex, Deadline, Fabric, Ready, Socket};
use crate::fault::HalfOpenKind;
use crate::name::Direction;
use crate::plane::Mode;
use crate::tcp::{EndState, KeepaliveStep};
use crate::trace::{ConnectionEvent, GaveUpOn};

impl Fabric {
    /// From the first loss on the sender's kernel tries again, until it gives up.
    pub(super) fn begin_loss(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        let budget = self.connection(index).end(sender(direction)).tcp.retry_budget();
        let path = self.connection_mut(index).path_mut(direction);
        if path.lost_since.is_none() {
            path.lost_since = Some(now);
            self.schedule.push(now + budget, Deadline::RetryBudget(index, direction));
        }
    }

    /// The kernel may have sent for the last time.
    pub(super) fn spend_retry_budget(&mut self, index: ConnectionIndex, direction: Direction) {
        let budget = self.connection(index).end(sender(direction)).tcp.retry_budget();
        // Legal: what was lost has been acknowledged since the timer was set.
        let Some(since) = self.connection(index).path(direction).lost_since else { return };
        if self.now < since + budget {
            self.schedule.push(since + budget, Deadline::RetryBudget(index, direction));
        } else {
            let user_timeout = self.connection(index).end(sender(direction)).tcp.options().user_timeout;
            let why = if user_timeout.is_some() { GaveUpOn::UserTimeout } else { GaveUpOn::Retransmission };
            self.give_up(index, direction, why);
        }
    }

    /// `ETIMEDOUT` to a direction's sender. Nothing is sent for it.
    fn give_up(&mut self, index: ConnectionIndex, direction: Direction, why: GaveUpOn) {
        let path = self.connection_mut(index).path_mut(direction);
        path.forget_lost();
        path.lost_since = None;
        path.held.clear();
        path.unreported = 0;
        path.blocked_since = None;
        let by = sender(direction);
        let end = self.connection_mut(index).end_mut(by);
        // An orphan has no process to tell, and an attempt that is half answered never was a connection.
        let is_established = end.tcp.state() == EndState::Established;
        if let Some(unsent) = end.tcp.give_up() {
            self.wake(Socket { connection: index, side: by }, Ready::ForAll);
            self.buffered_bytes = self.buffered_bytes.saturating_sub(unsent);
            if is_established {
                self.record_connection(index, ConnectionEvent::GaveUp { by, why });
            }
        }
        self.maybe_end(index);
    }

    /// A sender cannot go on because its peer's window is closed. Only a user timeout makes that a question of time.
    pub(super) fn note_blocked(&mut self, index: ConnectionIndex, direction: Direction) {
        let now = self.now;
        let connection = self.connection_mut(index);
        let Some(timeout) = connection.end(sender(direction)).tcp.options().user_timeout else { return };
        let path = connection.path_mut(direction);
        if path.blocked_since.is_none() {
            path.blocked_since = Some(now);
            self.schedule.push(now + timeout, Deadline::UserTimeout(index, direction));
        }
    }

    /// The window may have been closed for too long.
    pub(super) fn check_blocked(&mut self, index: ConnectionIndex, direction: Direction) {
        self.collect_returns(index, direction);
        let connection = self.connection(index);
        let timeout = connection.end(sender(direction)).tcp.options().user_timeout;
        // Legal: the window has opened, or the option was taken back, since the timer was set.
        let (Some(since), Some(timeout)) = (connection.path(direction).blocked_since, timeout) else { return };
        if self.now >= since + timeout {
            self.give_up(index, direction, GaveUpOn::UserTimeout);
        } else {
            self.schedule.push(since + timeout, Deadline::UserTimeout(index, direction));
        }
    }

    /// A socket is open, or its timers were set.
    pub(super) fn begin_timers(&mut self, socket: Socket) {
        let direction = socket.side.sends();
        if let Some(after) = self.end_mut(socket).tcp.begin_timers() {
            self.look_at(socket, self.now + after);
        }
        let budget = self.end(socket).tcp.retry_budget();
        if let Some(since) = self.connection(socket.connection).path(direction).lost_since {
            self.schedule.push((since + budget).max(self.now), Deadline::RetryBudget(socket.connection, direction));
        }
    }

    /// An idle connection's peer is asked whether it is there.
    pub(super) fn probe(&mut self, index: ConnectionIndex, direction: Direction) {
        self.collect_returns(index, direction);
        let now = self.now;
        let end = self.connection_mut(index).end_mut(sender(direction));
        if end.looked_at != Some(now) {
            // An earlier look has taken its place.
            return;
        }
        end.looked_at = None;
        let next = match end.tcp.keep_alive(now) {
            None => return,
            Some(KeepaliveStep::Rest(next)) => next,
            Some(KeepaliveStep::Probe(next)) => {
                self.send_probe(index, direction, Packet::Probe);
                next
            }
            Some(KeepaliveStep::Dead) => {
                self.give_up(index, direction, GaveUpOn::Keepalive);
                self.send_rst(index, direction);
                return;
            }
        };
        self.look_at(Socket { connection: index, side: sender(direction) }, next);
    }

    /// Keepalive looks at an end at that time, unless it does so sooner: however often its options are set, it looks once.
    fn look_at(&mut self, socket: Socket, at: Duration) {
        let looked_at = &mut self.end_mut(socket).looked_at;
        if looked_at.is_none_or(|sooner| at < sooner) {
            *looked_at = Some(at);
            self.schedule.push(at, Deadline::KeepAlive(socket.connection, socket.side.sends()));
        }
    }

    /// A probe or its answer: it is not repeated, so that a silent path swallows it for good.
    fn send_probe(&mut self, index: ConnectionIndex, direction: Direction, packet: Packet) {
        self.plane.carried(index.into(), self.now);
        match self.connection(index).path(direction).mode {
            Mode::Silent(HalfOpenKind::Blackhole, fault) => {
                self.record_effect(fault, index, || packet.describe(direction))
            }
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
        if end.tcp.is_reset() {
            self.put(index, direction.reverse(), Packet::Rst { forged: None });
        } else {
            self.send_probe(index, direction.reverse(), Packet::ProbeAnswer);
        }
    }
}
