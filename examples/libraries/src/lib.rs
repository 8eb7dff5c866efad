//! Four users of libraries that open their own sockets, and the servers that they talk to. The tests put them under fault; nothing in
//! this folder knows of that.
//!
//! - [`shop`]: orders over reqwest;
//! - [`ledger`]: entries in a Redis;
//! - [`vault`]: notes over TLS, rustls at both ends;
//! - [`ticker`]: a stream of events, read with eventsource-client.

pub mod ledger;
pub mod shop;
pub mod ticker;
pub mod vault;

use std::time::Duration;

/// What became of something that was attempted.
pub type Outcome<E> = Result<(), E>;

/// Attempts, each with what it fails with, until one succeeds: five at most, a second apart.
///
/// # Errors
/// That of the last.
pub async fn again<E>(mut attempt: impl AsyncFnMut() -> Outcome<E>) -> Outcome<E> {
    for _ in 1..5 {
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    attempt().await
}
