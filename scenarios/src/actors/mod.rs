//! The users of the services, as scripts.

pub mod crowd;
pub(crate) mod line;
pub mod listener;
pub mod prober;
pub mod reader;
pub mod talker;
pub mod visitor;
