//! What faults do to the bodies of responses: another answer, an end too early.

use bytes::Bytes;

use super::Effect;
use super::awaited::Pending;
use super::connection::TrackedConnection;
use super::edit::event_units;
use super::encode::{self, TERMINAL_CHUNK, chunk_head, error_response};
use super::http::{Body, Chunk};
use super::struck::Point;
use crate::fault::FaultIndex;
use crate::name::{Direction, Side};
use crate::trace::Unit;

impl TrackedConnection {
    /// The client gets another answer than the server's, and both ends are done.
    pub(super) fn answer(&mut self, status: u16, fault: FaultIndex, out: &mut Vec<Effect>) {
        self.inject(error_response(status), fault, out);
        self.tell(Direction::ToClient, vec![Unit::HttpResponse { status }], out);
        self.end_both(fault, out);
    }

    /// Ends the body at the point, after an event if there is one to add, writing the size of the chunk around it again; where
    /// the size has already passed, at the chunk's end.
    pub(super) fn truncate(&mut self, fault: FaultIndex, point: Option<Point>, event: Bytes, out: &mut Vec<Effect>) {
        let chunk = match self.to_client.body() {
            Body::Chunked(chunk) => self.to_client.kept_chunk().or(chunk),
            Body::Fixed | Body::UntilClose | Body::None => None,
        };
        let at = point.filter(|point| point.direction == Direction::ToClient).map(|point| point.at);
        let at = at.unwrap_or(self.to_client.read());
        match chunk {
            Some(chunk) if self.to_client.kept_chunk().is_some() => {
                self.resize(chunk, at, fault, out);
                self.end_body(&event, fault, out);
            }
            Some(_) => self.to_client.awaited.push(Pending::BodyEnd { fault, event }),
            None => {
                self.to_client.pass(at, out);
                self.end_body(&event, fault, out);
            }
        }
    }

    /// Passes a kept chunk up to a point, as a whole chunk.
    fn resize(&mut self, chunk: Chunk, at: u64, fault: FaultIndex, out: &mut Vec<Effect>) {
        self.to_client.pass(chunk.head, out);
        // Legal: the event ends with the chunk before.
        let Some((payload, size)) = chunk.payload.filter(|(payload, size)| at > *payload && *size > 0) else { return };
        let passing = (at - payload).min(size);
        if passing < size {
            self.to_client.discard_up_to(payload, fault, out);
            self.inject(chunk_head(passing), fault, out);
        }
        self.to_client.pass(payload + passing, out);
        self.inject(Bytes::from_static(b"\r\n"), fault, out);
    }

    /// Between chunks, or in a body that ends with the connection: the body ends here, with this event if there is one.
    pub(super) fn end_body(&mut self, event: &Bytes, fault: FaultIndex, out: &mut Vec<Effect>) {
        let chunked = matches!(self.to_client.body(), Body::Chunked(_));
        if !event.is_empty() {
            self.inject(if chunked { encode::chunk(event) } else { event.clone() }, fault, out);
            self.tell(Direction::ToClient, event_units(event), out);
        }
        if chunked {
            self.inject(Bytes::from_static(TERMINAL_CHUNK), fault, out);
        }
        self.end_both(fault, out);
    }

    fn inject(&self, bytes: Bytes, fault: FaultIndex, out: &mut Vec<Effect>) {
        out.push(Effect::Inject { connection: self.key, direction: Direction::ToClient, bytes, fault });
    }

    fn end_both(&mut self, fault: FaultIndex, out: &mut Vec<Effect>) {
        self.forge_fin(Side::Client, fault, out);
        self.forge_fin(Side::Server, fault, out);
    }
}
