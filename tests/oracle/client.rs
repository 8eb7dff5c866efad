//! An HTTP client as observer: one connection of hyper's, or hyper-util's pool of them.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::{JoinError, JoinHandle};

use crate::backend::Backend;
use crate::coordination;
use crate::words::hyper_error;

/// How it is set up, and what it does in turn.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pooled: bool,
    acts: Vec<Act>,
}

/// One thing that the observer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Lets the peer go on, and waits until it has.
    Strike,
    /// Sends a request and says what came of it.
    Get,
    /// The same with a method that is not safe.
    Post,
    /// The same, and no answer is expected.
    GetNever,
    /// Reads the body to its end, if there was a response.
    Body,
    /// The same, and it is expected not to end.
    BodyNever,
    /// Drops the response.
    DropResponse,
    /// What the connection came to.
    Connection,
    /// The same, and it is expected to go on.
    ConnectionNever,
}

impl Client {
    /// With a connection of its own.
    pub(crate) fn new(acts: &[Act]) -> Self {
        Self { pooled: false, acts: acts.to_vec() }
    }

    /// With a pool of connections.
    pub(crate) fn pooled(acts: &[Act]) -> Self {
        Self { pooled: true, acts: acts.to_vec() }
    }
}

/// Plays the observer.
pub(crate) async fn play(backend: &Backend, observer: &Client) {
    let sender = if observer.pooled {
        let connector = halfopen_net::hyper::Connector::new();
        Sender::Pool(Box::new(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    } else {
        match open(backend).await {
            Ok(one) => one,
            Err(line) => return backend.say(line),
        }
    };
    let mut playing = Playing { backend, sender, response: None, strikes: 0 };
    for act in &observer.acts {
        playing.act(*act).await;
    }
}

async fn open(backend: &Backend) -> Result<Sender, String> {
    let stream = backend.connect("peer").await.map_err(|error| format!("connect: Err({:?})", error.kind()))?;
    stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.expect("HTTP/1 needs no handshake");
    let connection = connection.map(|end| match end {
        Ok(()) => "Ok".to_owned(),
        Err(error) => format!("Err({})", hyper_error(&error)),
    });
    Ok(Sender::One { sender, connection: tokio::task::spawn_local(connection) })
}

enum Sender {
    One { sender: SendRequest<Empty<Bytes>>, connection: JoinHandle<String> },
    Pool(Box<legacy::Client<halfopen_net::hyper::Connector, Empty<Bytes>>>),
}

impl Sender {
    fn connection(&mut self) -> &mut JoinHandle<String> {
        match self {
            Self::One { connection, .. } => connection,
            Self::Pool(_) => panic!("a pool shows no connection"),
        }
    }
}

fn ended(end: Option<Result<String, JoinError>>) -> String {
    end.map_or_else(|| "pending".to_owned(), |end| end.expect("a connection does not panic"))
}

struct Playing<'a> {
    backend: &'a Backend,
    sender: Sender,
    response: Option<Incoming>,
    strikes: u32,
}

impl Playing<'_> {
    async fn act(&mut self, act: Act) {
        match act {
            Act::Strike => {
                self.strikes += 1;
                coordination::strike(self.strikes).await;
                self.backend.settle().await;
            }
            Act::Get => self.request(Method::GET).await,
            Act::Post => self.request(Method::POST).await,
            Act::GetNever => {
                let sending = self.sending(Method::GET).await;
                let answer = self.backend.never(sending).await;
                self.backend.say(format!("response: {}", answered(answer.as_ref())));
            }
            Act::Body => {
                let Some(body) = self.response.take() else { return };
                let read = self.backend.soon(self.read(body)).await;
                self.backend.say(format!("body: {}", read.unwrap_or_else(|| "pending".to_owned())));
            }
            Act::BodyNever => {
                let Some(body) = self.response.take() else { return };
                let read = self.backend.never(self.read(body)).await;
                self.backend.say(format!("body: {}", read.unwrap_or_else(|| "pending".to_owned())));
            }
            Act::DropResponse => self.response = None,
            Act::Connection => {
                let end = self.backend.soon(self.sender.connection()).await;
                self.backend.say(format!("connection: {}", ended(end)));
            }
            Act::ConnectionNever => {
                let end = self.backend.never(self.sender.connection()).await;
                self.backend.say(format!("connection: {}", ended(end)));
            }
        }
    }

    async fn request(&mut self, method: Method) {
        let sending = self.sending(method).await;
        let answer = self.backend.soon(sending).await;
        self.backend.say(format!("response: {}", answered(answer.as_ref())));
        self.response = answer.and_then(Result::ok).map(Response::into_body);
    }

    async fn sending(&mut self, method: Method) -> Pin<Box<dyn Future<Output = Result<Response<Incoming>, String>>>> {
        let request = Request::builder().method(method);
        match &mut self.sender {
            Sender::One { sender, .. } => {
                let request = request.uri("/").header("host", "peer").body(Empty::new()).expect("a valid request");
                let ready = sender.ready().await;
                let sent = sender.send_request(request);
                Box::pin(async move {
                    ready.map_err(|error| hyper_error(&error))?;
                    sent.await.map_err(|error| hyper_error(&error))
                })
            }
            Sender::Pool(pool) => {
                let authority = self.backend.authority("peer").await;
                let request = request.uri(format!("http://{authority}/")).body(Empty::new()).expect("a valid request");
                let sent = pool.request(request);
                Box::pin(async move { sent.await.map_err(|error| pool_error(&error)) })
            }
        }
    }

    async fn read(&self, mut body: Incoming) -> String {
        let mut data = Vec::new();
        let end = loop {
            match body.frame().await {
                Some(Ok(frame)) => data.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => break format!("Err({})", hyper_error(&error)),
                None => break "the end".to_owned(),
            }
        };
        format!("{:?} then {end}", String::from_utf8_lossy(&data))
    }
}

fn answered(answer: Option<&Result<Response<Incoming>, String>>) -> String {
    match answer {
        Some(Ok(response)) => response.status().as_u16().to_string(),
        Some(Err(error)) => format!("Err({error})"),
        None => "pending".to_owned(),
    }
}

/// Which step of the pool failed, and with what.
fn pool_error(error: &legacy::Error) -> String {
    let text = format!("{error:?}");
    let kind = text.strip_prefix("hyper_util::client::legacy::Error(").unwrap_or(&text);
    let kind = kind.split([',', ')']).next().unwrap_or_default();
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<hyper::Error>());
    match (cause, std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>())) {
        (Some(cause), _) => format!("{kind}, {}", hyper_error(cause)),
        (None, Some(cause)) => format!("{kind}, {:?}", cause.kind()),
        (None, None) => kind.to_owned(),
    }
}
