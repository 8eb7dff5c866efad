//! The simulated variant of every type in this crate.
//!
//! - [`SimulationHandle`]: the simulation on this thread, if there is one.
//! - [`Handle`]: a listener or stream of it; [`Shared`] and [`Borrowed`] are what its halves hold.
//! - [`Socket`]: a socket that neither listens nor is connected yet.
//!
//! Without the feature `sim` the same names are uninhabited types with the same methods (`absent`), so the rest of the
//! crate is written once.

#[cfg(not(feature = "sim"))]
mod absent;
#[cfg(feature = "sim")]
mod handle;
#[cfg(feature = "sim")]
mod network;
#[cfg(feature = "sim")]
mod options;
#[cfg(feature = "sim")]
mod socket;

#[cfg(not(feature = "sim"))]
pub(crate) use absent::{Borrowed, Handle, Shared, SimulationHandle, Socket};
#[cfg(feature = "sim")]
pub(crate) use handle::{Borrowed, Handle, Shared};
#[cfg(feature = "sim")]
pub(crate) use network::SimulationHandle;
#[cfg(feature = "sim")]
pub(crate) use socket::Socket;
