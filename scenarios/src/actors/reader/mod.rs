//! A user who reads answers as they stream, and may leave in the middle.
//!
//! Beside its facts it logs what it asked, the head of each answer, every byte of it and how it ended: what the law
//! `answers` judges.

mod answer;
mod decoder;
mod script;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use halfopen::{BoxError, FactKind, HostContext};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{self, HeaderMap};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;

use crate::model::abridged;
use answer::{Answer, Said};
use decoder::Decoder;
pub use decoder::Decoding;
pub use script::{Question, Script};

/// The target of what a reader logs.
pub const TARGET: &str = "halfopen_scenarios::reader";

/// What makes words long that are only to be long; the log goes without it.
const PADDING: &str = "................";

/// Plays the script with hyper.
///
/// # Errors
/// If the script cannot be read. What happens to a stream is a fact, not an error.
pub async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let started = Instant::now();
    let told = Cell::new(0);
    if !script.secrets.is_empty() {
        cx.fact(FactKind::Gauge, "secrets_told", 0);
    }
    let mut kept = None;
    for question in &script.questions {
        let asked = started + question.at;
        match kept.take() {
            None => sleep_until(asked).await,
            Some(link) => kept = keep_until(link, asked).await,
        }
        let (key, cut) = (question.key(), RefCell::default());
        let asked = Asked { cx: &cx, script: &script, question, key, cut, secrets_told: &told };
        cx.offered(asked.key);
        let body = question.request_body(&script);
        debug!(
            target: TARGET,
            key = asked.key,
            stream = question.stream,
            choices = question.choices,
            usage = question.usage,
            path = question.get.as_deref().unwrap_or_default(),
            body_bytes = body.len(),
            "asked"
        );
        let ended = match asked.read(body, kept.take()).await {
            Ok((ended, link)) => {
                kept = link.filter(|_| script.keeps_connections);
                ended.to_owned()
            }
            Err(error) => {
                asked.failed(&error.to_string());
                format!("failed: {error}")
            }
        };
        debug!(target: TARGET, key = asked.key, how = ended, "answer ended");
    }
    Ok(())
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A connection to the gateway.
struct GatewayLink {
    sender: SendRequest<Body>,
    connection: Pin<Box<Connection<TokioIo<TcpStream>, Body>>>,
}

impl GatewayLink {
    async fn open(gateway: &str) -> Result<Self, BoxError> {
        let socket = TcpStream::connect(gateway).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        Ok(Self { sender, connection: Box::pin(connection) })
    }
}

/// Rests until the next question, with an open connection; `None` if that ends meanwhile.
async fn keep_until(mut link: GatewayLink, at: Instant) -> Option<GatewayLink> {
    tokio::select! {
        biased;
        _ = &mut link.connection => {
            sleep_until(at).await;
            None
        }
        () = sleep_until(at) => Some(link),
    }
}

/// One question on its way to its answer.
struct Asked<'a> {
    cx: &'a HostContext,
    script: &'a Script,
    question: &'a Question,
    key: &'a str,
    /// The beginning of a character whose end has not come.
    cut: RefCell<Vec<u8>>,
    secrets_told: &'a Cell<usize>,
}

impl Asked<'_> {
    /// How the answer ended, and the connection if it can serve another question.
    async fn read(
        &self,
        body: String,
        kept: Option<GatewayLink>,
    ) -> Result<(&'static str, Option<GatewayLink>), BoxError> {
        let mut link = match kept {
            Some(link) => link,
            None => GatewayLink::open(&self.script.gateway).await?,
        };
        let ended = self.exchange(&mut link, body).await?;
        Ok((ended, (ended == "whole").then_some(link)))
    }

    /// Asks over a connection, and reads the answer.
    async fn exchange(&self, link: &mut GatewayLink, body: String) -> Result<&'static str, BoxError> {
        let GatewayLink { sender, connection } = link;
        let exchange = async {
            let silence = self.question.silence.unwrap_or(self.script.silence);
            let response = timeout(silence, sender.send_request(self.request(body)?)).await??;
            self.log_head(&response);
            let streams = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
            match (response.status(), streams) {
                (StatusCode::OK, true) => self.events(response).await,
                (_, _) => self.whole(response).await,
            }
        };
        // Both halves end together: a reader who leaves takes the connection along. A connection that has ended may have brought the
        // whole answer before; if not, the exchange learns it.
        let mut exchange = std::pin::pin!(exchange);
        let mut leaves = std::pin::pin!(self.leaves());
        let mut is_open = true;
        loop {
            tokio::select! {
                biased;
                result = &mut exchange => return result,
                _ = connection.as_mut(), if is_open => is_open = false,
                () = &mut leaves => return Ok(self.left("in time")),
            }
        }
    }

    async fn leaves(&self) {
        match self.question.leave_within {
            Some(within) => sleep(within).await,
            None => std::future::pending().await,
        }
    }

    fn left(&self, how: &str) -> &'static str {
        self.cx.fact(FactKind::StreamLeft, self.key, how);
        "left"
    }

    fn request(&self, body: String) -> Result<Request<Body>, BoxError> {
        let length = body.len();
        let bytes = Bytes::from(body);
        let body = match self.question.body_pause {
            None => Full::new(bytes).boxed_unsync(),
            Some(pause) => {
                let halves = [bytes.slice(..length / 2), bytes.slice(length / 2..)];
                let paced = stream::iter(halves.into_iter().enumerate()).then(move |(n, half)| async move {
                    sleep(if n == 0 { std::time::Duration::ZERO } else { pause }).await;
                    Ok(Frame::data(half))
                });
                BodyExt::boxed_unsync(StreamBody::new(paced))
            }
        };
        if let Some(path) = &self.question.get {
            return Ok(Request::get(path.as_str()).header(header::HOST, &self.script.gateway).body(body)?);
        }
        // The question's name in the target tells requests apart on the wire; no gateway looks at it.
        let whole = if self.question.stream { "" } else { "&whole" };
        let request = Request::post(format!("/v1/chat/completions?question={}{whole}", self.key))
            .header(header::HOST, &self.script.gateway)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, length)
            .body(body)?;
        Ok(request)
    }

    fn log_head(&self, response: &Response<Incoming>) {
        let field = |name: &str| text(response.headers(), name);
        debug!(
            target: TARGET,
            key = self.key,
            status = response.status().as_u16(),
            content_type = field("content-type"),
            content_length = field("content-length"),
            cache_control = field("cache-control"),
            retry_after = field("retry-after"),
            should_retry = field("x-should-retry"),
            request_id = field("x-request-id"),
            "answer began"
        );
    }

    /// What has come as text: a character that is cut comes with the bytes that follow.
    fn text_of(&self, bytes: &[u8]) -> String {
        let mut come = self.cut.take();
        come.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&come) {
            Err(cut) if cut.error_len().is_none() => cut.valid_up_to(),
            Ok(_) | Err(_) => come.len(),
        };
        self.cut.replace(come.split_off(whole));
        String::from_utf8_lossy(&come).into_owned()
    }

    async fn next(&self, body: &mut Incoming) -> Result<Option<Bytes>, BoxError> {
        let silence = self.question.silence.unwrap_or(self.script.silence);
        while let Some(frame) = timeout(silence, body.frame()).await? {
            if let Ok(bytes) = frame?.into_data() {
                let text = self.text_of(&bytes);
                debug!(target: TARGET, key = self.key, text = text.replace(PADDING, ""), "answer read");
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// An answer that does not stream, or an error in place of one.
    async fn whole(&self, response: Response<Incoming>) -> Result<&'static str, BoxError> {
        let status = response.status();
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(more) = self.next(&mut body).await? {
            bytes.extend_from_slice(&more);
        }
        let text = String::from_utf8_lossy(&bytes);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if status == StatusCode::OK && json["choices"].is_array() {
            self.cx.fact(FactKind::StreamOpened, self.key, status.as_u16());
            self.cx.fact(FactKind::StreamEvent, self.key, &text);
            self.cx.fact(FactKind::StreamTerminator, self.key, "whole");
            self.cx.received(self.key);
            return Ok("whole");
        }
        if self.question.get.is_some() {
            return Ok("whole");
        }
        let message = json["error"]["message"].as_str().unwrap_or("no envelope");
        self.failed(&format!("status {}: {message}", status.as_u16()));
        Ok("whole")
    }

    async fn events(&self, response: Response<Incoming>) -> Result<&'static str, BoxError> {
        self.cx.fact(FactKind::StreamOpened, self.key, response.status().as_u16());
        let mut body = response.into_body();
        let mut decoder = Decoder::new(self.script.decoding);
        let mut answer = Answer::default();
        let (mut seen, mut rested) = (0, 0);
        while let Some(bytes) = self.next(&mut body).await? {
            for data in decoder.push(&bytes)? {
                self.tell(&mut answer, &data)?;
                seen += 1;
                if self.question.leave_after.is_some_and(|after| seen >= after) {
                    return Ok(self.left(&format!("after {seen} events")));
                }
            }
            if rested < self.question.rest_times
                && seen > 0
                && let Some(rest) = self.question.rests
            {
                rested += 1;
                debug!(target: TARGET, key = self.key, "rests");
                sleep(rest).await;
            }
        }
        self.cx.fact(FactKind::StreamEnded, self.key, "eof");
        Ok("whole")
    }

    /// Tells what an event says.
    fn tell(&self, answer: &mut Answer, data: &str) -> Result<(), BoxError> {
        match answer.take(data) {
            Said::Done => {
                self.cx.fact(FactKind::StreamTerminator, self.key, data);
                if answer.is_whole(self.question.choices, self.question.usage) {
                    self.cx.received(self.key);
                }
            }
            Said::Error(message) => self.failed(&message),
            Said::Word(word) => self.cx.fact(FactKind::StreamEvent, self.key, abridged(&word)),
            Said::Nothing => {}
            Said::Gibberish => return Err("an event that is not JSON".into()),
        }
        Ok(())
    }

    fn failed(&self, error: &str) {
        self.cx.fact(FactKind::StreamError, self.key, error);
        if self.script.secrets.iter().any(|secret| error.contains(secret.as_str())) {
            self.secrets_told.set(self.secrets_told.get() + 1);
            self.cx.fact(FactKind::Gauge, "secrets_told", self.secrets_told.get());
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
