//! Bounds, measured to the millisecond: the client over pipes of its own kind, with a paused clock.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use halfopen_client::connector::Connector;
use halfopen_client::{By, Client, Config, ConnectionEnd, Event, Events, JobOutcome, State, connect_with};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::accept_async;

use crate::application::submit;
use crate::fixture::Peer;

#[tokio::test(start_paused = true)]
async fn a_silent_link_is_noticed_within_forty_seconds() {
    let (client, mut scheduler) = start(1 << 16);
    let mut events = client.events();
    let peer = scheduler.greet(false).await;
    ready(&mut events).await;
    let began = Instant::now();
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout), "{ending}");
    assert_eq!(began.elapsed(), Duration::from_secs(40), "20 s to the ping, 20 s for its pong");
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_delays_nothing_of_it() {
    let (client, mut scheduler) = start(4096);
    let mut events = client.events();
    let peer = scheduler.greet(false).await;
    ready(&mut events).await;
    let began = Instant::now();
    let handle = submit(&client, &"x".repeat(1 << 19));
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout), "{ending}");
    assert!(began.elapsed() <= Duration::from_secs(40), "{:?}", began.elapsed());
    drop(peer);
    let (mut peer, _) = tokio::join!(scheduler.greet(true), ready(&mut events));
    assert_eq!(peer.submit().await.text.len(), 1 << 19);
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn ten_idle_minutes_and_a_close_1000_cost_a_second() {
    let (client, mut scheduler) = start(1 << 16);
    let mut events = client.events();
    let mut peer = scheduler.greet(false).await;
    ready(&mut events).await;
    let idle = tokio::time::sleep(Duration::from_secs(600));
    tokio::pin!(idle);
    // Reading answers the pings.
    while tokio::select! { () = &mut idle => false, Some(Ok(_)) = peer.socket.next() => true } {}
    assert_eq!(client.state(), State::Ready);
    let closed = Instant::now();
    tokio::spawn(peer.close(1000, "idle"));
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1000, By::Peer));
    assert_eq!(closed.elapsed(), Duration::ZERO, "at once");
    assert_eq!(client.ending(), Some(ending));

    let handle = submit(&client, "hello");
    let mut peer = scheduler.greet(true).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    assert_eq!(handle.await, JobOutcome::Result { text: "hello".into() });
    assert!(closed.elapsed() <= Duration::from_millis(1_100), "{:?}", closed.elapsed());
    assert_eq!(client.ending(), None, "connected is to have no close code");
}

#[tokio::test(start_paused = true)]
async fn connecting_upgrading_and_greeting_have_ten_seconds_each() {
    let (client, mut scheduler) = start(1 << 16);
    let mut events = client.events();
    let began = Instant::now();
    let mute = scheduler.pipe().await;
    assert!(matches!(events.next().await, Some(Event::ConnectFailed { .. })), "no upgrade");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert_eq!(client.ending().map(|ending| (ending.close_code, ending.by)), Some((1006, By::Timeout)));
    drop(mute);
    let mute = scheduler.accept().await;
    let began = Instant::now();
    let ending = lost(&mut events).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout), "{ending}");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    drop(mute);

    let hanging = connect_with(Config { seed: Some(1), ..Config::default() }, Hanging).expect("a valid configuration");
    let mut events = hanging.events();
    let began = Instant::now();
    assert!(matches!(events.next().await, Some(Event::ConnectFailed { .. })), "no connection");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_close_4001_on_a_connection_that_the_client_left_is_ignored() {
    let (client, mut scheduler) = start(1 << 16);
    let mut events = client.events();
    let left = scheduler.accept().await;
    lost(&mut events).await;
    tokio::spawn(left.close(4001, "replaced"));
    let peer = scheduler.greet(false).await;
    ready(&mut events).await;
    assert_eq!(client.state(), State::Ready);
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_costs_attempts_and_nothing_else() {
    let client = connect_with(Config { seed: Some(1), ..Config::default() }, Panicking).expect("a valid configuration");
    let handle = submit(&client, "hello");
    let mut events = client.events();
    let panicked = Event::ConnectFailed { detail: "the connector panicked".into() };
    assert_eq!(events.next().await, Some(panicked));
    assert_eq!(handle.await, JobOutcome::Unknown);
    client.ended().await;
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::GaveUp { attempts: 10 }));
    assert_eq!(client.ending().map(|ending| ending.close_code), Some(1006), "a code is there at the end");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_costs_its_connection_and_nothing_else() {
    let (client, mut scheduler) = start(1 << 16);
    let mut events = client.events();
    let mut peer = scheduler.greet(false).await;
    ready(&mut events).await;
    let handle = submit(&client, "hello");
    let job = peer.submit().await;
    scheduler.faulty.store(true, Ordering::Relaxed);
    peer.send(&halfopen_link::message::ToSession::SessionClose).await;
    lost(&mut events).await;
    scheduler.faulty.store(false, Ordering::Relaxed);
    let mut peer = scheduler.greet(true).await;
    assert_eq!(peer.submit().await, job);
    peer.answer(1, &job).await;
    assert_eq!(handle.await, JobOutcome::Result { text: "hello".into() });
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_and_does_not_read_gets_one_ack_for_all() {
    let (client, mut scheduler) = start(1 << 20);
    let mut events = client.events();
    let mut peer = scheduler.greet(false).await;
    ready(&mut events).await;
    let handles: Vec<_> = (0..900).map(|number| submit(&client, &number.to_string())).collect();
    let mut jobs = Vec::new();
    for _ in 0..900 {
        jobs.push(peer.submit().await);
    }
    for (seq, job) in (1..).zip(jobs) {
        let halfopen_link::message::Submit { job_id, text, .. } = job;
        let attempt_id = "1".into();
        let result = halfopen_link::message::ToSession::Result { seq, job_id, attempt_id, text, redelivered: false };
        peer.send(&result).await;
    }
    for (number, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.await, JobOutcome::Result { text: number.to_string() });
    }
    let mut acknowledged = 0;
    while acknowledged < 900 {
        match peer.next().await {
            halfopen_link::message::FromSession::Ack { upto_seq } => {
                assert!(upto_seq > acknowledged, "acks only grow");
                acknowledged = upto_seq;
            }
            other => panic!("not an ack: {other:?}"),
        }
    }
}

/// A client over pipes that hold the given number of bytes.
fn start(capacity: usize) -> (Client, Scheduler) {
    let (give, pipes) = mpsc::unbounded_channel();
    let faulty = Arc::new(AtomicBool::new(false));
    let connector = Pipes { capacity, give: Mutex::new(give), faulty: Arc::clone(&faulty) };
    let config = Config { seed: Some(1), ..Config::default() };
    let client = connect_with(config, connector).expect("a valid configuration");
    (client, Scheduler { pipes, faulty })
}

struct Scheduler {
    pipes: mpsc::UnboundedReceiver<DuplexStream>,
    /// Whether the client's stream panics when it is read.
    faulty: Arc<AtomicBool>,
}

impl Scheduler {
    async fn pipe(&mut self) -> DuplexStream {
        self.pipes.recv().await.expect("the client connects")
    }

    async fn accept(&mut self) -> Peer<DuplexStream> {
        Peer { socket: accept_async(self.pipe().await).await.expect("an upgrade") }
    }

    async fn greet(&mut self, resumed: bool) -> Peer<DuplexStream> {
        let mut peer = self.accept().await;
        peer.next().await;
        peer.hello(resumed).await;
        peer
    }
}

struct Pipes {
    capacity: usize,
    give: Mutex<mpsc::UnboundedSender<DuplexStream>>,
    faulty: Arc<AtomicBool>,
}

impl Connector for Pipes {
    type Stream = Faulty;

    async fn connect(&self, host: &str, port: u16) -> io::Result<Faulty> {
        assert_eq!((host, port), ("127.0.0.1", 5010));
        let (ours, theirs) = duplex(self.capacity);
        let given = self.give.lock().expect("no panic under it").send(theirs);
        given.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Faulty { stream: ours, faulty: Arc::clone(&self.faulty) })
    }
}

/// A stream with a mistake in it.
struct Faulty {
    stream: DuplexStream,
    faulty: Arc<AtomicBool>,
}

impl AsyncRead for Faulty {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        assert!(!self.faulty.load(Ordering::Relaxed), "a mistake of the stream's");
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct Hanging;

impl Connector for Hanging {
    type Stream = DuplexStream;

    async fn connect(&self, _host: &str, _port: u16) -> io::Result<DuplexStream> {
        std::future::pending().await
    }
}

struct Panicking;

impl Connector for Panicking {
    type Stream = DuplexStream;

    async fn connect(&self, _host: &str, _port: u16) -> io::Result<DuplexStream> {
        panic!("a mistake of the connector's")
    }
}

async fn ready(events: &mut Events) {
    while !matches!(events.next().await.expect("a session"), Event::Ready { .. }) {}
}

async fn lost(events: &mut Events) -> ConnectionEnd {
    loop {
        if let Event::Lost { ending, .. } = events.next().await.expect("a loss") {
            return ending;
        }
    }
}
