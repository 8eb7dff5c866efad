//! `turmoil-net` as a second network under the same sockets: what the simulation's own fabric is held against.
//!
//! It is the socket stack of the turmoil project: a TCP state machine per host, public packets, no clock. Here it gets a
//! clock (tokio's, paused), a latency, and the seam of `halfopen_net`, and nothing else: where it differs from Linux it is
//! left to differ, and the cells say so.
//!
//! - `world`: hosts, tasks, packets and time.
//! - `sockets`: the world as `halfopen_net` sees it.
//!
//! The loop is the fastest that was found for it: packets are collected once, when the runtime is about to wait and only
//! if something has happened; one timer stands for the next packet.

mod sockets;
mod world;

pub use world::{Program, play};
