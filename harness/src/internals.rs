//! What the tests of this repository use beyond the public surface: scenarios that are built in Rust, and parts of the
//! harness that are held against real sockets. Nothing here is for users; it may change in any commit. It is there with the
//! feature `internals` alone, so that no crate that is tested with halfopen leans on it by chance.
#![doc(hidden)]

pub use crate::capsule::Capsule;
pub use crate::check::backoff::Backoff;
pub use crate::check::delivery::{Delivery, DeliveryLaw};
pub use crate::check::expectations::Expectations;
pub use crate::check::leaks::{GaugeLaw, Leaks, SocketLaw};
pub use crate::check::sometimes::Sometimes;
pub use crate::check::timing::Timing;
pub use crate::scenario::{
    Arrivals, FaultRule, HostSpec, LinkParameters, Opposite, Specimen, base_schema, load_dir, reference, schema,
};
pub use crate::seed::SeedTree;
#[cfg(feature = "sim")]
pub use crate::settings::Settings;

/// The fault plane.
pub mod plane {
    pub use crate::plane::*;
}

/// One end of a simulated TCP connection.
pub mod tcp {
    pub use crate::tcp::*;
}
