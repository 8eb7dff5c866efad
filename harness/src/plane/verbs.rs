//! What each verb does to a connection.

use super::Effect;
use super::connection::{Connection, reader};
use super::encode::{TERMINAL_CHUNK, chunk_head};
use super::http::{Body, Chunk};
use super::leg::Awaited;
use crate::fault::{Ending, Ends, FaultIndex, HalfOpenKind, Verb};
use crate::name::{Direction, Side};
use bytes::Bytes;
use std::time::Duration;

/// Where in a connection's bytes a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// In which direction.
    pub(super) direction: Direction,
    /// At which offset.
    pub(super) at: u64,
}

impl Connection {
    /// Why a verb cannot be done to this connection now, if it cannot.
    pub(super) fn obstacle(&self, verb: &Verb) -> Option<&'static str> {
        match verb {
            Verb::Close { .. } if !self.has_frames() => Some("the connection is not a WebSocket"),
            Verb::TruncateClean if self.to_client.body() == Body::Other => {
                Some("no body is in passage that is chunked or ends with its connection")
            }
            Verb::Freeze { .. } | Verb::Crash { .. } | Verb::PowerLoss { .. } | Verb::Restart { .. } => {
                Some("a connection is no host")
            }
            Verb::Partition { .. }
            | Verb::Refuse { .. }
            | Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::HalfOpen { .. }
            | Verb::Cut { .. }
            | Verb::TruncateClean
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::IoError { .. } => None,
        }
    }

    /// Does a verb to this connection; `point` is where its trigger came true, if that was in its bytes.
    pub(super) fn strike(&mut self, fault: FaultIndex, verb: &Verb, point: Option<Point>, out: &mut Vec<Effect>) {
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
            Verb::HalfOpen { kind, direction, .. } => {
                for silent in Direction::BOTH {
                    if direction.is_none_or(|only| only == silent) {
                        self.silence(silent, *kind, fault, out);
                    }
                }
            }
            Verb::Cut { ending } => self.cut(fault, *ending, point, out),
            Verb::TruncateClean => self.truncate(fault, point, out),
            Verb::Delay { by, .. } => self.shape(fault, *by, Duration::ZERO, out),
            Verb::Jitter { up_to, .. } => self.shape(fault, Duration::ZERO, *up_to, out),
            Verb::IoError { call, kind, nth, side } => {
                let (call, kind, nth, side) = (*call, *kind, *nth, *side);
                out.push(Effect::IoError { connection: self.key, side, call, kind, nth, fault });
            }
            Verb::Freeze { .. }
            | Verb::Partition { .. }
            | Verb::Refuse { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
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

    fn shape(&mut self, fault: FaultIndex, delay: Duration, jitter: Duration, out: &mut Vec<Effect>) {
        out.push(Effect::Shape { connection: self.key, delay, jitter, fault });
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

    /// Ends the body at the point, writing the size of the chunk around it anew; where the size has already passed, at the
    /// chunk's end.
    fn truncate(&mut self, fault: FaultIndex, point: Option<Point>, out: &mut Vec<Effect>) {
        let chunk = match self.to_client.body() {
            Body::Chunked(chunk) => self.to_client.kept_chunk().or(chunk),
            Body::UntilClose | Body::Other => None,
        };
        let at = point.filter(|point| point.direction == Direction::ToClient).map(|point| point.at);
        let at = at.unwrap_or(self.to_client.read());
        match chunk {
            Some(chunk) if self.to_client.kept_chunk().is_some() => {
                self.resize(chunk, at, fault, out);
                self.end_both(fault, out);
            }
            Some(_) => self.to_client.awaited = Some(Awaited::Chunk(fault)),
            None => {
                self.to_client.pass(at, out);
                self.end_body(fault, out);
            }
        }
    }

    /// Passes a kept chunk up to a point, as a whole chunk, and the last chunk.
    fn resize(&mut self, chunk: Chunk, at: u64, fault: FaultIndex, out: &mut Vec<Effect>) {
        let connection = self.key;
        let inject = |bytes, out: &mut Vec<Effect>| {
            out.push(Effect::Inject { connection, direction: Direction::ToClient, bytes, fault });
        };
        self.to_client.pass(chunk.head, out);
        let Some((payload, size)) = chunk.payload.filter(|(payload, size)| at > *payload && *size > 0) else {
            return inject(Bytes::from_static(TERMINAL_CHUNK), out);
        };
        let passing = (at - payload).min(size);
        if passing < size {
            self.to_client.swallow(payload, fault, out);
            inject(chunk_head(passing), out);
        }
        self.to_client.pass(payload + passing, out);
        inject(Bytes::from([b"\r\n", TERMINAL_CHUNK].concat()), out);
    }

    /// Between chunks, or in a body that ends with the connection: the body ends here.
    pub(super) fn end_body(&mut self, fault: FaultIndex, out: &mut Vec<Effect>) {
        if matches!(self.to_client.body(), Body::Chunked(_)) {
            let bytes = Bytes::from_static(TERMINAL_CHUNK);
            out.push(Effect::Inject { connection: self.key, direction: Direction::ToClient, bytes, fault });
        }
        self.end_both(fault, out);
    }

    fn end_both(&mut self, fault: FaultIndex, out: &mut Vec<Effect>) {
        self.forge_fin(Side::Client, fault, out);
        self.forge_fin(Side::Server, fault, out);
    }
}

fn told(ends: Ends) -> &'static [Side] {
    match ends {
        Ends::Both => &[Side::Client, Side::Server],
        Ends::Client => &[Side::Client],
        Ends::Server => &[Side::Server],
    }
}
