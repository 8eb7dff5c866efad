//! The client.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::connection::{Connection, Lost};
use crate::note::Note;

/// What the client can be told.
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
    /// Which note.
    pub id: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Delivers notes, one at a time, over a connection that it opens when it needs one.
#[derive(Debug)]
pub struct Client {
    config: Config,
    connection: Option<Connection>,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(config: Config) -> Self {
        Self { config, connection: None }
    }

    /// Delivers a note.
    ///
    /// # Errors
    /// If no attempt succeeded.
    pub async fn deliver(&mut self, note: &Note) -> Result<(), GaveUp> {
        for _ in 0..self.config.attempts {
            match self.attempt(note).await {
                Ok(()) => return Ok(()),
                Err(lost) => {
                    info!(url = self.config.url, %lost, "connection lost");
                    self.connection = None;
                    sleep(self.config.pause).await;
                }
            }
        }
        info!(id = note.id, "note given up");
        Err(GaveUp { id: note.id.clone(), attempts: self.config.attempts })
    }

    /// Leaves properly.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            // A service that does not answer the goodbye is left without one.
            let _ = timeout(self.config.patience, connection.close()).await;
        }
    }

    async fn attempt(&mut self, note: &Note) -> Result<(), Lost> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let opened = timeout(self.config.patience, Connection::open(&self.config.url)).await;
                let opened = opened.map_err(|_| Lost::Silent)??;
                info!(url = self.config.url, "connected");
                none.insert(opened)
            }
        };
        connection.send(note).await?;
        info!(id = note.id, "note delivered");
        // The echo is for whoever watches; without one the next note takes another connection.
        let echo = timeout(self.config.patience, connection.echo()).await;
        if !matches!(echo, Ok(Ok(_))) {
            self.connection = None;
        }
        Ok(())
    }
}
