//! The gateway on real sockets, between a client that may leave and a backend that misbehaves.

mod backend;
mod client;
mod endings;
mod fixture;
mod leaving;
mod limits;
mod panics;
mod readiness;
mod requests;
mod shutdown;
mod wire;
