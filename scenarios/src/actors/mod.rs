//! The users of the services, as scripts.

pub mod decoder;
pub mod reader;
pub mod talker;
