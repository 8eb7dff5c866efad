//! tungstenite 0.20.1: a Pong that finds the socket full is written to the buffer and never flushed.
//!
//! Report and fix: <https://github.com/snapview/tungstenite-rs/pull/393>, in 0.21.0. Who only reads from then on is taken
//! for dead by a peer that waits for the Pong, though the line has been free again for long.

mod control;

use halfopen::Catalogue;

/// The sensor over the version of the report.
mod at_0_20_1 {
    use tokio_tungstenite_0_20_1 as tokio_tungstenite;
    include!("sensor.rs");
}

/// The same over the version with the fix.
mod at_0_21_0 {
    use tokio_tungstenite_0_21_0 as tokio_tungstenite;
    include!("sensor.rs");
}

pub(crate) fn with(catalogue: Catalogue) -> Catalogue {
    catalogue
        .host("control", control::run)
        .actor("tungstenite_sensor", at_0_21_0::measure)
        .actor("tungstenite_sensor_0_20_1", at_0_20_1::measure)
}
