//! What a reader asks, and how it reads.

use std::time::Duration;

use serde::Deserialize;

use super::decoder::Decoding;

/// What the user does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The gateway, as `host:port`.
    pub gateway: String,
    /// The model to ask for.
    pub model: String,
    /// The questions, one at a time, on a connection each: `"1s: first tell me more"`, or a table where there is more to it.
    #[serde(deserialize_with = "crate::actors::line::list")]
    pub questions: Vec<Question>,
    /// Whether a connection over which an answer has come whole serves the next question.
    #[serde(default)]
    pub keeps_connections: bool,
    /// An answer that brings nothing for this long is dead. The gateway's heartbeats come every 30 s, so the default of
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
    /// What is asked. Its first word names the answer in facts.
    pub text: String,
    /// Leaves after this many events, without ending the request.
    #[serde(default)]
    pub leave_after: Option<usize>,
    /// Leaves after this time, whatever has come.
    #[serde(default, with = "humantime_serde")]
    pub leave_within: Option<Duration>,
    /// Whether the answer is to stream.
    #[serde(default = "yes")]
    pub stream: bool,
    /// How many choices are asked for.
    #[serde(default = "one")]
    pub choices: u64,
    /// Whether the usage is asked for.
    #[serde(default)]
    pub usage: bool,
    /// Another model than the script's.
    #[serde(default)]
    pub model: Option<String>,
    /// The body of the request, whatever it is.
    #[serde(default)]
    pub body: Option<String>,
    /// How many bytes the request's body has, filled up with blanks.
    #[serde(default)]
    pub body_bytes: Option<usize>,
    /// A pause in the middle of the request's body.
    #[serde(default, with = "humantime_serde")]
    pub body_pause: Option<Duration>,
    /// Reads nothing for so long, from the first bytes of the answer on.
    #[serde(default, with = "humantime_serde")]
    pub rests: Option<Duration>,
    /// How often it does so.
    #[serde(default = "once")]
    pub rest_times: usize,
    /// Another path, which is asked with `GET` and no body.
    #[serde(default)]
    pub get: Option<String>,
    /// How long this answer may bring nothing, if it is not as the script says.
    #[serde(default, with = "humantime_serde")]
    pub silence: Option<Duration>,
}

impl Question {
    /// What facts call the answer.
    pub(super) fn key(&self) -> &str {
        self.text.split_whitespace().next().unwrap_or_default()
    }

    /// The body of its request.
    pub(super) fn request_body(&self, script: &Script) -> String {
        let mut body = match (&self.body, &self.get) {
            (Some(body), _) => body.clone(),
            (None, Some(_)) => String::new(),
            (None, None) => {
                let mut body = serde_json::json!({
                    "model": self.model.as_ref().unwrap_or(&script.model),
                    "stream": self.stream,
                    "messages": [{ "role": "user", "content": self.text }],
                });
                if self.choices != 1 {
                    body["n"] = self.choices.into();
                }
                if self.usage {
                    body["stream_options"] = serde_json::json!({ "include_usage": true });
                }
                body.to_string()
            }
        };
        if let Some(missing) = self.body_bytes.and_then(|bytes| bytes.checked_sub(body.len())) {
            body.push_str(&" ".repeat(missing));
        }
        body
    }
}

fn silence() -> Duration {
    Duration::from_secs(45)
}

fn yes() -> bool {
    true
}

fn once() -> usize {
    1
}

fn one() -> u64 {
    1
}
