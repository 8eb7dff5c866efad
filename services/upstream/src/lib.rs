//! What everyone who asks a model server reads of its answer.
//!
//! | module | what it is |
//! |---|---|
//! | [`sse`] | the event-stream parser and encoder |
//! | [`retry_after`] | the header that says when to ask again |
//!
//! It has no socket, no clock and no task.

#![deny(clippy::disallowed_methods)]

pub mod retry_after;
pub mod sse;
