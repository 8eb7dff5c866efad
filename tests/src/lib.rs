//! Tests that need more than one crate: what the whole catalogue tells, what holds whatever breaks, what the released
//! binaries do. There is no code here: see `tests/` and `benches/`.
