//! Whether this build can be simulated, for `--version`.

/// Whether this crate was built with the feature `sim`. Production binaries print `sim: off`.
pub const SIM: bool = cfg!(feature = "sim");
