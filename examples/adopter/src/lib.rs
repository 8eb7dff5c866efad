//! Notes over a WebSocket: a service that echoes them, and a client that delivers them.
//!
//! - [`note`]: what is carried.
//! - [`server`]: the service.
//! - [`client`]: the client.
//! - `connection`: what the client knows of one connection.

pub mod client;
mod connection;
pub mod note;
pub mod server;

pub use client::{Client, GaveUp};
pub use note::Note;
