//! A node that speaks the protocol and does its work badly, by a script: what the scheduler makes of a worker that says nothing,
//! fails, or comes too late.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, HostContext};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// What the node does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The scheduler, as `host:port`.
    pub scheduler: String,
    /// Jobs that it says it works on at a time.
    pub capacity: u32,
    /// What it does with the first assignment, the second...; with those behind the last as with the last.
    pub script: Vec<Deed>,
    /// How long an answer takes.
    #[serde(with = "humantime_serde")]
    pub work_time: Duration,
    /// Whether it registers at all.
    #[serde(default = "yes")]
    pub registers: bool,
}

fn yes() -> bool {
    true
}

/// What is done with an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// It is acknowledged, and answered after the work.
    Answer,
    /// The same, with the first half of the text only.
    AnswerHalf,
    /// It is acknowledged and answered after the work, and the answer is sent twice.
    AnswerTwice,
    /// It is not acknowledged, and forgotten.
    Ignore,
    /// It is acknowledged, and forgotten.
    Forget,
    /// It is acknowledged, and failed after the work, for a long reason of several lines.
    Fail,
    /// It is acknowledged and reported on, and never answered.
    Linger,
}

/// From one heartbeat to the next, and from one report to the next.
const HEARTBEAT: Duration = Duration::from_secs(5);
const PROGRESS: Duration = Duration::from_secs(10);
/// Between attempts to connect.
const RETRY: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Failure = tokio_tungstenite::tungstenite::Error;

/// Plays the node until the host is asked to stop.
///
/// # Errors
/// If the configuration is wrong.
pub async fn run(cx: HostContext) -> Result<(), BoxError> {
    let config: Config = cx.config()?;
    let mut node = Node { config, assigned: 0, lingering: BTreeSet::new(), due: Vec::new() };
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => return Ok(()),
            // A connection that has ended, however, is tried again.
            _ended = node.live() => sleep(RETRY).await,
        }
    }
}

struct Node {
    config: Config,
    assigned: usize,
    /// Attempts that are reported on and never answered, with their jobs.
    lingering: BTreeSet<(String, String)>,
    /// Results, with the times at which they are sent.
    due: Vec<(Instant, Value)>,
}

impl Node {
    /// One connection, from its beginning to its end.
    async fn live(&mut self) -> Result<(), Failure> {
        let (mut socket, _) =
            connect_async_with_config(format!("ws://{}/ws/node", self.config.scheduler), None, true).await?;
        if self.config.registers {
            say(&mut socket, json!({ "type": "node_register", "capacity": self.config.capacity })).await?;
        }
        let (mut heartbeats, mut reports) = (interval(HEARTBEAT), interval(PROGRESS));
        for ticks in [&mut heartbeats, &mut reports] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await;
        }
        loop {
            let next = self.due.iter().map(|(at, _)| *at).min();
            tokio::select! {
                biased;
                message = socket.next() => match message {
                    None => return Ok(()),
                    Some(message) => self.hear(&mut socket, message?).await?,
                },
                _ = heartbeats.tick(), if self.config.registers => say(&mut socket, json!({ "type": "node_heartbeat" })).await?,
                _ = reports.tick() => {
                    for (job_id, attempt_id) in &self.lingering {
                        let report = json!({ "type": "job_progress", "job_id": job_id, "attempt_id": attempt_id });
                        say(&mut socket, report).await?;
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => self.hand_in(&mut socket).await?,
            }
        }
    }

    async fn hear(&mut self, socket: &mut Socket, message: Message) -> Result<(), Failure> {
        let Message::Text(text) = message else { return Ok(()) };
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let field = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let (job_id, attempt_id) = (field("job_id"), field("attempt_id"));
        match said["type"].as_str() {
            Some("job_assign") => {
                let last = self.config.script.len().saturating_sub(1);
                let deed = self.config.script.get(self.assigned.min(last)).copied().unwrap_or(Deed::Answer);
                self.assigned += 1;
                if deed != Deed::Ignore {
                    let ack = json!({ "type": "job_ack", "job_id": job_id, "attempt_id": attempt_id });
                    say(socket, ack).await?;
                }
                // As the echo worker answers.
                let text = format!("[{}] {}", field("tgt_lang"), field("text"));
                self.begin(deed, job_id, attempt_id, &text);
            }
            Some("job_cancel") => {
                self.lingering.remove(&(job_id, attempt_id.clone()));
                self.due.retain(|(_, result)| result["attempt_id"] != attempt_id.as_str());
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, deed: Deed, job_id: String, attempt_id: String, text: &str) {
        let at = Instant::now() + self.config.work_time;
        let good =
            json!({ "type": "job_result", "job_id": job_id, "attempt_id": attempt_id, "ok": true, "text": text });
        match deed {
            Deed::Answer => self.due.push((at, good)),
            Deed::AnswerHalf => {
                let half: String = text.chars().take(text.chars().count() / 2).collect();
                self.due.push((at, changed(good, "text", half)));
            }
            Deed::AnswerTwice => self.due.extend([(at, good.clone()), (at, good)]),
            Deed::Ignore | Deed::Forget => {}
            Deed::Fail => {
                let error = format!("the model said:\r\n{}", "no \u{fffd} ".repeat(100));
                let bad = json!({ "type": "job_result", "job_id": job_id, "attempt_id": attempt_id, "ok": false, "error": error });
                self.due.push((at, bad));
            }
            Deed::Linger => {
                self.lingering.insert((job_id, attempt_id));
            }
        }
    }

    async fn hand_in(&mut self, socket: &mut Socket) -> Result<(), Failure> {
        let now = Instant::now();
        for (_, result) in self.due.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>() {
            say(socket, result).await?;
        }
        Ok(())
    }
}

fn changed(mut message: Value, field: &str, value: impl Into<Value>) -> Value {
    message[field] = value.into();
    message
}

async fn say(socket: &mut Socket, message: Value) -> Result<(), Failure> {
    socket.send(Message::text(message.to_string())).await
}
