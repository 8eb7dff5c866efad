//! The client as it was before anybody broke its connection on purpose: a note is delivered when `send` says so.

use tracing::info;

use crate::connection::Lost;
use crate::line::{Config, GaveUp, Line};
use crate::note::Note;

/// Delivers notes, it thinks. Kept so that the tests can show that the scenarios find its defect.
#[derive(Debug)]
pub struct SloppyClient {
    line: Line,
}

impl SloppyClient {
    /// A client that has not connected yet.
    pub fn new(config: Config) -> Self {
        Self { line: Line::new(config) }
    }

    /// Delivers a note, unless it is lost behind the socket.
    ///
    /// # Errors
    /// If no attempt succeeded.
    pub async fn deliver(&mut self, note: &Note) -> Result<(), GaveUp> {
        for _ in 0..self.line.config().attempts {
            match self.attempt(note).await {
                Ok(()) => return Ok(()),
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
        // The defect: the note is in a buffer of this machine, and nowhere else yet.
        info!(id = note.id, "note delivered");
        // Errors of `send` are tried again; a client that sees the echo fail only takes another connection for the next
        // note.
        if let Err(lost) = connection.echo_of(note).await {
            self.line.lose(lost).await;
        }
        Ok(())
    }
}
