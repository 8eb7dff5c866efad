//! What every WebSocket leg between the services shares. Nothing here knows what a session, a node or a job is.
//!
//! - [`message`]: the protocol's messages, as JSON text frames.
//! - [`decode`]: from a text frame to a message and back.
//! - [`connection`]: one open WebSocket as a pair of bounded queues and one driver; it ends with exactly one
//!   [`Ending`]. Start here.
//! - [`close`]: what ended a link, as a close code and a culprit; which codes may be sent; which losses are expected.
//! - [`mod@safe_close`]: the one way to close a WebSocket: bounded, and without destroying its own Close frame.
//! - [`keepalive`]: when to ping, and when a link counts as dead.
//! - [`config`]: the timings and limits of a link.
//! - [`metered`]: a stream that counts what has been written to it, so that a stalled peer can be told from a slow one.
//! - [`id`]: identifiers and tokens.
//! - [`seeded`]: a small generator for cores that may draw, but only from a seed.
//!
//! tokio-tungstenite has no timer of its own: connecting, the hello, keepalive, progress of writes and the closing
//! handshake are all bounded by whoever uses it. A link bounds the last three; the first two belong to its owner.

pub mod close;
pub mod config;
pub mod connection;
pub mod decode;
pub mod id;
pub mod keepalive;
pub mod message;
pub mod metered;
pub mod safe_close;
pub mod seeded;

pub use close::{By, Ending};
pub use config::LinkConfig;
pub use connection::{Connection, Inbox, Incoming, Outbox, SendError};
pub use metered::Metered;
pub use safe_close::{Closed, safe_close};
