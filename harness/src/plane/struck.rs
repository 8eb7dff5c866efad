//! What a verb sees of a connection, and what it can do to it.

use std::time::Duration;

use bytes::Bytes;

use super::Effect;
use super::awaited::Pending;
use super::buffer::Keeping;
use super::connection::{TrackedConnection, reader};
use super::http::Body;
use crate::fault::{Ends, FaultIndex, HalfOpenKind, IoCall, IoErrorKind};
use crate::name::{ConnectionId, Direction, Side};

/// Where in a connection's bytes a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// In which direction.
    pub(super) direction: Direction,
    /// At which offset.
    pub(super) at: u64,
    /// Where the unit begins that the trigger counts.
    pub(super) from: u64,
}

/// How a verb changes a message or event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// One character becomes another.
    Corrupt,
    /// It arrives this many times more.
    Repeat(u32),
    /// It arrives behind this many that follow it.
    Behind(u32),
    /// It does not arrive.
    LeaveOut,
}

/// What a verb sees of a connection that it is about to strike.
#[derive(Debug)]
pub struct Open<'a> {
    pub(super) connection: &'a TrackedConnection,
    pub(super) point: Option<Point>,
}

impl Open<'_> {
    /// Which connection.
    pub fn id(&self) -> &ConnectionId {
        &self.connection.id
    }

    /// Whether frames can be sent to both ends.
    pub fn is_websocket(&self) -> bool {
        self.connection.has_frames()
    }

    /// Whether an end has finished sending by itself.
    pub fn has_finished(&self, side: Side) -> bool {
        self.connection.leg_of(side.sends()).finished
    }

    /// Why the body of the response in passage cannot be ended by a fault, if it cannot.
    pub fn body_obstacle(&self) -> Option<&'static str> {
        match self.connection.to_client.body() {
            Body::Chunked(_) | Body::UntilClose => None,
            Body::Fixed | Body::None => Some("no body is in passage that is chunked or ends with its connection"),
        }
    }

    /// Why the trigger's message or event cannot be changed so, if it cannot. A verb that changes one
    /// [keeps](crate::fault::ConnectionVerb::keeps) it.
    pub fn edit_obstacle(&self, edit: Edit) -> Option<&'static str> {
        self.connection.edit_obstacle(edit, self.point)
    }
}

/// A connection that a verb strikes. What it does to it is applied in order.
#[derive(Debug)]
pub struct Struck<'a> {
    pub(super) connection: &'a mut TrackedConnection,
    pub(super) fault: FaultIndex,
    /// Where the trigger came true, if that was in the connection's bytes.
    pub(super) point: Option<Point>,
    pub(super) out: &'a mut Vec<Effect>,
    pub(super) done: Done,
}

/// What the plane must know of a strike afterwards.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    /// A closing handshake has begun: the ends have a while to answer.
    pub(super) closes: bool,
    /// Calls fail until the fault ends.
    pub(super) fails_calls: bool,
}

impl Struck<'_> {
    /// Which connection.
    pub fn id(&self) -> &ConnectionId {
        &self.connection.id
    }

    /// Who reads in the direction in which the trigger came true; the client when it came true in none.
    pub fn reader(&self) -> Side {
        reader(self.point.map_or(Direction::ToClient, |point| point.direction))
    }

    /// Tells an end that the connection was reset. What it still sends draws RST.
    pub fn reset(&mut self, end: Side) {
        self.connection.forge_rst(end, self.fault, self.out);
    }

    /// Tells an end that the other has finished sending. What it still sends draws RST.
    pub fn finish(&mut self, end: Side) {
        self.connection.forge_fin(end, self.fault, self.out);
    }

    /// One end seems to have finished sending; what it still sends is acknowledged and thrown away.
    pub fn half_close(&mut self, by: Side) {
        self.connection.half_close(by, self.fault, self.out);
    }

    /// A direction falls silent until the fault ends.
    pub fn silence(&mut self, direction: Direction, kind: HalfOpenKind) {
        self.connection.silence(direction, kind, self.fault, self.out);
    }

    /// An end that is not told neither hears anything nor gets anything acknowledged: the other end is gone, and does not
    /// say so.
    pub fn leave_in_silence(&mut self, untold: Option<Side>) {
        if let Some(untold) = untold {
            self.silence(untold.sends(), HalfOpenKind::Blackhole);
        }
    }

    /// Begins a closing handshake with some ends, as if the other end had; then they get a FIN.
    pub fn close(&mut self, ends: Ends, code: Option<u16>, reason: &str) {
        self.connection.close(self.fault, ends.told(), code, reason, self.out);
        self.done.closes = true;
    }

    /// Sends bytes to an end as if the other had, between two WebSocket frames.
    pub fn send_between_frames(&mut self, to: Side, bytes: Bytes) {
        let direction = to.peer().sends();
        let (connection, fault) = (self.connection.key, self.fault);
        let leg = self.connection.leg(direction);
        if leg.is_between_frames() {
            self.out.push(Effect::Inject { connection, direction, bytes, fault });
        } else {
            leg.awaited.push(Pending::Frame { fault, bytes });
        }
    }

    /// A hop keeps what it is sent in a direction and passes it on in pieces of this many bytes, until the fault ends.
    pub fn keep(&mut self, direction: Direction, bytes: u32, flush_after: Option<Duration>) {
        self.connection.leg(direction).keep(Keeping::new(self.fault, bytes, flush_after));
    }

    /// Ends the body of the response in passage, behind one more event if that is not empty.
    pub fn end_body(&mut self, event: Bytes) {
        self.connection.truncate(self.fault, self.point, event, self.out);
    }

    /// Answers the client in the server's place, with an error of this status, and ends the connection.
    pub fn answer(&mut self, status: u16) {
        self.connection.answer(status, self.fault, self.out);
    }

    /// Changes the trigger's message or event. Nothing is done when the trigger names none.
    pub fn edit(&mut self, edit: Edit) {
        if let Some(point) = self.point {
            self.connection.edit(self.fault, edit, point, self.out);
        }
    }

    /// Lets the nth such call from now on fail on one end; those after it as well, `lasting`, until the fault ends.
    pub fn fail_call(&mut self, side: Side, call: IoCall, kind: IoErrorKind, nth: u32, lasting: bool) {
        let (connection, fault) = (self.connection.key, self.fault);
        self.out.push(Effect::IoError { connection, side, call, kind, nth, lasting, fault });
        self.done.fails_calls = true;
    }
}
