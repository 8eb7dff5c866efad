//! Notes over a WebSocket: a service that echoes them, and a client that delivers them.
//!
//! - [`note`]: what is carried.
//! - [`server`]: the service.
//! - [`client`]: the client; [`sloppy`]: the client with the defect that it once had.
//! - `line`: what both do when a connection is lost; `connection`: what they know of one connection.

pub mod client;
mod connection;
mod line;
pub mod note;
pub mod server;
pub mod sloppy;

pub use client::Client;
pub use line::{Config, GaveUp};
pub use note::Note;
pub use sloppy::SloppyClient;
