//! A WebSocket endpoint as observer: tokio-tungstenite, in either role.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen_net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::backend::Backend;
use crate::coordination;
use crate::linux::Ears;
use crate::words::{how_many, message, websocket_error};

/// The size of a flood's messages.
const FLOODED: usize = 65_536;
/// The most messages of a flood: an endpoint that takes this many takes any number.
const FLOOD: usize = 200;

/// Who it is, and what it does in turn.
#[derive(Clone, Debug)]
pub(crate) struct WebSocket {
    dials: bool,
    user_timeout: Option<Duration>,
    in_vain: bool,
    acts: Vec<Act>,
}

/// One thing that the observer does. Each that has an outcome says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Lets the peer go on, and waits until it has.
    Strike,
    /// The next message.
    Next,
    /// The same, and nothing is expected to come.
    NextNever,
    /// The next message is a text like this one.
    NextAlmost(&'static str),
    /// Sends a text.
    Send(&'static str),
    /// Sends a Ping.
    Ping,
    /// Flushes.
    Flush,
    /// Sends a Close frame with 1000.
    Close,
    /// Sends 64 KiB messages until one does not go out.
    Flood,
    /// Waits long enough for what is on its way.
    Settle,
    /// Closes the connection.
    Drop,
    /// From now on hears nothing (a socket filter); in a simulation a plan's verb sees to it.
    Deafen,
}

impl WebSocket {
    /// The client.
    pub(crate) fn client(acts: &[Act]) -> Self {
        Self { dials: true, user_timeout: None, in_vain: false, acts: acts.to_vec() }
    }

    /// The server.
    pub(crate) fn server(acts: &[Act]) -> Self {
        Self { dials: false, ..Self::client(acts) }
    }

    /// Without a peer that lets it get as far as a WebSocket.
    pub(crate) fn in_vain(self) -> Self {
        Self { in_vain: true, ..self }
    }

    /// Whether it is the client.
    pub(crate) fn dials(&self) -> bool {
        self.dials
    }

    /// Whether it is made deaf.
    pub(crate) fn needs_ears(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Act::Deafen))
    }

    /// With `TCP_USER_TIMEOUT`.
    pub(crate) fn with_user_timeout(self, timeout: Duration) -> Self {
        Self { user_timeout: Some(timeout), ..self }
    }
}

/// Plays the observer.
pub(crate) async fn play(backend: &Backend, observer: &WebSocket) {
    let connecting = async {
        if observer.dials { backend.connect("peer").await } else { Ok(backend.listen().await.accept().await?.0) }
    };
    let stream = match patiently(backend, observer, connecting).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => return backend.say(format!("connect: Err({:?})", error.kind())),
        None => return backend.say("connect: pending"),
    };
    stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
    if let Some(timeout) = observer.user_timeout {
        stream.set_user_timeout(Some(timeout)).expect("a socket takes TCP_USER_TIMEOUT");
    }
    let (stream, ears) = if backend.is_linux && observer.needs_ears() {
        let (stream, ears) = Ears::of(stream);
        (stream, Some(ears))
    } else {
        (stream, None)
    };
    let handshake = async {
        if observer.dials {
            client_async("ws://peer/", stream).await.map(|(websocket, _)| websocket)
        } else {
            accept_async(stream).await
        }
    };
    let websocket = match patiently(backend, observer, handshake).await {
        Some(Ok(websocket)) => websocket,
        Some(Err(error)) => return backend.say(format!("handshake: Err({})", websocket_error(&error))),
        None => return backend.say("handshake: pending"),
    };
    let mut playing = Playing { backend, websocket: Some(websocket), strikes: 0, ears };
    for act in &observer.acts {
        playing.act(*act).await;
    }
}

async fn patiently<T>(backend: &Backend, observer: &WebSocket, what: impl Future<Output = T>) -> Option<T> {
    if observer.in_vain { backend.never(what).await } else { backend.soon(what).await }
}

struct Playing<'a> {
    backend: &'a Backend,
    websocket: Option<WebSocketStream<TcpStream>>,
    strikes: u32,
    ears: Option<Ears>,
}

impl Playing<'_> {
    async fn act(&mut self, act: Act) {
        match act {
            Act::Strike => {
                self.strikes += 1;
                coordination::strike(self.strikes).await;
                self.backend.settle().await;
            }
            Act::Next => {
                let next = self.backend.soon(self.websocket().next()).await;
                self.backend.say(format!("next: {}", received(next)));
            }
            Act::NextNever => {
                let next = self.backend.never(self.websocket().next()).await;
                self.backend.say(format!("next: {}", received(next)));
            }
            Act::NextAlmost(text) => {
                let next = self.backend.soon(self.websocket().next()).await;
                self.backend.say(format!("next: {}", almost(text, next)));
            }
            Act::Send(text) => self.send("send", Message::text(text)).await,
            Act::Ping => self.send("ping", Message::Ping(Vec::new().into())).await,
            Act::Flush => {
                let flushed = self.backend.soon(self.websocket().flush()).await;
                self.backend.say(format!("flush: {}", done(flushed)));
            }
            Act::Close => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
                let closed = self.backend.soon(self.websocket().close(Some(frame))).await;
                self.backend.say(format!("close: {}", done(closed)));
            }
            Act::Flood => self.flood().await,
            Act::Settle => self.backend.settle().await,
            Act::Drop => self.websocket = None,
            Act::Deafen => {
                if let Some(ears) = &self.ears {
                    ears.close().expect("filters are allowed, it was tried");
                }
            }
        }
    }

    fn websocket(&mut self) -> &mut WebSocketStream<TcpStream> {
        self.websocket.as_mut().expect("the observer has not dropped it yet")
    }

    async fn send(&mut self, what: &str, message: Message) {
        let sent = self.backend.soon(self.websocket().send(message)).await;
        self.backend.say(format!("{what}: {}", done(sent)));
    }

    async fn flood(&mut self) {
        let mut sent = 0;
        let mut end = String::new();
        while sent < FLOOD && end.is_empty() {
            let message = Message::binary(vec![0; FLOODED]);
            match self.backend.never(self.websocket().send(message)).await {
                Some(Ok(())) => sent += 1,
                stopped => end = format!(", then {}", done(stopped)),
            }
        }
        coordination::flooded(sent);
        self.backend.say(format!("send: Ok for {}{end}", how_many(sent * FLOODED)));
    }
}

/// What reading came to.
fn received(next: Option<Option<Result<Message, Error>>>) -> String {
    match next {
        Some(Some(Ok(received))) => message(&received),
        Some(Some(Err(error))) => format!("Err({})", websocket_error(&error)),
        Some(None) => "None".to_owned(),
        None => "pending".to_owned(),
    }
}

/// What a call came to that gives nothing back.
fn done(outcome: Option<Result<(), Error>>) -> String {
    match outcome {
        Some(Ok(())) => "Ok".to_owned(),
        Some(Err(error)) => format!("Err({})", websocket_error(&error)),
        None => "pending".to_owned(),
    }
}

/// How a message differs from a text.
fn almost(text: &str, next: Option<Option<Result<Message, Error>>>) -> String {
    match next {
        Some(Some(Ok(Message::Text(other)))) if other.chars().count() == text.chars().count() => {
            let others = other.chars().zip(text.chars()).filter(|(is, was)| is != was).count();
            format!("as long as {text:?}, {others} character another")
        }
        next => received(next),
    }
}
