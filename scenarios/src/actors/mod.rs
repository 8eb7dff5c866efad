//! The users of the services, as scripts.

pub mod reader;
pub mod talker;
