//! An HTTP server as observer: one connection of hyper's.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::backend::Backend;
use crate::coordination;
use crate::words::{how_many, hyper_error};

/// How much a large body gives at a time, and in all.
const PIECE: usize = 16_384;
const LARGE: usize = 16 * 1_048_576;

/// How it is set up, what it answers, and what it does in turn.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    handler: Handler,
    half_close: bool,
    header_read_timeout: Option<Duration>,
    acts: Vec<Act>,
}

/// What a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// Nothing, until it is let go on.
    Waits,
    /// The same, while it holds the request's body unread.
    HoldsBody,
    /// Events: one at once, one more each time that it is let go on.
    Events,
    /// A body that no buffers hold.
    Large,
    /// A body that fails behind its first piece, once it is let go on.
    FailingBody,
    /// It panics.
    Panics,
}

/// One thing that the observer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Lets the peer go on, and waits until it has.
    Strike,
    /// Waits until the handler is at work.
    Asked,
    /// Waits until what is on its way is there.
    Settle,
    /// Waits until the client asks for no more of the large body.
    Stuffed,
    /// Lets the handler, or its body, go on.
    Release,
    /// Begins a graceful shutdown.
    Shutdown,
    /// What the connection came to.
    Connection,
    /// The same, and it is expected to go on.
    ConnectionNever,
}

impl Server {
    pub(crate) fn new(handler: Handler, acts: &[Act]) -> Self {
        Self { handler, half_close: false, header_read_timeout: None, acts: acts.to_vec() }
    }

    /// With hyper's `half_close`.
    pub(crate) fn with_half_close(self) -> Self {
        Self { half_close: true, ..self }
    }

    /// With a timer and hyper's `header_read_timeout`.
    pub(crate) fn with_header_read_timeout(self, timeout: Duration) -> Self {
        Self { header_read_timeout: Some(timeout), ..self }
    }
}

/// What handler and observer share.
struct Shared {
    backend: Backend,
    asked: Semaphore,
    released: Semaphore,
    shutdown: Semaphore,
    /// Bytes of the large body.
    given: Cell<usize>,
    /// What is dropped from now on is dropped by the observer itself.
    over: Cell<bool>,
    /// Who waits for the event body's next piece.
    waker: RefCell<Option<Waker>>,
}

impl Shared {
    /// Whether a body may go on.
    fn poll_released(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.released.try_acquire() {
            Ok(permit) => {
                permit.forget();
                Poll::Ready(())
            }
            Err(_) => {
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Plays the observer.
pub(crate) async fn play(backend: &Backend, observer: &Server) {
    let shared = Rc::new(Shared {
        backend: backend.clone(),
        asked: Semaphore::new(0),
        released: Semaphore::new(0),
        shutdown: Semaphore::new(0),
        given: Cell::new(0),
        over: Cell::new(false),
        waker: RefCell::default(),
    });
    let (stream, _) = backend.listen().await.accept().await.expect("the peer connects");
    stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
    let mut connection = tokio::task::spawn_local(serve(shared.clone(), observer.clone(), stream));
    let mut strikes = 0;
    for act in &observer.acts {
        match act {
            Act::Strike => {
                strikes += 1;
                coordination::strike(strikes).await;
                backend.settle().await;
            }
            Act::Asked => {
                let asked = backend.soon(shared.asked.acquire()).await;
                asked.expect("the handler is asked").expect("it is never closed").forget();
            }
            Act::Settle => backend.settle().await,
            Act::Stuffed => {
                let mut before = usize::MAX;
                while before != shared.given.get() {
                    before = shared.given.get();
                    let _ = backend.never(std::future::pending::<()>()).await;
                }
                backend.say(format!("body: {}, then no longer asked for", how_many(before)));
            }
            Act::Release => {
                shared.released.add_permits(1);
                if let Some(waker) = shared.waker.take() {
                    waker.wake();
                }
                backend.settle().await;
            }
            Act::Shutdown => shared.shutdown.add_permits(1),
            Act::Connection => {
                let end = backend.soon(&mut connection).await;
                backend.say(format!("connection: {}", end.map_or_else(|| "pending".to_owned(), said)));
            }
            Act::ConnectionNever => {
                let end = backend.never(&mut connection).await;
                backend.say(format!("connection: {}", end.map_or_else(|| "pending".to_owned(), said)));
            }
        }
    }
    shared.over.set(true);
    connection.abort();
}

fn said(end: Result<String, tokio::task::JoinError>) -> String {
    end.expect("panics are caught where they happen")
}

async fn serve(shared: Rc<Shared>, observer: Server, stream: halfopen_net::TcpStream) -> String {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.half_close(observer.half_close).auto_date_header(false);
    if let Some(timeout) = observer.header_read_timeout {
        builder.timer(TokioTimer::new()).header_read_timeout(timeout);
    }
    let handler = observer.handler;
    let service = {
        let shared = shared.clone();
        service_fn(move |request| answer(shared.clone(), handler, request))
    };
    let serving = async {
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            biased;
            end = connection.as_mut() => return end,
            _ = shared.shutdown.acquire() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    match AssertUnwindSafe(serving).catch_unwind().await {
        Ok(Ok(())) => "Ok".to_owned(),
        Ok(Err(error)) => format!("Err({})", hyper_error(&error)),
        Err(_) => "panicked".to_owned(),
    }
}

async fn answer(
    shared: Rc<Shared>,
    handler: Handler,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    shared.asked.add_permits(1);
    // What is held unread is held; all others are done with it.
    let held = (handler == Handler::HoldsBody).then(|| request.into_body());
    let body = match handler {
        Handler::Waits | Handler::HoldsBody => {
            let mut unless_done = Dropped { shared: Some(shared.clone()), what: "handler" };
            shared.released.acquire().await.expect("it is never closed").forget();
            unless_done.shared = None;
            shared.backend.say("handler: done");
            Answer::Done(Full::new(Bytes::from_static(b"done")))
        }
        Handler::Events => Answer::rising(shared, Rises::Events { first: true }),
        Handler::Large => Answer::rising(shared, Rises::Large),
        Handler::FailingBody => Answer::rising(shared, Rises::Fails { first: true }),
        Handler::Panics => panic!("the handler panics, as the row wants it to"),
    };
    drop(held);
    Ok(Response::new(body))
}

/// Says that something was dropped before it was done.
struct Dropped {
    /// `None` once it is done.
    shared: Option<Rc<Shared>>,
    what: &'static str,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.as_ref().filter(|shared| !shared.over.get()) {
            shared.backend.say(format!("{}: dropped", self.what));
        }
    }
}

/// A response's body.
enum Answer {
    Done(Full<Bytes>),
    Rising { shared: Rc<Shared>, rises: Rises, _dropped: Dropped },
}

/// A body that is made while it is sent.
enum Rises {
    Events { first: bool },
    Large,
    Fails { first: bool },
}

impl Answer {
    fn rising(shared: Rc<Shared>, rises: Rises) -> Self {
        let dropped = Dropped { shared: Some(shared.clone()), what: "body" };
        Self::Rising { shared, rises, _dropped: dropped }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        const EVENT: Bytes = Bytes::from_static(b"data: event\n\n");
        let (shared, rises) = match self.get_mut() {
            Self::Done(body) => return Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Rising { shared, rises, .. } => (shared, rises),
        };
        match rises {
            Rises::Events { first } => {
                if !std::mem::take(first) {
                    ready!(shared.poll_released(cx));
                }
                Poll::Ready(Some(Ok(Frame::data(EVENT))))
            }
            Rises::Large if shared.given.get() >= LARGE => Poll::Ready(None),
            Rises::Large => {
                shared.given.set(shared.given.get() + PIECE);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; PIECE])))))
            }
            Rises::Fails { first: true } => {
                *rises = Rises::Fails { first: false };
                Poll::Ready(Some(Ok(Frame::data(EVENT))))
            }
            Rises::Fails { first: false } => {
                ready!(shared.poll_released(cx));
                Poll::Ready(Some(Err(io::Error::other("the body fails"))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Done(body) => body.size_hint(),
            Self::Rising { .. } => SizeHint::default(),
        }
    }
}
