//! What has the sockets, the clock and the log.

pub(crate) mod attempt;
pub(crate) mod probe;
pub(crate) mod target;
