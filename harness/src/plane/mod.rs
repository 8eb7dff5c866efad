//! The fault plane: the core that decides what happens to connections, bytes and hosts under a plan's faults.
//!
//! It owns no socket and no clock. An actuator (the simulated network, the proxy on real sockets) tells it what happens and
//! applies the [`Effect`]s that it answers; the same plan gives the same answers to both.
//!
//! - `effect`: the answers;
//! - `plane`: [`Plane`], what an actuator calls: triggers by time, event and connection;
//! - `planned`: one fault and how far its life has come; `firing`: how faults fire and heal;
//! - `verbs`: what each verb does to a connection;
//! - `connection`: two legs, and what their protocols and faults share; `connections`: all of them;
//! - `leg`: one direction: reads, lets pass, holds, throws away;
//! - `watch`: one fault over one leg: counts units and finds the byte at which to strike;
//! - `pieces`: the bytes between arrival and departure;
//! - `protocol`, `http` (with `head` and `exchange`), `websocket`, `sse`: where units begin and end; `mark` is how they say it;
//! - `encode`: the bytes that faults forge;
//! - `describe`: faults in words.
//!
//! # What passes, and when
//!
//! Bytes pass as they came, whole slices at once, and at once. Only three armed faults make bytes wait:
//!
//! - before or inside the nth SSE event: from the point on, until a `data` field shows that it is an event;
//! - before or inside the nth HTTP head: from the point on, until the first line shows that it is HTTP;
//! - [`TruncateClean`](crate::fault::Verb::TruncateClean) at a unit or byte: each chunk, until it is whole, because its size
//!   may have to be written anew.
//!
//! At most 1 MiB waits so. Only the last rewrites anything, and only the chunk in which it strikes.
//!
//! When a direction falls silent in the middle of a piece, the bytes of that call which the plane has neither forwarded nor
//! discarded go back to the actuator, which shows them again after the heal.

mod connection;
mod connections;
mod describe;
mod effect;
mod encode;
mod exchange;
mod firing;
mod head;
mod http;
mod leg;
mod mark;
mod pieces;
#[expect(clippy::module_inception, reason = "the plane of the module `plane`")]
mod plane;
mod planned;
mod protocol;
mod sse;
mod verbs;
mod watch;
mod websocket;

#[cfg(test)]
mod tests;

pub use describe::{describe_target, describe_trigger, describe_verb};
pub use effect::{ConnectVerdict, ConnectionKey, Effect, Hold, HostAct, Mode, Passage};
pub use plane::Plane;
