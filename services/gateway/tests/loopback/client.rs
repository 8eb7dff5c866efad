//! A client: one connection, one request, an answer read as it comes.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::fixture::soon;

/// A kept-alive connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("no IO yet");
        let connection = tokio::spawn(async move {
            // How a connection ends shows in its requests.
            let _ = connection.await;
        });
        Self { sender, connection }
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("host", "gateway");
        let request = request.body(Full::new(body.into())).expect("a good request");
        let response = soon("the answer's head", self.sender.send_request(request)).await.expect("an answer");
        Answer { response, text: String::new() }
    }

    /// What a browser asks before a page of `origin` may send `headers`.
    pub(crate) async fn preflight(&mut self, path: &str, origin: &str, headers: &str) -> Answer {
        let request = Request::builder().method(Method::OPTIONS).uri(path).header("host", "gateway");
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        let request = request.header("access-control-request-headers", headers);
        let request = request.body(Full::default()).expect("a good request");
        let response = soon("the answer's head", self.sender.send_request(request)).await.expect("an answer");
        Answer { response, text: String::new() }
    }

    /// Sends a request and does not wait for its answer.
    pub(crate) async fn send_only(&mut self, body: String) {
        let request = Request::post("/v1/chat/completions").header("host", "gateway");
        let request = request.body(Full::new(Bytes::from(body))).expect("a good request");
        let answer = self.sender.send_request(request);
        tokio::spawn(answer);
    }

    pub(crate) async fn chat(&mut self, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, "/v1/chat/completions", body).await
    }

    /// Closes the socket, whatever is going on.
    pub(crate) async fn leave(self) {
        self.connection.abort();
        let _ = self.connection.await;
    }

    /// Waits until the gateway has closed the connection.
    pub(crate) async fn closed(self) {
        soon("the gateway to close the connection", self.connection).await.expect("not aborted");
    }
}

/// An answer, as far as it has been read.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).map(|value| value.to_str().expect("these tests send ASCII"))
    }

    /// Reads on until `needle` has come.
    pub(crate) async fn until(&mut self, needle: &str) {
        while !self.text.contains(needle) {
            assert!(self.read_on().await, "the answer ended before {needle:?}: {:?}", self.text);
        }
    }

    /// The whole text. The transport must end cleanly.
    pub(crate) async fn whole(mut self) -> String {
        while self.read_on().await {}
        self.text
    }

    /// The whole body as JSON.
    pub(crate) async fn json(self) -> serde_json::Value {
        let text = self.whole().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    async fn read_on(&mut self) -> bool {
        let Some(frame) = soon("more of the answer", self.response.body_mut().frame()).await else { return false };
        let frame = frame.expect("the gateway always ends an answer properly");
        let data = frame.into_data().expect("no trailers");
        self.text.push_str(std::str::from_utf8(&data).expect("whole events are whole characters"));
        true
    }
}

/// A chat request for `model`.
pub(crate) fn ask(model: &str, stream: bool) -> String {
    let messages = serde_json::json!([{ "role": "user", "content": "say hello" }]);
    serde_json::json!({ "model": model, "stream": stream, "messages": messages }).to_string()
}

/// One chat request on a connection of its own.
pub(crate) async fn chat(address: SocketAddr, model: &str, stream: bool) -> Answer {
    Client::connect(address).await.chat(ask(model, stream)).await
}

/// The gateway still does what it is there for.
pub(crate) async fn assert_serves(address: SocketAddr) {
    let text = chat(address, "echo", true).await.whole().await;
    assert!(text.contains("say ") && text.contains("hello") && text.ends_with("data: [DONE]\n\n"), "{text:?}");
}

/// `text` begins with `before`, then has exactly one error event and exactly one terminator.
#[track_caller]
pub(crate) fn assert_failed_after(text: &str, before: &str) {
    let after = text.strip_prefix(before).unwrap_or_else(|| panic!("{text:?} does not begin with {before:?}"));
    let error = after.strip_suffix("data: [DONE]\n\n").unwrap_or_else(|| panic!("no terminator: {after:?}"));
    let error = error.strip_prefix("data: ").and_then(|error| error.strip_suffix("\n\n")).expect("one event");
    let error: serde_json::Value = serde_json::from_str(error).unwrap_or_else(|_| panic!("not one event: {error:?}"));
    assert!(error["error"]["message"].is_string(), "{error}");
}
