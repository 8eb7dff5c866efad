//! The line to the service: a connection that is opened when one is needed.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::sleep;
use tracing::info;

use crate::connection::{Connection, Lost};
use crate::note::Note;

/// What a client can be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The service, as `ws://host:port/echo`.
    pub url: String,
    /// How long an answer may take before the connection is given up.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// The pause before another attempt.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// How often a note is tried.
    pub attempts: u32,
}

/// A note could not be delivered.
#[derive(Debug, thiserror::Error)]
#[error("failed to deliver note {id} in {attempts} attempts")]
pub struct GaveUp {
    /// The id of the note.
    pub id: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// At most one connection at a time.
#[derive(Debug)]
pub(crate) struct Line {
    config: Config,
    connection: Option<Connection>,
}

impl Line {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, connection: None }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The open connection, or a new one.
    pub(crate) async fn connection(&mut self) -> Result<&mut Connection, Lost> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => {
                let opened = Connection::open(&self.config.url, self.config.patience).await?;
                info!(url = self.config.url, "connected");
                Ok(none.insert(opened))
            }
        }
    }

    /// Drops the connection, and pauses before the next.
    pub(crate) async fn lose(&mut self, lost: Lost) {
        info!(url = self.config.url, %lost, "connection lost");
        self.connection = None;
        sleep(self.config.pause).await;
    }

    /// Says that no attempt succeeded.
    pub(crate) fn give_up(&self, note: &Note) -> GaveUp {
        info!(id = note.id, "note given up");
        GaveUp { id: note.id.clone(), attempts: self.config.attempts }
    }

    pub(crate) async fn close(self) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }
}
