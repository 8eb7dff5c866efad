//! A model server that says what it is told to say, as fast as it is read or at a pace.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::Sleep;

/// What one stream is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Events, without the terminator.
    pub(crate) events: usize,
    /// Events in one HTTP chunk.
    pub(crate) together: usize,
    /// Before each chunk.
    pub(crate) pause: Duration,
}

impl Load {
    /// The request that orders it. The order goes through the proxy as a member that no gateway knows.
    pub(crate) fn request(self) -> String {
        let Self { events, together, pause } = self;
        let pause = pause.as_micros();
        format!(
            r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":"go"}}],"load":[{events},{together},{pause}]}}"#
        )
    }

    fn ordered(request: &[u8]) -> Option<Self> {
        let request: serde_json::Value = serde_json::from_slice(request).ok()?;
        let number = |index: usize| request["load"][index].as_u64();
        let (events, together) = (number(0)? as usize, number(1)? as usize);
        Some(Self { events, together, pause: Duration::from_micros(number(2)?) })
    }
}

/// When the events of the latest paced stream were yielded.
static YIELDS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

/// Takes the moments at which the events of the paced stream left.
pub(crate) fn take_yields() -> Vec<Instant> {
    std::mem::take(&mut *YIELDS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Listens, and serves for as long as the runtime lives.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("the socket lives");
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(connection);
        }
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Words>, hyper::Error> {
    let request = request.into_body().collect().await?.to_bytes();
    let load = Load::ordered(&request).expect("a request of this benchmark");
    let mut response = Response::new(Words::new(load));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// The events of one stream: a word each, as OpenAI's servers write them.
struct Words {
    word: Bytes,
    last: Bytes,
    load: Load,
    left: usize,
    pause: Option<Pin<Box<Sleep>>>,
    over: bool,
}

const HEAD: &str = r#"data: {"id":"chatcmpl-9kq0aG7mYpZxW1","object":"chat.completion.chunk","created":1764125000,"model":"m","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":"#;

impl Words {
    fn new(load: Load) -> Self {
        let word = format!("{HEAD}{{\"content\":\" token\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n");
        let last = format!("{HEAD}{{}},\"logprobs\":null,\"finish_reason\":\"stop\"}}]}}\n\n");
        let pause = (!load.pause.is_zero()).then(|| Box::pin(tokio::time::sleep(load.pause)));
        Self { word: Bytes::from(word), last: Bytes::from(last), load, left: load.events, pause, over: false }
    }

    fn event(&mut self) -> Bytes {
        self.left -= 1;
        if self.load.pause > Duration::ZERO {
            YIELDS.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        if self.left == 0 { self.last.clone() } else { self.word.clone() }
    }
}

impl Body for Words {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            let over = std::mem::replace(&mut self.over, true);
            return Poll::Ready((!over).then(|| Ok(Frame::data(Bytes::from_static(b"data: [DONE]\n\n")))));
        }
        let pause_length = self.load.pause;
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            let next = pause.deadline() + pause_length;
            pause.as_mut().reset(next);
        }
        let together = self.load.together.min(self.left);
        if together == 1 {
            return Poll::Ready(Some(Ok(Frame::data(self.event()))));
        }
        let mut chunk = BytesMut::with_capacity(together * self.word.len());
        for _ in 0..together {
            let event = self.event();
            chunk.extend_from_slice(&event);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk.freeze()))))
    }
}
