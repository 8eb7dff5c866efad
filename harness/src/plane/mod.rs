//! The fault plane: the core that decides what happens to connections, bytes and hosts under a plan's faults.
//!
//! It owns no socket and no clock. An actuator (the simulated network, the proxy on real sockets) tells it what happens and
//! applies the [`Effect`]s that it answers; the same plan gives the same answers to both.
//!
//! - `effect`: the answers;
//! - `plane`: [`Plane`], what an actuator calls: triggers by time, event and connection;
//! - `planned`: one fault and how far its life has come; `firing`: how faults fire and heal; `attempts`: what befalls
//!   connections before they are any; `idle`: what befalls those that carry nothing;
//! - `reasons`: why faults have not fired;
//! - `struck`: what a verb sees of a connection and can do to it; `buffer`: a hop that keeps what it is sent; `bodies`: to the body of a response; `editing` (with `edit`): to single
//!   messages and events;
//! - `connection`: two legs, and what their protocols and faults share; `connections`: all of them;
//! - `leg`: one direction: reads, lets pass, holds, throws away; `awaited`: the boundaries that faults wait for in it;
//! - `watch`: one fault over one leg: counts units and finds the byte at which to strike;
//! - `pieces`: the bytes between arrival and departure;
//! - `protocol`, `http` (with `head`, `exchange` and `lines`), `websocket`, `sse`: where units begin and end; `mark` is how they say it;
//! - `encode`: the bytes that faults forge;
//! - [`machine`]: all of it under the contract of a machine.
//!
//! # What passes, and when
//!
//! Bytes pass as they came, whole slices at once, and at once. Only armed faults make bytes wait:
//!
//! - before or inside the nth SSE event: from the point on, until the blank line shows that it is an event. Only a whole
//!   event is one; what the end of its body cuts off is none, and no fault strikes it;
//! - before or inside the nth message that says something: from the point on, until it is whole and read; a message that
//!   cannot be read (binary, compressed, longer than 64 KiB) waits for nothing;
//! - before or inside the nth HTTP head: from the point on, until the first line shows that it is HTTP;
//! - before the nth chunk: until its size shows that it is not the empty one that ends a body;
//! - a message or event that is to be corrupted, duplicated or moved, or may be the `[DONE]` to be left out: from its
//!   beginning to its end;
//! - a fault that may have to write the size of a chunk again, because it ends the body or changes an event: each chunk,
//!   until it is whole.
//!
//! What shows nothing for a second passes: what may still become a head, a block of an event stream without data, or the
//! beginning of a message whose content matters. So raw bytes that begin like HTTP, comments that keep a stream alive, and
//! pings between the fragments of a slow message arrive a second late at most. Should the unit show
//! after all, its fault strikes where the bytes then are.
//!
//! At most 1 MiB waits so; what is larger passes, and a fault that needed it whole does not fire. Nothing but the message
//! itself and the chunks around it is ever rewritten.
//!
//! When a direction falls silent in the middle of a piece, the bytes of that call which the plane has neither forwarded nor
//! discarded go back to the actuator, which shows them again after the heal.

mod attempts;
mod awaited;
mod bodies;
mod buffer;
mod connection;
mod connections;
mod edit;
mod editing;
mod effect;
mod encode;
mod exchange;
mod firing;
mod head;
mod http;
mod idle;
mod leg;
mod lines;
pub mod machine;
mod mark;
mod pieces;
#[expect(clippy::module_inception, reason = "the plane of the module `plane`")]
mod plane;
mod planned;
mod protocol;
mod reasons;
mod sse;
mod struck;
mod watch;
mod websocket;

#[cfg(test)]
pub(crate) mod tests;

pub use effect::{Answer, ConnectVerdict, ConnectionKey, Effect, Hold, HostAct, Mode, Passage, Shaping};
pub(crate) use encode::{error_event, illegal_bytes};
pub use machine::PlaneMachine;
pub use plane::Plane;
pub use struck::{Edit, Open, Struck};
