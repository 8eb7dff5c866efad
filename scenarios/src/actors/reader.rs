//! A user who reads answers as they stream, and may leave in the middle.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_net::TcpStream;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until, timeout};

use super::decoder::{Decoder, Decoding};

/// What the user does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The gateway, as `host:port`.
    pub gateway: String,
    /// The model to ask for.
    pub model: String,
    /// The questions, one stream each, on a connection each.
    pub questions: Vec<Question>,
    /// A stream that brings nothing for this long is dead. The gateway's heartbeats come every 30 s, so the default of
    /// 45 s is one and a half of them.
    #[serde(default = "silence", with = "humantime_serde")]
    pub silence: Duration,
    /// What reads the stream.
    #[serde(default)]
    pub decoding: Decoding,
    /// What no error may tell the user. How often one did is the gauge `secrets_told`, if there are any.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// One question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Since the actor's start; never before the question before has ended.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// What is asked. Its first word names the stream in facts.
    pub text: String,
    /// Leaves after this many events, without ending the request.
    #[serde(default)]
    pub leave_after: Option<usize>,
}

fn silence() -> Duration {
    Duration::from_secs(45)
}

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
    for question in &script.questions {
        sleep_until(started + question.at).await;
        let stream = Stream { cx: &cx, script: &script, question, key: key(&question.text), secrets_told: &told };
        cx.offered(stream.key);
        match stream.read().await {
            Ok(()) => {}
            Err(error) => stream.failed(&error.to_string()),
        }
    }
    Ok(())
}

fn key(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

struct Stream<'a> {
    cx: &'a HostContext,
    script: &'a Script,
    question: &'a Question,
    key: &'a str,
    secrets_told: &'a Cell<usize>,
}

impl Stream<'_> {
    async fn read(&self) -> Result<(), BoxError> {
        let socket = TcpStream::connect(self.script.gateway.as_str()).await?;
        socket.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        // Both halves end together: a reader who leaves takes the connection along.
        let mut connection = std::pin::pin!(connection);
        let exchange = async {
            let response = timeout(self.script.silence, sender.send_request(self.request()?)).await??;
            if response.status() != StatusCode::OK {
                return Err(format!("status {}", response.status().as_u16()).into());
            }
            self.cx.fact(FactKind::StreamOpened, self.key, response.status().as_u16());
            self.events(response.into_body()).await
        };
        tokio::select! {
            biased;
            result = exchange => result,
            ended = &mut connection => Err(ended.err().map_or_else(|| "the connection ended".into(), Into::into)),
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, BoxError> {
        let body = serde_json::json!({
            "model": self.script.model,
            "stream": true,
            "messages": [{ "role": "user", "content": self.question.text }],
        });
        let request = Request::post("/v1/chat/completions")
            .header(header::HOST, &self.script.gateway)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        Ok(request)
    }

    async fn events(&self, mut body: hyper::body::Incoming) -> Result<(), BoxError> {
        let mut decoder = Decoder::new(self.script.decoding);
        let mut seen = 0;
        loop {
            let Some(frame) = timeout(self.script.silence, body.frame()).await? else {
                self.cx.fact(FactKind::StreamEnded, self.key, "eof");
                return Ok(());
            };
            let Ok(bytes) = frame?.into_data() else { continue };
            for data in decoder.push(&bytes)? {
                self.tell(&data)?;
                seen += 1;
                if self.question.leave_after.is_some_and(|after| seen >= after) {
                    self.cx.fact(FactKind::StreamLeft, self.key, format!("after {seen} events"));
                    return Ok(());
                }
            }
        }
    }

    /// Tells what an event says. One that is not JSON ends the reading, as it does in SDKs.
    fn tell(&self, data: &str) -> Result<(), BoxError> {
        if data == "[DONE]" {
            self.cx.fact(FactKind::StreamTerminator, self.key, data);
            self.cx.received(self.key);
            return Ok(());
        }
        match serde_json::from_str::<serde_json::Value>(data) {
            Ok(json) if json.get("error").is_some() => {
                self.failed(json["error"]["message"].as_str().unwrap_or("an error"));
            }
            Ok(json) => {
                if let Some(word) = json["choices"][0]["delta"]["content"].as_str().filter(|word| !word.is_empty()) {
                    self.cx.fact(FactKind::StreamEvent, self.key, word);
                }
            }
            Err(_) => return Err("an event that is not JSON".into()),
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
