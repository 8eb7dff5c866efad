//! (map to be written)
mod effect;

pub use effect::{ConnectVerdict, Effect, Hold, HostAct, Mode};
