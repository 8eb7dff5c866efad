//! One open WebSocket: two bounded queues for its owner, and one driver that moves messages between them and the
//! socket, keeps the link alive, and closes it.
//!
//! [`open`] gives the queues and the driver, a future that the owner spawns where it keeps its tasks. Reading and
//! writing proceed side by side, so a write that is stuck holds up neither the pings' clock nor what arrives.
//!
//! Invariant: a connection ends with exactly one [`ConnectionEnd`], which [`Inbox::next`] gives after every message that came
//! before it. The driver returns later, once the socket is closed: at most `close_timeout` after the ending, or after
//! the request to close.
//!
//! Nothing here says that a message has arrived: a queued message may be lost with the connection, and only the
//! application's own acknowledgement tells.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use halfopen_machine::{Bug, Machine};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::close::{self, ConnectionEnd};
use crate::config::LinkConfig;
use crate::keepalive::{self, Keepalive, ping_number, ping_payload};
use crate::metered::{Meter, Metered};
use crate::safe_close::safe_close;
use crate::websocket::report_failure;

/// The owner's side of an open WebSocket.
#[derive(Debug)]
pub struct Connection {
    /// The queue of outgoing messages.
    pub outbox: Outbox,
    /// What comes in, and in the end how it ended.
    pub inbox: Inbox,
}

impl Connection {
    /// Closes the connection: what is queued goes out first, what still comes in is discarded. Returns as soon as the
    /// ending is known, which is another one than ours if the peer or the network was quicker; the driver still has
    /// the socket to close.
    pub async fn close(mut self, close_code: u16, reason: &str) -> ConnectionEnd {
        self.outbox.close(close_code, reason);
        loop {
            if let Incoming::Ended(ending) = self.inbox.next().await {
                return ending;
            }
        }
    }
}

/// The queue towards the peer; clones share it. Dropping all of them closes the connection with 1001.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: mpsc::Sender<Utf8Bytes>,
    taken: Arc<Notify>,
    goodbye: watch::Sender<Option<CloseFrame>>,
}

/// Why a message was not queued. The texts complete "failed to".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer reads more slowly than it is written to.
    #[error("queue a message: the connection's queue is full")]
    Full,
    /// The connection is closing or gone.
    #[error("queue a message: the connection is closed")]
    Closed,
}

impl Outbox {
    /// Queues a message without waiting.
    ///
    /// # Errors
    /// [`SendError::Full`] if `queue` messages wait already, [`SendError::Closed`] if the connection has ended.
    pub fn try_send(&self, text: impl Into<Utf8Bytes>) -> Result<(), SendError> {
        if self.goodbye.borrow().is_some() {
            return Err(SendError::Closed);
        }
        self.queue.try_send(text.into()).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// Queues a message as soon as there is room. If the future is dropped before that, the message is not queued.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the connection has ended.
    pub async fn send(&self, text: impl Into<Utf8Bytes>) -> Result<(), SendError> {
        if self.goodbye.borrow().is_some() {
            return Err(SendError::Closed);
        }
        self.queue.send(text.into()).await.map_err(|_| SendError::Closed)
    }

    /// Waits until no more than this many messages wait for the writer, or the connection has ended. One task at a time may
    /// wait. Cancel-safe.
    pub async fn until_waiting_at_most(&self, messages: usize) {
        while self.queue.max_capacity() - self.queue.capacity() > messages {
            tokio::select! {
                biased;
                () = self.queue.closed() => return,
                () = self.taken.notified() => {}
            }
        }
    }

    /// Asks for a close: what is queued goes out first, then the Close frame. The first request wins, later ones
    /// change nothing, and neither does one for a connection that has ended. A code that must not travel becomes 1000.
    pub fn close(&self, close_code: u16, reason: &str) {
        let close_code = if close::is_sendable(close_code) { close_code } else { close::code::NORMAL };
        self.goodbye.send_if_modified(|goodbye| {
            let first = goodbye.is_none();
            if first {
                *goodbye = Some(frame(close_code, reason));
            }
            first
        });
    }

    /// Whether nothing more can be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed() || self.goodbye.borrow().is_some()
    }
}

/// What comes from the peer. It has to be read all the time: while `queue` messages wait here nothing is read from the
/// socket, pings and pongs included, and after the silence bound the connection is given up.
#[derive(Debug)]
pub struct Inbox {
    queue: mpsc::Receiver<Utf8Bytes>,
    ending: watch::Receiver<Option<ConnectionEnd>>,
}

/// One thing that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// How the connection ended; nothing follows.
    Ended(ConnectionEnd),
}

impl Inbox {
    /// The next message; after the last one, and for ever after, the ending. Cancel-safe.
    pub async fn next(&mut self) -> Incoming {
        match self.queue.recv().await {
            Some(text) => Incoming::Text(text),
            None => {
                let ending = self.ending.borrow().clone();
                Incoming::Ended(
                    ending.unwrap_or_else(|| ConnectionEnd::by_us(close::code::AWAY, "the driver was dropped")),
                )
            }
        }
    }
}

/// Takes an open WebSocket over. The returned future is the driver: nothing happens until it is polled, and dropping
/// it drops the socket.
///
/// The handshake is to be done with [`LinkConfig::websocket`] over a [`Metered`] stream.
pub fn open<S>(
    socket: WebSocketStream<Metered<S>>,
    config: LinkConfig,
) -> (Connection, impl Future<Output = ConnectionEnd> + Send)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (outgoing, messages) = mpsc::channel(config.queue);
    let queue = Queue { messages, taken: Arc::default() };
    let (goodbye, goodbye_asked) = watch::channel(None);
    let (incoming, received) = mpsc::channel(config.queue);
    let (ended, ending) = watch::channel(None);
    let connection = Connection {
        outbox: Outbox { queue: outgoing, taken: Arc::clone(&queue.taken), goodbye },
        inbox: Inbox { queue: received, ending },
    };
    (connection, drive(socket, config, Outgoing { queue, goodbye: goodbye_asked }, incoming, ended))
}

/// The driver's end of the [`Outbox`].
struct Outgoing {
    queue: Queue,
    goodbye: watch::Receiver<Option<CloseFrame>>,
}

/// The messages that wait for the writer.
struct Queue {
    messages: mpsc::Receiver<Utf8Bytes>,
    /// Notified whenever the writer takes a message.
    taken: Arc<Notify>,
}

impl Queue {
    /// The next message; `None` once the queue is closed and empty. Cancel-safe.
    async fn next(&mut self) -> Option<Utf8Bytes> {
        let text = self.messages.recv().await;
        self.taken.notify_one();
        text
    }
}

/// Why the writer stopped.
enum Stop {
    /// The owner asked for a close, at that instant.
    Goodbye(CloseFrame, Instant),
    /// Not one byte has left for the configured time.
    Stalled,
    /// The socket refused.
    Failed(Error),
}

async fn drive<S>(
    socket: WebSocketStream<Metered<S>>,
    config: LinkConfig,
    outgoing: Outgoing,
    incoming: mpsc::Sender<Utf8Bytes>,
    ended: watch::Sender<Option<ConnectionEnd>>,
) -> ConnectionEnd
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let meter = socket.get_ref().meter();
    let (mut sink, mut stream) = socket.split();
    let (pings, pings_due) = watch::channel(0);
    let (ending, farewell, since) = {
        let mut reader = pin!(read(&mut stream, &config, &incoming, &pings));
        let mut writer = pin!(write(&mut sink, &config, outgoing, pings_due, &meter));
        tokio::select! {
            biased;
            ending = &mut reader => (ending.clone(), farewell_to(&ending), Instant::now()),
            stop = &mut writer => match stop {
                Stop::Goodbye(frame, since) => {
                    (ConnectionEnd::by_us(frame.code.into(), frame.reason.as_str()), Some(frame), since)
                }
                Stop::Stalled => {
                    let detail = format!("no write progress for {:?}", config.write_stall);
                    (ConnectionEnd::by_timeout(detail), Some(frame(close::code::TRY_LATER, "not reading")), Instant::now())
                }
                // What arrived before the loss is still to be read, the peer's Close among it.
                Stop::Failed(error) => {
                    report_failure(&error);
                    let seen = timeout(config.close_timeout, reader).await;
                    let ending = seen.unwrap_or_else(|_| ConnectionEnd::from_error(&error));
                    (ending.clone(), farewell_to(&ending), Instant::now())
                }
            },
        }
    };
    ended.send_replace(Some(ending.clone()));
    drop(incoming);
    let socket = sink.reunite(stream).expect("both halves come from one socket");
    safe_close(socket, farewell, config.close_timeout.saturating_sub(since.elapsed())).await;
    ending
}

/// The Close frame that goes with an ending: our own code; for a peer that has gone silent, 1011 in case it still
/// listens; none in answer to the peer's own.
fn farewell_to(ending: &ConnectionEnd) -> Option<CloseFrame> {
    match ending.by {
        close::By::Us => Some(frame(ending.close_code, &ending.detail)),
        close::By::Timeout => Some(frame(close::code::INTERNAL, &ending.detail)),
        close::By::Peer | close::By::Network => None,
    }
}

/// A Close frame; the reason is cut to the 123 bytes that a control frame has room for (RFC 6455, section 5.5).
fn frame(close_code: u16, reason: &str) -> CloseFrame {
    let cut = reason.floor_char_boundary(123);
    CloseFrame { code: close_code.into(), reason: reason[..cut].into() }
}

/// Reads until the connection ends. A message is taken from the socket only when there is room for it.
async fn read<R>(
    stream: &mut R,
    config: &LinkConfig,
    incoming: &mpsc::Sender<Utf8Bytes>,
    pings: &watch::Sender<u64>,
) -> ConnectionEnd
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    let mut keepalive = Keepalive::new(config.ping_interval, config.pong_timeout, Instant::now().into_std());
    loop {
        let room = match timeout(config.silence_bound(), incoming.reserve()).await {
            Ok(Ok(room)) => room,
            Ok(Err(_)) => return ConnectionEnd::by_us(close::code::AWAY, "going away"),
            Err(_) => return ConnectionEnd::by_us(close::code::TRY_LATER, "messages wait unread"),
        };
        match read_text(stream, config, incoming, &mut keepalive, pings).await {
            Ok(text) => room.send(text),
            Err(ending) => return ending,
        }
    }
}

/// The next text message, with control frames dealt with on the way.
async fn read_text<R>(
    stream: &mut R,
    config: &LinkConfig,
    incoming: &mpsc::Sender<Utf8Bytes>,
    keepalive: &mut Keepalive,
    pings: &watch::Sender<u64>,
) -> Result<Utf8Bytes, ConnectionEnd>
where
    R: Stream<Item = Result<Message, Error>> + Unpin,
{
    loop {
        let frame = tokio::select! {
            biased;
            frame = stream.next() => frame,
            () = incoming.closed() => return Err(ConnectionEnd::by_us(close::code::AWAY, "going away")),
            // Last: silence is called only when nothing is waiting to be read.
            () = until(keepalive.next_timeout()) => {
                let handled = keepalive.handle_timeout(Instant::now().into_std());
                carry_out(keepalive, handled, config, pings)?;
                continue;
            }
        };
        let handled = keepalive.handle(read_of(frame.as_ref()), Instant::now().into_std());
        carry_out(keepalive, handled, config, pings)?;
        match frame {
            Some(Ok(Message::Text(text))) => return Ok(text),
            // The pong is the keepalive's. The answer to a ping has been queued by tungstenite, and the next read sends it.
            Some(Ok(Message::Pong(_) | Message::Ping(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => {
                return Err(ConnectionEnd::by_us(close::code::UNSUPPORTED, "binary messages are not accepted"));
            }
            Some(Ok(Message::Close(frame))) => {
                let frame = frame.as_ref().map(|frame| (frame.code.into(), frame.reason.as_str()));
                return Err(ConnectionEnd::by_peer(frame));
            }
            Some(Err(error)) => {
                report_failure(&error);
                return Err(ConnectionEnd::from_error(&error));
            }
            None => return Err(ConnectionEnd::from_error(&Error::ConnectionClosed)),
        }
    }
}

/// What the keepalive is told of something that was read, the end of the stream among it.
fn read_of(frame: Option<&Result<Message, Error>>) -> keepalive::Input {
    match frame {
        Some(Ok(Message::Pong(payload))) => {
            ping_number(payload).map_or(keepalive::Input::Frame, keepalive::Input::Pong)
        }
        Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Close(_) | Message::Frame(_)))
        | Some(Err(_))
        | None => keepalive::Input::Frame,
    }
}

/// Does what the keepalive asks for; a bug of it costs this connection.
fn carry_out(
    keepalive: &mut Keepalive,
    handled: Result<(), Bug>,
    config: &LinkConfig,
    pings: &watch::Sender<u64>,
) -> Result<(), ConnectionEnd> {
    handled.map_err(|bug| {
        tracing::error!(%bug, "a bug of this service");
        ConnectionEnd::by_bug(&bug)
    })?;
    while let Some(output) = keepalive.poll_output() {
        match output {
            keepalive::Output::Ping(number) => {
                pings.send_replace(number);
            }
            keepalive::Output::Silent => {
                return Err(ConnectionEnd::by_timeout(format!("no pong within {:?}", config.pong_timeout)));
            }
        }
    }
    Ok(())
}

async fn until(timeout: Option<std::time::Instant>) {
    match timeout {
        Some(timeout) => sleep_until(timeout.into()).await,
        None => pending().await,
    }
}

/// Writes until the owner says goodbye, nothing moves any more, or the socket fails. A goodbye lets out what is queued
/// first, within the time that a close may take.
async fn write<W>(
    sink: &mut W,
    config: &LinkConfig,
    outgoing: Outgoing,
    pings: watch::Receiver<u64>,
    meter: &Meter,
) -> Stop
where
    W: Sink<Message, Error = Error> + Unpin,
{
    let Outgoing { queue, goodbye } = outgoing;
    let mut asked = goodbye.clone();
    let mut writing = pin!(write_all(sink, config, queue, goodbye, pings, meter));
    let frame = tokio::select! {
        biased;
        stop = &mut writing => return stop,
        Some(frame) = goodbye_of(&mut asked) => frame,
    };
    let since = Instant::now();
    match timeout(config.close_timeout, writing).await {
        Ok(Stop::Goodbye(frame, _)) => Stop::Goodbye(frame, since),
        Ok(stop) => stop,
        Err(_) => Stop::Goodbye(frame, since),
    }
}

async fn write_all<W>(
    sink: &mut W,
    config: &LinkConfig,
    mut queue: Queue,
    mut goodbye: watch::Receiver<Option<CloseFrame>>,
    mut pings: watch::Receiver<u64>,
    meter: &Meter,
) -> Stop
where
    W: Sink<Message, Error = Error> + Unpin,
{
    let mut leaving = None;
    loop {
        let message = tokio::select! {
            biased;
            Some(frame) = goodbye_of(&mut goodbye), if leaving.is_none() => {
                leaving = Some(frame);
                queue.messages.close();
                continue;
            }
            Ok(()) = pings.changed() => Message::Ping(ping_payload(*pings.borrow_and_update()).to_vec().into()),
            text = queue.next() => match text {
                Some(text) => Message::Text(text),
                None => {
                    let goodbye = leaving.unwrap_or_else(|| frame(close::code::AWAY, "going away"));
                    return Stop::Goodbye(goodbye, Instant::now());
                }
            },
        };
        if let Err(stop) = put(sink, message, config, meter).await {
            return stop;
        }
    }
}

/// Sends one message; gives up once not one byte has left for `write_stall`, noticed at the latest after twice that.
async fn put<W>(sink: &mut W, message: Message, config: &LinkConfig, meter: &Meter) -> Result<(), Stop>
where
    W: Sink<Message, Error = Error> + Unpin,
{
    let mut sending = pin!(sink.send(message));
    loop {
        let before = meter.bytes();
        tokio::select! {
            biased;
            sent = &mut sending => return sent.map_err(Stop::Failed),
            () = sleep(config.write_stall) => {
                if meter.bytes() == before {
                    return Err(Stop::Stalled);
                }
            }
        }
    }
}

/// The Close frame once it has been asked for; `None` once every [`Outbox`] is gone.
async fn goodbye_of(goodbye: &mut watch::Receiver<Option<CloseFrame>>) -> Option<CloseFrame> {
    goodbye.wait_for(Option::is_some).await.ok().and_then(|frame| frame.clone())
}
