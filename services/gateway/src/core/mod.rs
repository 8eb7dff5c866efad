//! What decides, without sockets, clocks, tasks and randomness.

pub mod api_error;
pub mod chat;
mod chunk;
pub mod confidential;
pub mod fault;
mod likeness;
pub mod relay;
pub mod request_end;
pub mod said;
pub mod sanitise;
pub use halfopen_upstream::sse;
