//! A client that speaks the session's protocol word for word as its script says: for what the real client never does.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_link::LinkConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// What is said and heard, in this order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The scheduler's endpoint.
    pub url: String,
    /// The steps, one behind the other.
    pub steps: Vec<Step>,
}

/// A step of a visit. A step that cannot be made fails the visit, and with it the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Step {
    /// Waits until this time since the visitor's start; what comes meanwhile is heard later.
    At(#[serde(with = "humantime_serde")] Duration),
    /// Does not even read until this time.
    Deaf(#[serde(with = "humantime_serde")] Duration),
    /// Opens a connection, beside those that are open; what follows is said on it.
    Connect(String),
    /// Goes back to a connection that was opened under this name.
    On(String),
    /// Says a message; what it leaves out of a `submit` is filled in.
    Say(Value),
    /// Says the same `submit` this many times, each with a name and a text of its own: `NAME-1`, `NAME-2`...
    SubmitMany(String, u32),
    /// Says a text that need not be a message.
    SayText(String),
    /// Says a text of this many bytes.
    SayBytes(usize),
    /// Says a text in this many fragments, each of this many bytes, and never its last fragment.
    SayFragments(usize, usize),
    /// Says a binary message.
    SayBinary(String),
    /// Asks for the session of the latest answer again, as one that has settled everything up to this `seq`.
    Resume(u64),
    /// Asks for it with other fields than it was given: `{ token = "none" }`.
    ResumeWith(Value),
    /// Registers as the node of the latest answer, with other fields than it was given.
    RegisterWith(Value),
    /// Hears until a message says this.
    Hear(Value),
    /// Hears nothing of this for so long.
    HearNothing(#[serde(with = "humantime_serde")] Duration),
    /// Sends a ping with each of these payloads at once, and hears a pong for the last.
    Ping(Vec<String>),
    /// Hears until the scheduler closes, with this code.
    Closed(u16),
    /// Closes with this code and this reason, and hears the answer.
    Close(u16, String),
    /// Hears until the connection is over, however it ends, within this time.
    Over(#[serde(with = "humantime_serde")] Duration),
    /// Is gone without a word; with a reset when it says so.
    Vanish(bool),
}

/// How long a visitor waits for what it wants to hear.
const PATIENCE: Duration = Duration::from_secs(11 * 60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A visit so far.
struct Visit {
    cx: HostContext,
    /// Jobs that it has told as submitted, and as having their outcome.
    offered: BTreeSet<String>,
    settled: BTreeSet<String>,
    started: Instant,
    sockets: Vec<(String, Socket)>,
    current: usize,
    /// What came while nothing was to be heard.
    inbox: VecDeque<Value>,
    /// The latest `session_init_ack` or `node_register_ack`.
    answer: Value,
}

/// Plays the script.
///
/// # Errors
/// If the script cannot be read, or the scheduler does not do what it expects.
pub async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let mut visit = Visit {
        cx,
        offered: BTreeSet::new(),
        settled: BTreeSet::new(),
        started: Instant::now(),
        sockets: Vec::new(),
        current: 0,
        inbox: VecDeque::new(),
        answer: Value::Null,
    };
    for (n, step) in script.steps.iter().enumerate() {
        visit.take(&script.url, step).await.map_err(|error| format!("step {}, {step:?}: {error}", n + 1))?;
    }
    Ok(())
}

impl Visit {
    async fn take(&mut self, url: &str, step: &Step) -> Result<(), BoxError> {
        match step {
            Step::At(time) => {
                let until = self.started + *time;
                // That the time has come is the end that it should have.
                let _ = timeout_at(until, self.listen()).await.map_or(Ok(()), |ended| ended);
                sleep_until(until).await;
            }
            Step::Deaf(time) => sleep_until(self.started + *time).await,
            Step::Connect(name) => {
                let config = Some(LinkConfig::default().websocket());
                let (socket, _) = connect_async_with_config(url, config, true).await?;
                self.current = self.sockets.len();
                self.inbox.clear();
                self.sockets.push((name.clone(), socket));
            }
            Step::On(name) => {
                let found = self.sockets.iter().rposition(|(other, _)| other == name);
                self.inbox.clear();
                self.current = found.ok_or("there is no such connection")?;
            }
            Step::Say(message) => {
                let message = filled(message, self.name());
                self.offer(&message);
                self.say(message).await?;
            }
            Step::SubmitMany(name, times) => {
                for n in 1..=*times {
                    let job = format!("{name}-{n}");
                    let message = json!({ "type": "submit", "job_id": job, "text": format!("{job} says something") });
                    self.offer(&message);
                    let message = filled(&message, self.name()).to_string();
                    self.socket()?.feed(Message::text(message)).await?;
                }
                self.socket()?.flush().await?;
            }
            Step::SayText(text) => self.socket()?.send(Message::text(text.as_str())).await?,
            Step::SayBytes(bytes) => {
                // It may be refused while it is still on its way.
                let _ = self.socket()?.send(Message::text("x".repeat(*bytes))).await;
            }
            Step::SayFragments(count, bytes) => {
                for n in 0..*count {
                    let kind = if n == 0 { Data::Text } else { Data::Continue };
                    let fragment = Frame::message("x".repeat(*bytes), OpCode::Data(kind), false);
                    // It may be refused while it is still on its way.
                    let _ = self.socket()?.send(Message::Frame(fragment)).await;
                }
            }
            Step::SayBinary(bytes) => self.socket()?.send(Message::binary(bytes.as_bytes().to_vec())).await?,
            Step::Resume(last_seq) => self.resume(&json!({ "last_seq": last_seq })).await?,
            Step::ResumeWith(changes) => self.resume(changes).await?,
            Step::RegisterWith(changes) => {
                let of = |field: &str| self.answer[field].clone();
                let own =
                    json!({ "type": "node_register", "node_id": of("node_id"), "token": of("token"), "capacity": 1 });
                self.say(changed(own, changes)).await?;
            }
            Step::Hear(wanted) => self.hear(wanted).await?,
            Step::HearNothing(time) => {
                let heard = timeout(*time, self.next()).await;
                if let Ok(message) = heard {
                    return Err(format!("heard {}", message?).into());
                }
            }
            Step::Ping(payloads) => self.ping(payloads).await?,
            Step::Closed(code) => self.closed(*code).await?,
            Step::Over(within) => {
                let over = timeout(*within, self.end()).await;
                over.map_err(|_| "the connection goes on")?;
            }
            Step::Close(code, reason) => {
                let frame = CloseFrame { code: (*code).into(), reason: reason.as_str().into() };
                self.socket()?.close(Some(frame)).await?;
                self.end().await;
            }
            Step::Vanish(resets) => {
                let (_, socket) = self.sockets.remove(self.current);
                if let MaybeTlsStream::Plain(stream) = socket.get_ref()
                    && *resets
                {
                    // Where the option is refused, the end is an orderly one.
                    let _ = stream.set_zero_linger();
                }
                drop(socket);
                // A peer that was told of the end has a moment to do something about it.
                sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Tells of a job once, however often it is submitted.
    fn offer(&mut self, message: &Value) {
        let job = message["job_id"].as_str().unwrap_or_default();
        if message["type"] == "submit" && self.offered.insert(job.to_owned()) {
            self.cx.offered(job);
        }
    }

    /// Tells of an outcome once, however often it comes.
    fn settle(&mut self, message: &Value) {
        let job = message["job_id"].as_str().unwrap_or_default();
        match message["type"].as_str() {
            Some("result") if self.settled.insert(job.to_owned()) => self.cx.received(job),
            Some("job_failed") if self.settled.insert(job.to_owned()) => {
                self.cx.fact(FactKind::ClaimedFailed, job, message["code"].as_str().unwrap_or_default());
            }
            Some(_) | None => {}
        }
    }

    /// The name of the connection in use.
    fn name(&self) -> &str {
        self.sockets.get(self.current).map_or("none", |(name, _)| name.as_str())
    }

    fn socket(&mut self) -> Result<&mut Socket, BoxError> {
        Ok(&mut self.sockets.get_mut(self.current).ok_or("there is no connection")?.1)
    }

    /// Asks for the session of the latest answer again.
    async fn resume(&mut self, changes: &Value) -> Result<(), BoxError> {
        let of = |field: &str| self.answer[field].clone();
        let own = json!({ "session_id": of("session_id"), "token": of("token"), "epoch": of("epoch"), "last_seq": 0 });
        let resume = changed(own, changes);
        self.say(json!({ "type": "session_init", "client_version": "visitor", "resume": resume })).await
    }

    async fn say(&mut self, message: Value) -> Result<(), BoxError> {
        Ok(self.socket()?.send(Message::text(message.to_string())).await?)
    }

    /// Reads, and keeps what comes for later.
    async fn listen(&mut self) -> Result<(), BoxError> {
        loop {
            let message = self.read().await?;
            self.inbox.push_back(message);
        }
    }

    /// The next message, kept or new.
    async fn next(&mut self) -> Result<Value, BoxError> {
        match self.inbox.pop_front() {
            Some(message) => Ok(message),
            None => self.read().await,
        }
    }

    /// The next message that is none of the pings and pongs.
    async fn read(&mut self) -> Result<Value, BoxError> {
        loop {
            match self.socket()?.next().await {
                Some(Ok(Message::Text(text))) => {
                    let message = serde_json::from_str(&text)?;
                    self.settle(&message);
                    return Ok(message);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return Err(format!("heard {other:?}").into()),
            }
        }
    }

    async fn hear(&mut self, wanted: &Value) -> Result<(), BoxError> {
        let hearing = async {
            loop {
                let message = self.next().await?;
                if ["session_init_ack", "node_register_ack"].iter().any(|kind| message["type"] == *kind) {
                    self.answer = message.clone();
                }
                if says(&message, wanted) {
                    return Ok(());
                }
            }
        };
        timeout(PATIENCE, hearing).await.map_err(|_| "heard nothing of the kind")?
    }

    async fn ping(&mut self, payloads: &[String]) -> Result<(), BoxError> {
        for payload in payloads {
            self.socket()?.feed(Message::Ping(payload.as_bytes().to_vec().into())).await?;
        }
        self.socket()?.flush().await?;
        let last = payloads.last().map(|payload| payload.as_bytes().to_vec()).unwrap_or_default();
        let hearing = async {
            loop {
                match self.socket()?.next().await {
                    Some(Ok(Message::Pong(payload))) if payload == last => return Ok(()),
                    Some(Ok(_)) => {}
                    other => return Err::<(), BoxError>(format!("heard {other:?}").into()),
                }
            }
        };
        timeout(PATIENCE, hearing).await.map_err(|_| "there was no pong")?
    }

    async fn closed(&mut self, wanted: u16) -> Result<(), BoxError> {
        let hearing = async {
            loop {
                match self.socket()?.next().await {
                    Some(Ok(Message::Close(frame))) => return Ok(frame.map_or(1005, |frame| frame.code.into())),
                    Some(Ok(_)) => {}
                    other => return Err::<u16, BoxError>(format!("heard {other:?}").into()),
                }
            }
        };
        let code = timeout(PATIENCE, hearing).await.map_err(|_| "it was never closed")??;
        self.end().await;
        if code == wanted { Ok(()) } else { Err(format!("it was closed with {code}").into()) }
    }

    /// Reads to the end, so that both ends have closed.
    async fn end(&mut self) {
        let (_, mut socket) = self.sockets.remove(self.current);
        let reading = async { while socket.next().await.is_some_and(|read| read.is_ok()) {} };
        // A scheduler that does not end it is for the checks to judge.
        let _ = timeout(PATIENCE, reading).await;
    }
}

/// A submit with what its script leaves out.
fn filled(message: &Value, connection: &str) -> Value {
    let mut filled = message.clone();
    if let (Some(fields), "submit") = (filled.as_object_mut(), message["type"].as_str().unwrap_or_default()) {
        let job = message["job_id"].as_str().unwrap_or_default();
        let defaults = [
            ("utterance_index", json!(0)),
            ("text", json!("something")),
            ("src_lang", json!("zh")),
            ("tgt_lang", json!("en")),
            ("trace_id", json!(format!("trace-of-{job}-of-{connection}"))),
        ];
        for (name, value) in defaults {
            fields.entry(name).or_insert(value);
        }
    }
    filled
}

/// A message with these fields in place of its own.
fn changed(mut message: Value, changes: &Value) -> Value {
    if let (Some(fields), Some(changes)) = (message.as_object_mut(), changes.as_object()) {
        fields.extend(changes.clone());
    }
    message
}

/// Whether a message has these fields with these values.
fn says(message: &Value, wanted: &Value) -> bool {
    wanted.as_object().is_some_and(|wanted| wanted.iter().all(|(name, value)| message.get(name) == Some(value)))
}
