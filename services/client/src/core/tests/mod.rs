//! The core, with a network that a test plays.

mod fixture;
mod losses;
mod properties;
mod protocol;
