//! A WebSocket's two tasks: one reads, one writes.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use halfopen_link::codec::decode;
use halfopen_link::message::{FromNode, FromSession};
use halfopen_link::websocket::is_expected;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::{debug, error, warn};

use super::tables::Generation;
use super::{Defect, Shared, TARGET};

/// Between pings; a peer that has not been heard for two of them is gone.
const PING: Duration = Duration::from_secs(20);
/// How long a close may take.
const CLOSE: Duration = Duration::from_secs(2);
/// How late a defective registry hears of an end.
const LATE: Duration = Duration::from_secs(38);

type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;
type Incoming = SplitStream<WebSocketStream<TcpStream>>;

/// Whose connection it is, once that is known.
enum Peer {
    Unknown,
    Session(String),
    Node,
}

pub(super) async fn serve(socket: TcpStream, shared: Shared, generation: Generation) {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let Ok(websocket) = tokio_tungstenite::accept_hdr_async(socket, note).await else { return };
    let is_node = path == "/ws/node";
    let (sink, mut incoming) = websocket.split();
    let (outgoing, queue) = unbounded_channel();
    shared.tables().open.insert(generation);
    let defect = shared.tables().defect;
    let mut tasks = JoinSet::new();
    tasks.spawn(write(sink, queue, shared.clone(), generation));
    let mut peer = Peer::Unknown;
    let broken = read(&mut incoming, &outgoing, &shared, generation, is_node, &mut peer).await;
    if let Some(reason) = &broken {
        report(reason, defect);
    }
    if defect == Defect::UnregistersLate && broken.is_some() {
        sleep(LATE).await;
    }
    if defect != Defect::StaysRegistered {
        match &peer {
            Peer::Session(id) => shared.tables().session_lost(id, generation),
            Peer::Node => shared.tables().node_lost(generation),
            Peer::Unknown => {}
        }
    }
    if broken.is_some() {
        close(&shared, generation);
    }
    // With the last of its senders gone the writing task says goodbye, whose answer is still to be read.
    drop(outgoing);
    let goodbye = async {
        while tasks.join_next().await.is_some() {}
        while incoming.next().await.is_some_and(|read| read.is_ok()) {}
    };
    if defect == Defect::ClosesWithoutBound {
        goodbye.await;
    } else if timeout(CLOSE, goodbye).await.is_err() {
        debug!(target: TARGET, "the peer did not answer the close in time");
    }
}

/// Reads until the end; what broke the connection, if it was not closed.
async fn read(
    incoming: &mut Incoming,
    outgoing: &UnboundedSender<Message>,
    shared: &Shared,
    generation: Generation,
    is_node: bool,
    peer: &mut Peer,
) -> Option<Lost> {
    let mut heard = Instant::now();
    let mut pings = interval(PING);
    pings.tick().await;
    loop {
        let message = tokio::select! {
            biased;
            message = incoming.next() => message,
            _ = pings.tick() => {
                if heard.elapsed() >= 2 * PING {
                    return Some(Lost::Silent);
                }
                // A connection whose writing task has ended is read to its end all the same.
                let _ = outgoing.send(Message::Ping(Vec::new().into()));
                continue;
            }
        };
        heard = Instant::now();
        match message {
            None | Some(Ok(Message::Close(_))) => return None,
            Some(Err(error)) => return Some(Lost::Failed(error)),
            Some(Ok(Message::Text(text))) if is_node => {
                let message = decode::<FromNode>(&text);
                assert!(message.is_ok() || !trusts(shared), "a node speaks the protocol");
                if let Ok(message) = message {
                    *peer = Peer::Node;
                    shared.tables().node_says(generation, outgoing, message);
                }
            }
            Some(Ok(Message::Text(text))) => take(&text, outgoing, shared, generation, peer),
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
        }
    }
}

fn take(text: &str, outgoing: &UnboundedSender<Message>, shared: &Shared, generation: Generation, peer: &mut Peer) {
    let message = decode::<FromSession>(text);
    assert!(message.is_ok() || !trusts(shared), "a client speaks the protocol");
    match (message, &*peer) {
        (Ok(FromSession::SessionInit { resume, .. }), Peer::Unknown) => {
            if let Some(id) = shared.tables().hello(generation, outgoing, resume) {
                *peer = Peer::Session(id);
            }
        }
        (Ok(message), Peer::Session(id)) => shared.tables().session_says(id, message),
        (Ok(_) | Err(_), _) => {}
    }
}

/// Whether what comes in is taken for right.
fn trusts(shared: &Shared) -> bool {
    shared.tables().defect == Defect::TrustsItsInput
}

async fn write(mut sink: Sink, mut queue: UnboundedReceiver<Message>, shared: Shared, generation: Generation) {
    let defect = shared.tables().defect;
    while let Some(message) = queue.recv().await {
        if let Err(error) = sink.send(message).await {
            report(&Lost::Failed(error), defect);
            if defect == Defect::ClosesTwice {
                close(&shared, generation);
            }
            return;
        }
    }
    if let Err(error) = sink.close().await {
        report(&Lost::Failed(error), defect);
        if defect == Defect::ClosesTwice {
            close(&shared, generation);
        }
    }
}

/// Takes a broken connection off the list of the open ones.
fn close(shared: &Shared, generation: Generation) {
    let mut tables = shared.tables();
    let was_open = tables.open.remove(&generation);
    if tables.defect == Defect::ClosesTwice {
        // The lock is let go before it is poisoned.
        drop(tables);
        assert!(was_open, "connection {generation} is open");
    }
}

/// Why a connection is no more.
enum Lost {
    Silent,
    Failed(Error),
}

fn report(lost: &Lost, defect: Defect) {
    match lost {
        Lost::Failed(failure) if defect == Defect::EveryErrorIsAnError => {
            error!(target: TARGET, error = %failure, "connection failed");
        }
        Lost::Failed(failure) if !is_expected(failure) && defect != Defect::NoErrorIsLogged => {
            warn!(target: TARGET, error = %failure, "connection failed")
        }
        Lost::Failed(failure) => debug!(target: TARGET, error = %failure, "the peer is gone"),
        Lost::Silent => debug!(target: TARGET, "the peer is silent"),
    }
}
