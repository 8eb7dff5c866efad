//! What has the sockets, the clock, the tasks and the log of a client.

pub mod client;
pub mod connector;
mod driver;
pub(crate) mod events;
mod journal;
mod notice;
pub mod run;
mod sentences;
