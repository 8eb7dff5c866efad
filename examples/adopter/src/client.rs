//! The client: a note is delivered when it has come back.

use tracing::info;

use crate::connection::Lost;
use crate::line::{Config, GaveUp, Line};
use crate::note::Note;

/// Delivers notes, one at a time. A note may arrive more than once when a connection is lost, and never not at all
/// without an error.
#[derive(Debug)]
pub struct Client {
    line: Line,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(config: Config) -> Self {
        Self { line: Line::new(config) }
    }

    /// Delivers a note.
    ///
    /// # Errors
    /// If no attempt succeeded. The service may have the note nevertheless: the echo can be lost as well.
    pub async fn deliver(&mut self, note: &Note) -> Result<(), GaveUp> {
        for _ in 0..self.line.config().attempts {
            match self.attempt(note).await {
                Ok(()) => {
                    info!(id = note.id, "note delivered");
                    return Ok(());
                }
                Err(lost) => self.line.lose(lost).await,
            }
        }
        Err(self.line.give_up(note))
    }

    /// Leaves properly.
    pub async fn close(self) {
        self.line.close().await;
    }

    async fn attempt(&mut self, note: &Note) -> Result<(), Lost> {
        let connection = self.line.connection().await?;
        connection.send(note).await?;
        connection.echo_of(note).await
    }
}
