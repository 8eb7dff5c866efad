//! What the WebSocket legs between the services share: the messages of their protocols, how a leg is kept alive, how it ends, and the one
//! way to close it. What a session, a node or a job *does* is decided elsewhere, by the client and the scheduler.
//!
//! The core decides and touches nothing:
//!
//! - [`message`]: the protocols' messages, as JSON text frames.
//! - [`codec`]: from a text frame to a message and back.
//! - [`close`]: how a leg ended, as a close code, who ended it and a detail; which codes may be sent; which losses are expected.
//! - [`keepalive`]: when to ping, and when a leg counts as dead.
//! - [`config`]: the timings and limits of a leg.
//!
//! The shell (feature `shell`, on by default) has the sockets and the clock:
//!
//! - [`connection`]: one open WebSocket as a pair of bounded queues and one driver; it ends with exactly one [`ConnectionEnd`]. Start here.
//! - [`mod@safe_close`]: the one way to close a WebSocket: bounded, and without destroying its own Close frame.
//! - [`websocket`]: what tungstenite is told, and what its errors mean.
//! - [`metered`]: a stream that counts what has been written to it, so that a stalled peer can be told from a slow one.
//! - [`id`]: identifiers, tokens and seeds from the operating system.
//!
//! tokio-tungstenite has no timer of its own: connecting, the hello, keepalive, progress of writes and the closing handshake are all bounded
//! by its user. A connection bounds the last three; its owner bounds the first two.

#![deny(clippy::disallowed_methods)]

mod core;
#[cfg(feature = "shell")]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a shell has the clock and the tasks")]
mod shell;

pub use self::core::close::{By, ConnectionEnd};
pub use self::core::config::LinkConfig;
pub use self::core::{close, codec, config, keepalive, message};
#[cfg(feature = "shell")]
pub use self::shell::connection::{Connection, Inbox, Incoming, Outbox, SendError};
#[cfg(feature = "shell")]
pub use self::shell::metered::Metered;
#[cfg(feature = "shell")]
pub use self::shell::safe_close::{Closed, safe_close};
#[cfg(feature = "shell")]
pub use self::shell::{connection, id, metered, safe_close, websocket};
