//! Every row that loopback can make: who does what to whom, and what is seen.

mod client;
mod lines;
mod server;
mod turmoil_net;
mod websocket;
mod websocket_illegal;
mod websocket_silence;

use crate::cell::Cell;

/// Every cell, in the oracle's order; those of verbs without a row of their own at the end.
pub(crate) fn all() -> Vec<Cell> {
    [
        websocket::cells(),
        websocket_illegal::cells(),
        websocket_silence::cells(),
        server::cells(),
        client::cells(),
        lines::cells(),
    ]
    .concat()
}
