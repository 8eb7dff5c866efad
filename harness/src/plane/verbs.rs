//! What each verb does to a connection.

use std::time::Duration;

use bytes::Bytes;

use super::awaited::Awaited;
use super::buffer::Keeping;
use super::connection::{Connection, reader};
use super::editing::Edit;
use super::encode::{error_event, illegal_bytes};
use super::http::Body;
use super::{Effect, Shaping};
use crate::fault::{Ending, Ends, FaultIndex, HalfOpenKind, IllegalKind, Upstream, Verb};
use crate::name::{Direction, Side};

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

impl Verb {
    /// Whether it writes bytes anew that lie before its point, so that they must not leave before it strikes.
    pub(super) fn rewrites(&self) -> bool {
        let truncates = matches!(self, Self::TruncateClean | Self::Upstream(Upstream::ErrorEvent { .. }));
        truncates || Edit::of(self).is_some()
    }
}

impl Connection {
    /// Why a verb cannot be done to this connection now, if it cannot.
    pub(super) fn obstacle(&self, verb: &Verb, point: Option<Point>) -> Option<&'static str> {
        if let Some(edit) = Edit::of(verb) {
            return self.edit_obstacle(edit, point);
        }
        match verb {
            Verb::Close { .. } | Verb::Illegal { .. } if !self.has_frames() => {
                Some("the connection is not a WebSocket")
            }
            Verb::TruncateClean | Verb::Upstream(Upstream::ErrorEvent { .. }) => match self.to_client.body() {
                Body::Chunked(_) | Body::UntilClose => None,
                Body::Fixed | Body::None => Some("no body is in passage that is chunked or ends with its connection"),
            },
            Verb::HalfClose { by } if self.leg_of(by.sends()).finished => Some("that end has finished by itself"),
            Verb::Freeze { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::ClockJump { .. }
            | Verb::Restart { .. } => Some("a connection is no host"),
            Verb::Partition { .. }
            | Verb::Refuse { .. }
            | Verb::ConnectHang { .. }
            | Verb::HandshakeStall { .. }
            | Verb::AcceptThenReset { .. }
            | Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::HalfClose { .. }
            | Verb::LookupFails { .. }
            | Verb::LookupMoves { .. }
            | Verb::Buffer { .. }
            | Verb::Illegal { .. }
            | Verb::HalfOpen { .. }
            | Verb::Cut { .. }
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::Upstream(
                Upstream::Status { .. } | Upstream::SlowHead { .. } | Upstream::MissingDone | Upstream::Stall { .. },
            )
            | Verb::IoError { .. } => None,
        }
    }

    /// Does a verb to this connection; `point` is where its trigger came true, if that was in its bytes.
    pub(super) fn strike(&mut self, fault: FaultIndex, verb: &Verb, point: Option<Point>, out: &mut Vec<Effect>) {
        if let (Some(edit), Some(point)) = (Edit::of(verb), point) {
            return self.edit(fault, edit, point, out);
        }
        match verb {
            Verb::Reset { to } => {
                told(*to).iter().for_each(|side| self.forge_rst(*side, fault, out));
                self.leave_in_silence(*to, fault, out);
            }
            Verb::Drop { to } => {
                told(*to).iter().for_each(|side| self.forge_fin(*side, fault, out));
                self.leave_in_silence(*to, fault, out);
            }
            Verb::Close { code, reason, to } => self.close(fault, told(*to), *code, reason, out),
            Verb::HalfClose { by } => self.half_close(*by, fault, out),
            Verb::Buffer { bytes, flush_after, direction, .. } => {
                ways(*direction).for_each(|way| self.leg(way).keep(Keeping::new(fault, *bytes, *flush_after)));
            }
            Verb::Illegal { kind, to } => told(*to).iter().for_each(|side| self.send_illegal(*side, *kind, fault, out)),
            Verb::HalfOpen { kind, direction, .. } => {
                ways(*direction).for_each(|silent| self.silence(silent, *kind, fault, out));
            }
            Verb::Cut { ending } => self.cut(fault, *ending, point, out),
            Verb::TruncateClean => self.truncate(fault, point, Bytes::new(), out),
            Verb::Upstream(upstream) => match upstream {
                Upstream::Status { status } => self.answer(*status, fault, out),
                Upstream::SlowHead { .. } | Upstream::Stall { .. } => {
                    self.silence(Direction::ToClient, HalfOpenKind::Stall, fault, out);
                }
                Upstream::ErrorEvent { message } => self.truncate(fault, point, error_event(message), out),
                Upstream::MissingDone => {}
            },
            Verb::Delay { by, .. } => self.shape(fault, None, Shaping::Delay(*by), out),
            Verb::Jitter { up_to, .. } => self.shape(fault, None, Shaping::Jitter(*up_to), out),
            Verb::Throttle { bytes_per_second, direction, .. } => {
                self.shape(fault, *direction, Shaping::Throttle { bytes_per_second: *bytes_per_second }, out);
            }
            Verb::Drip { bytes, every, direction, .. } => {
                self.shape(fault, *direction, Shaping::Pieces { bytes: *bytes, every: *every }, out);
            }
            Verb::Split { bytes, direction, .. } => {
                let every = Duration::from_millis(1);
                self.shape(fault, *direction, Shaping::Pieces { bytes: *bytes, every }, out);
            }
            Verb::IoError { call, kind, nth, side, lasting } => {
                let (call, kind, nth, side, lasting) = (*call, *kind, *nth, *side, lasting.is_some());
                out.push(Effect::IoError { connection: self.key, side, call, kind, nth, lasting, fault });
            }
            Verb::Corrupt
            | Verb::DuplicateMessage { .. }
            | Verb::ReorderMessages { .. }
            | Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::Refuse { .. }
            | Verb::ConnectHang { .. }
            | Verb::HandshakeStall { .. }
            | Verb::AcceptThenReset { .. }
            | Verb::LookupFails { .. }
            | Verb::LookupMoves { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::ClockJump { .. }
            | Verb::Restart { .. } => {}
        }
    }

    /// An end that is not told neither hears anything nor gets anything acknowledged: nobody is there who would say that
    /// the connection is over.
    fn leave_in_silence(&mut self, told: Ends, fault: FaultIndex, out: &mut Vec<Effect>) {
        let untold = match told {
            Ends::Both => return,
            Ends::Client => Side::Server,
            Ends::Server => Side::Client,
        };
        self.silence(untold.sends(), HalfOpenKind::Blackhole, fault, out);
    }

    fn shape(&mut self, fault: FaultIndex, way: Option<Direction>, shaping: Shaping, out: &mut Vec<Effect>) {
        let connection = self.key;
        out.extend(ways(way).map(|direction| Effect::Shape { connection, direction, shaping, fault }));
    }

    /// Illegal bytes stand between two frames, as every frame does.
    fn send_illegal(&mut self, to: Side, kind: IllegalKind, fault: FaultIndex, out: &mut Vec<Effect>) {
        let direction = to.peer().sends();
        let bytes = illegal_bytes(kind, direction);
        let connection = self.key;
        let leg = self.leg(direction);
        if leg.is_between_frames() {
            out.push(Effect::Inject { connection, direction, bytes, fault });
        } else {
            leg.awaited.push(Awaited::Frame { fault, bytes });
        }
    }

    /// The reader of the cut direction learns first.
    fn cut(&mut self, fault: FaultIndex, ending: Ending, point: Option<Point>, out: &mut Vec<Effect>) {
        let first = reader(point.map_or(Direction::ToClient, |point| point.direction));
        match ending {
            Ending::Fin => [first, first.peer()].into_iter().for_each(|side| self.forge_fin(side, fault, out)),
            Ending::Rst => [first, first.peer()].into_iter().for_each(|side| self.forge_rst(side, fault, out)),
            Ending::Silence => {
                for direction in Direction::BOTH {
                    self.silence(direction, HalfOpenKind::Blackhole, fault, out);
                }
            }
        }
    }
}

fn told(ends: Ends) -> &'static [Side] {
    match ends {
        Ends::Both => &[Side::Client, Side::Server],
        Ends::Client => &[Side::Client],
        Ends::Server => &[Side::Server],
    }
}

fn ways(only: Option<Direction>) -> impl Iterator<Item = Direction> {
    Direction::BOTH.into_iter().filter(move |direction| only.is_none_or(|only| only == *direction))
}
