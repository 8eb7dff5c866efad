//! The client on real loopback sockets, and, where minutes are to pass, on pipes with a paused clock.

mod application;
#[path = "../fixture/mod.rs"]
mod fixture;
mod journal;
mod limits;
mod pipes;
mod program;
mod sessions;
