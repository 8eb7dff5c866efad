//! What is decided about a leg, without sockets, clocks and randomness.

pub mod close;
pub mod codec;
pub mod config;
pub mod keepalive;
pub mod message;
