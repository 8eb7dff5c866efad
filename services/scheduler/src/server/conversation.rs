//! One WebSocket, from the upgrade to its last byte: frames become inputs of the core, the core's messages become
//! frames.
//!
//! The peer is read only while nothing waits to be written to it. So a peer that asks without reading the answers slows
//! itself down, and the queue towards it overflows only when the core has more to say than a healthy peer is ever sent.

use std::borrow::Cow;

use halfopen_link::close::code;
use halfopen_link::codec::{Undecodable, decode};
use halfopen_link::connection::{self, Connection, Incoming};
use halfopen_link::message::{FromNode, FromSession, ToSession};
use halfopen_link::{Ending, LinkConfig, Metered, Outbox};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;

use super::switchboard::{Event, Line};
use crate::broker::{ConnectionId, Input, Leg};

/// Why and how a connection is closed from this side.
#[derive(Clone, Debug)]
pub(super) struct Goodbye {
    pub(super) close_code: u16,
    pub(super) reason: Cow<'static, str>,
}

/// Holds the conversation until the socket is closed and gone.
pub(super) async fn hold<S>(
    socket: WebSocketStream<Metered<S>>,
    id: ConnectionId,
    leg: Leg,
    link: LinkConfig,
    events: mpsc::Sender<Event>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (texts, queued) = mpsc::channel(link.queue);
    let (goodbye, asked) = oneshot::channel();
    let (connection, driver) = connection::open(socket, link);
    let talk = Talk { id, leg, queued, asked, events };
    tokio::join!(driver, talk.run(connection, Line::new(leg, texts, goodbye)));
}

struct Talk {
    id: ConnectionId,
    leg: Leg,
    /// What the core has to say.
    queued: mpsc::Receiver<String>,
    /// The core's order to close.
    asked: oneshot::Receiver<Goodbye>,
    events: mpsc::Sender<Event>,
}

/// How a talk ends on this side.
enum End {
    /// Close, once what is queued is out.
    AfterQueue(Goodbye),
    /// Close; what is queued is lost with the connection.
    AtOnce(Goodbye),
    /// The connection is gone.
    Gone(Ending),
}

impl Talk {
    async fn run(mut self, connection: Connection, line: Line) {
        let Connection { outbox, mut inbox } = connection;
        let end = match self.events.send(Event::Opened(self.id, line)).await {
            Ok(()) => self.exchange(&outbox, &mut inbox).await,
            Err(_) => End::AtOnce(SERVICE_OVER),
        };
        let goodbye = match end {
            End::Gone(ending) => {
                self.tell(Input::Lost(self.id, ending)).await;
                return;
            }
            End::AfterQueue(goodbye) => {
                while let Ok(text) = self.queued.try_recv()
                    && outbox.try_send(text).is_ok()
                {}
                goodbye
            }
            End::AtOnce(goodbye) => goodbye,
        };
        outbox.close(goodbye.close_code, &goodbye.reason);
        // The inbox has to live until the driver is through, or it would say "going away" instead.
        while let Incoming::Text(_) = inbox.next().await {}
    }

    async fn exchange(&mut self, outbox: &Outbox, inbox: &mut connection::Inbox) -> End {
        loop {
            tokio::select! {
                biased;
                goodbye = &mut self.asked => return End::AfterQueue(goodbye.unwrap_or(SERVICE_OVER)),
                Some(text) = self.queued.recv() => tokio::select! {
                    biased;
                    // A refusal means that the connection is over: the inbox says how.
                    _ = outbox.send(text) => {}
                    // This message may be lost, so none after it may go out.
                    goodbye = &mut self.asked => return End::AtOnce(goodbye.unwrap_or(SERVICE_OVER)),
                },
                incoming = inbox.next() => match incoming {
                    Incoming::Ended(ending) => return End::Gone(ending),
                    Incoming::Text(text) => if let Some(end) = self.take(&text, outbox).await {
                        return end;
                    }
                },
            }
        }
    }

    /// Hands a frame to the core; bad ones are dealt with here, at the cost of their sender.
    async fn take(&mut self, text: &str, outbox: &Outbox) -> Option<End> {
        let decoded = match self.leg {
            Leg::Session => decode::<FromSession>(text).map(|message| Input::FromSession(self.id, message)),
            Leg::Node => decode::<FromNode>(text).map(|message| Input::FromNode(self.id, message)),
        };
        match decoded {
            Ok(input) => match self.tell(input).await {
                true => None,
                false => Some(End::AtOnce(SERVICE_OVER)),
            },
            Err(Undecodable::UnknownType(kind)) => {
                // Both legs have the same `error`.
                let message = format!("the type {kind:?} is not known here");
                let error = ToSession::Error { code: "unknown_type".to_owned(), message };
                if let Ok(text) = serde_json::to_string(&error) {
                    // A full queue: whoever writes nonsense without reading the answers misses one.
                    let _missed = outbox.try_send(text);
                }
                None
            }
            Err(error @ Undecodable::Malformed(_)) => {
                let (close_code, reason) = (code::INVALID, error.to_string());
                self.tell(Input::Lost(self.id, Ending::by_us(close_code, &reason))).await;
                Some(End::AtOnce(Goodbye { close_code, reason: Cow::Owned(reason) }))
            }
        }
    }

    /// Whether the core is still there to hear it.
    async fn tell(&self, input: Input) -> bool {
        self.events.send(Event::Input(input)).await.is_ok()
    }
}

/// The core has gone without a word for this connection.
const SERVICE_OVER: Goodbye = Goodbye { close_code: code::RESTART, reason: Cow::Borrowed("shutting down") };
