//! Tests that need more than one crate: what the whole catalogue tells, what holds whatever breaks, what the released
//! binaries do, and what Linux and other networks do where the simulated one does something. See `tests/` and `benches/`.
//!
//! - [`mod@reference`]: another simulated network under the same sockets.

pub mod reference;
