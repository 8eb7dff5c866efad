//! (map to be written)
#[cfg(feature = "sim")]
pub mod engine;
