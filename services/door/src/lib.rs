//! Who may come in, for every port of the services.
//!
//! | module | what it is |
//! |---|---|
//! | [`admission`] | how many connections there may be: waiting, seated, of one address, and beyond |
//! | [`keys`] | bearer keys: several at a time, from a file or the environment, compared in constant time |
//! | [`site`] | which hosts a request may be meant for, and which pages may send one |
//!
//! It has no socket, no clock and no task.

#![deny(clippy::disallowed_methods)]

pub mod admission;
pub mod keys;
pub mod site;

pub use admission::{Bounds, Door, Entry, Guest};
pub use keys::{KeyError, KeyRing, KeySource, Keys};
pub use site::Site;
