//! Finds failures that no scenario was written for.
//!
//! - `learn`: what a run did, as points at which a fault can strike the next one.
//!
//! Everything in this folder is a core: it has no socket, no clock, no process and no file.

pub(crate) mod learn;
