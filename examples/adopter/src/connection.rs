//! One connection to the service.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::note::Note;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    patience: Duration,
}

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Socket(#[from] Error),
    #[error("the service closed it")]
    Closed,
    #[error("the service said something that is no note")]
    NoNote(#[from] serde_json::Error),
    #[error("the service is silent")]
    Silent,
}

impl Connection {
    /// Connects. `patience` is how long each answer of the service may take.
    pub(crate) async fn open(url: &str, patience: Duration) -> Result<Self, Lost> {
        let (socket, _) = timeout(patience, connect_async(url)).await.map_err(|_| Lost::Silent)??;
        Ok(Self { socket, patience })
    }

    /// Hands a note to the socket.
    pub(crate) async fn send(&mut self, note: &Note) -> Result<(), Lost> {
        let text = serde_json::to_string(note)?;
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Waits until a note has come back.
    pub(crate) async fn echo_of(&mut self, note: &Note) -> Result<(), Lost> {
        let back = async {
            while next_note(&mut self.socket).await? != *note {}
            Ok(())
        };
        timeout(self.patience, back).await.map_err(|_| Lost::Silent)?
    }

    /// Ends the connection with code 1000. It is of no more use whether or not the service hears of it.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            let _ = self.socket.close(None).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = timeout(self.patience, goodbye).await;
    }
}

async fn next_note(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<Note, Lost> {
    loop {
        match socket.next().await.ok_or(Lost::Closed)?? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Close(_) => return Err(Lost::Closed),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}
