//! A scheduler that is played by a test, on a real loopback socket.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen_client::config::Reconnect;
use halfopen_client::{Client, Config, Event, Events, JobHandle};
use halfopen_link::codec::{decode, encode};
use halfopen_link::message::{FromSession, Submit, ToSession};
use halfopen_link::{Ending, LinkConfig};
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Far more than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails rather than hangs.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("still waiting for {what}"))
}

/// The listening side.
pub(crate) struct Scheduler {
    listener: TcpListener,
}

impl Scheduler {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    /// Short delays, everything else generous, so that only the timing under test ever fires.
    pub(crate) fn config(&self) -> Config {
        let address = self.listener.local_addr().expect("bound");
        Config {
            url: format!("ws://{address}/ws/session"),
            seed: Some(1),
            reconnect: Reconnect {
                first_delay: Duration::from_millis(10),
                longest_delay: Duration::from_millis(20),
                stable_after: Duration::from_secs(3600),
                ..Reconnect::default()
            },
            connect_timeout: PATIENCE,
            hello_timeout: PATIENCE,
            link: LinkConfig { ping_interval: PATIENCE, pong_timeout: PATIENCE, ..LinkConfig::default() },
            ..Config::default()
        }
    }

    /// A connection without a hello.
    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = soon("a connection", self.listener.accept()).await.expect("a connection");
        stream.set_nodelay(true).expect("a TCP option");
        Peer { socket: tokio_tungstenite::accept_async(stream).await.expect("an upgrade") }
    }

    /// A connection with its session up.
    pub(crate) async fn greet(&self, resumed: bool) -> Peer {
        let mut peer = self.accept().await;
        let hello = peer.next().await;
        assert!(matches!(hello, FromSession::SessionInit { .. }), "{hello:?}");
        peer.hello(resumed).await;
        peer
    }
}

/// One accepted connection.
pub(crate) struct Peer<S = TcpStream> {
    pub(crate) socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) async fn hello(&mut self, resumed: bool) {
        let (session_id, token, epoch) = ("s-00000001".into(), "secret".into(), "1".into());
        self.send(&ToSession::SessionInitAck { session_id, token, epoch, resumed, next_seq: 1 }).await;
    }

    pub(crate) async fn send(&mut self, message: &ToSession) {
        self.socket.send(Message::text(encode(message))).await.expect("an open socket");
    }

    pub(crate) async fn next(&mut self) -> FromSession {
        loop {
            match soon("a message", self.socket.next()).await.expect("a message").expect("a message") {
                Message::Text(text) => return decode(&text).expect("a message of the protocol"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    pub(crate) async fn submit(&mut self) -> Submit {
        match self.next().await {
            FromSession::Submit(submit) => submit,
            other => panic!("not a submit: {other:?}"),
        }
    }

    /// Answers a job with its own text, and waits for the ack.
    pub(crate) async fn answer(&mut self, seq: u64, submit: &Submit) {
        let (job_id, text) = (submit.job_id.clone(), submit.text.clone());
        self.send(&ToSession::SubmitAck { job_id: job_id.clone() }).await;
        self.send(&ToSession::Result { seq, job_id, attempt_id: "1".into(), text, redelivered: false }).await;
        assert_eq!(self.next().await, FromSession::Ack { upto_seq: seq });
    }

    /// Closes as a server should, and waits for the end.
    pub(crate) async fn close(mut self, close_code: u16, reason: &'static str) {
        let frame = CloseFrame { code: close_code.into(), reason: reason.into() };
        self.socket.close(Some(frame)).await.expect("an open socket");
        while let Some(Ok(_)) = soon("the close", self.socket.next()).await {}
    }

    /// What the client sends until its Close frame, which comes last.
    pub(crate) async fn until_close(mut self) -> (Vec<FromSession>, u16) {
        let mut messages = Vec::new();
        loop {
            match soon("a close", self.socket.next()).await.expect("a close frame").expect("a close frame") {
                Message::Text(text) => messages.push(decode(&text).expect("a message of the protocol")),
                Message::Close(frame) => return (messages, frame.map_or(1005, |frame| frame.code.into())),
                _ => {}
            }
        }
    }
}

impl Peer {
    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.socket.get_ref().set_zero_linger().expect("a TCP option");
    }
}

/// The next loss among the events.
pub(crate) async fn lost(events: &mut Events) -> Ending {
    loop {
        if let Event::Lost { ending, .. } = soon("a loss", events.next()).await.expect("a loss") {
            return ending;
        }
    }
}

pub(crate) fn submit(client: &Client, text: &str) -> JobHandle {
    client.submit(text).expect("room")
}

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
