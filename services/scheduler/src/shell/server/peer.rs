//! One WebSocket, from the upgrade to its last byte: its messages become inputs of the broker, and bad ones are dealt with here,
//! at the cost of their sender.
//!
//! What the broker says to a peer waits in one queue, that of its WebSocket. A peer must not be able to fill it with the answers
//! to its own messages: it is read only while no more than a quarter of the queue waits, and no more than a quarter's worth of its
//! messages wait for the broker. The other half is for what the broker says of its own accord, and the configuration keeps the
//! largest burst of that below half. So the queue overflows only when the peer does not read.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use halfopen_link::close::code;
use halfopen_link::codec::{Undecodable, decode, encode};
use halfopen_link::connection::{self, Connection, Inbox, Incoming};
use halfopen_link::message::{FromNode, FromSession, ToSession};
use halfopen_link::{ConnectionEnd, LinkConfig, Metered, Outbox, id};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;

use super::core_task::{FromPeer, PeerHandle};
use crate::core::broker::{ConnectionId, Input, Leg};

/// Runs until the socket is closed and gone.
pub(super) async fn run<S>(
    socket: WebSocketStream<Metered<S>>,
    id: ConnectionId,
    leg: Leg,
    link: LinkConfig,
    broker: mpsc::Sender<FromPeer>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let quarter = (link.queue / 4).max(1);
    let (Connection { outbox, inbox }, driver) = connection::open(socket, link);
    let peer = Peer { id, leg, quarter, turns: Arc::new(Semaphore::new(quarter)), outbox, broker: broker.clone() };
    let running = async { tokio::join!(driver, peer.run(inbox)) };
    if let Err(panic) = AssertUnwindSafe(running).catch_unwind().await {
        let end = ConnectionEnd::by_us(code::INTERNAL, "the connection's task has panicked");
        // When the broker is gone there is nothing left to tell.
        let _gone = broker.send(FromPeer::Ended(Input::Lost(id, end))).await;
        std::panic::resume_unwind(panic);
    }
}

struct Peer {
    id: ConnectionId,
    leg: Leg,
    /// A quarter of the queue to the peer, in messages.
    quarter: usize,
    /// How many more of the peer's messages may wait for the broker.
    turns: Arc<Semaphore>,
    outbox: Outbox,
    broker: mpsc::Sender<FromPeer>,
}

/// The broker is gone: it has drained, or its task has failed.
struct BrokerGone;

impl Peer {
    async fn run(self, mut inbox: Inbox) {
        if let Err(BrokerGone) = self.exchange(&mut inbox).await {
            self.outbox.close(code::RESTART, "shutting down");
        }
        // The inbox has to live until the driver is through, or it would say "going away" instead.
        while let Incoming::Text(_) = inbox.next().await {}
    }

    /// Hands the peer's messages to the broker until the connection ends or is closed.
    async fn exchange(&self, inbox: &mut Inbox) -> Result<(), BrokerGone> {
        let handle = PeerHandle { leg: self.leg, outbox: self.outbox.clone() };
        self.tell(FromPeer::Opened(self.id, id::token().into(), handle)).await?;
        loop {
            let incoming = tokio::select! {
                biased;
                () = self.broker.closed() => return Err(BrokerGone),
                incoming = self.next(inbox) => incoming,
            };
            match incoming {
                Incoming::Ended(end) => return self.tell(FromPeer::Ended(Input::Lost(self.id, end))).await,
                Incoming::Text(text) => match self.decoded(&text) {
                    Ok(input) => self.hand_over(input).await?,
                    Err(Undecodable::UnknownType(kind)) => self.complain(&kind),
                    Err(error @ Undecodable::Malformed(_)) => {
                        let end = ConnectionEnd::by_us(code::INVALID, error.to_string());
                        self.outbox.close(end.close_code, &end.detail);
                        return self.tell(FromPeer::Ended(Input::Lost(self.id, end))).await;
                    }
                },
            }
        }
    }

    /// The next message, once there is room for its answer. Cancel-safe.
    async fn next(&self, inbox: &mut Inbox) -> Incoming {
        self.outbox.until_waiting_at_most(self.quarter).await;
        inbox.next().await
    }

    fn decoded(&self, text: &str) -> Result<Input, Undecodable> {
        match self.leg {
            Leg::Session => decode::<FromSession>(text).map(|message| Input::FromSession(self.id, message)),
            Leg::Node => decode::<FromNode>(text).map(|message| Input::FromNode(self.id, message)),
        }
    }

    async fn hand_over(&self, input: Input) -> Result<(), BrokerGone> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("the semaphore is never closed");
        self.tell(FromPeer::Message { input, turn }).await
    }

    /// Answers a message of an unknown type. Both legs have the same `error`.
    fn complain(&self, kind: &str) {
        let message = format!("the type {kind:?} is not known here");
        let error = ToSession::Error { code: "unknown_type".to_owned(), message };
        // A full queue: a peer that writes nonsense without reading the answers misses one.
        let _missed = self.outbox.try_send(encode(&error));
    }

    async fn tell(&self, message: FromPeer) -> Result<(), BrokerGone> {
        self.broker.send(message).await.map_err(|_| BrokerGone)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// A global handler that hears of a panic is not enough: the registry must hear of it too.
    #[tokio::test]
    async fn a_connection_whose_task_panics_is_ended_at_the_broker_and_the_panic_goes_on() {
        let (broker, mut told) = mpsc::channel(8);
        let socket = WebSocketStream::from_raw_socket(Metered::new(Panics), Role::Server, None).await;
        let running = tokio::spawn(run(socket, ConnectionId(7), Leg::Session, LinkConfig::default(), broker));
        assert!(running.await.expect_err("it panics").is_panic());
        let mut ends = Vec::new();
        while let Some(message) = told.recv().await {
            if let FromPeer::Ended(Input::Lost(id, end)) = message {
                ends.push((id, end.close_code));
            }
        }
        assert_eq!(ends, [(ConnectionId(7), code::INTERNAL)]);
    }

    /// A socket whose first read finds a bug.
    struct Panics;

    impl AsyncRead for Panics {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            panic!("on purpose")
        }
    }

    impl AsyncWrite for Panics {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
}
