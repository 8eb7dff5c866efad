//! The client on real loopback sockets.

mod journal;
mod limits;
mod played;
mod program;
mod sessions;
