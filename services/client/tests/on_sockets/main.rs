//! The client on real loopback sockets, and, where minutes are to pass, on pipes with a paused clock.

mod journal;
mod limits;
mod on_pipes;
mod played;
mod process;
mod program;
mod sessions;
