//! What has the sockets and the clock of a leg.

pub mod connection;
pub mod id;
pub mod metered;
pub mod safe_close;
pub mod websocket;
