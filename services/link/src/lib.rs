//! (map to be written)
pub mod message;
