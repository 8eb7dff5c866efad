//! Arrivals in the middle of a poll.
//!
//! A real network does not wait for a process: between a read that finds nothing and the write after it a packet may
//! arrive. In runs that are to show what comes of that, some arrivals are left over when the others of their instant have
//! been delivered, and come at the end of a call of the socket that they are for, or, at the latest, when no task of that
//! instant has anything left to do.

use super::{Fabric, Socket};

/// Of two arrivals one is postponed, and of two calls that could end with it one does.
const ODDS: u64 = 2;

impl Fabric {
    /// Whether the next arrival waits for the polls of its instant.
    pub(super) fn postpones(&mut self) -> bool {
        self.between_calls.as_mut().is_some_and(|draws| draws.below(ODDS) == 0)
    }

    /// A process has made a call on its socket, and goes on.
    #[inline]
    pub(crate) fn end_call(&mut self, socket: Socket) {
        if self.between_calls.is_some() {
            self.arrive_between_calls(socket);
        }
    }

    fn arrive_between_calls(&mut self, Socket { connection, side }: Socket) {
        let direction = side.peer().sends();
        let now = self.now;
        let path = self.connection(connection).path(direction);
        let is_due = path.in_flight.front().is_some_and(|(at, _)| *at <= now);
        if is_due && self.postpones() {
            self.postponed.retain(|postponed| *postponed != (connection, direction));
            self.arrive(connection, direction);
        }
    }

    /// No task has anything left to do: what was left over arrives.
    pub(crate) fn arrive_postponed(&mut self) {
        for (connection, direction) in std::mem::take(&mut self.postponed) {
            self.arrive(connection, direction);
        }
    }
}
