//! A user who speaks sentences into a session and waits for every translation.

use std::time::Duration;

use halfopen::{BoxError, FactKind, HostContext};
use halfopen_client::{Client, JobOutcome, connect};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What the user does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What is said, and when: `"1s: good morning"`, or a table where there is more to it.
    #[serde(deserialize_with = "super::line::list")]
    pub sentences: Vec<Sentence>,
    /// The user stays at least this long, whether or not there is anything to wait for.
    #[serde(default, with = "humantime_serde")]
    pub stay: Duration,
    /// How long the user waits for the last translation before leaving without it.
    #[serde(default = "patience", with = "humantime_serde")]
    pub patience: Duration,
    /// The client's own configuration.
    #[serde(default)]
    pub client: halfopen_client::Config,
}

/// One sentence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// Since the actor's start.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// The text of the sentence.
    pub text: String,
    /// So much is added behind the text that it has this many bytes.
    #[serde(default)]
    pub bytes: usize,
    /// What is added.
    #[serde(default = "blank")]
    pub padding: char,
    /// How often it is said, one right behind the other.
    #[serde(default = "once")]
    pub times: u32,
}

fn blank() -> char {
    ' '
}

fn once() -> u32 {
    1
}

/// Longer than any outcome takes: the hard cap on a job is ten minutes.
fn patience() -> Duration {
    Duration::from_secs(11 * 60)
}

/// Plays the script with the real client.
///
/// # Errors
/// If the script cannot be read, or the client refuses its configuration.
pub async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let started = Instant::now();
    let client = connect(script.client.clone())?;
    let mut waiting = JoinSet::new();
    for sentence in &script.sentences {
        sleep_until(started + sentence.at).await;
        for n in 1..=sentence.times {
            say(&cx, &client, sentence, n, &mut waiting);
        }
    }
    let last = script.sentences.last().map_or(Duration::ZERO, |sentence| sentence.at);
    let leaves = started + (last + script.patience).max(script.stay);
    let answered = async { while waiting.join_next().await.is_some() {} };
    // Outcomes that are still missing when patience ends are for the checks to judge.
    let _ = tokio::time::timeout_at(leaves, answered).await;
    sleep_until(started + script.stay).await;
    client.close().await;
    Ok(())
}

fn say(cx: &HostContext, client: &Client, sentence: &Sentence, n: u32, waiting: &mut JoinSet<()>) {
    let text = &sentence.text;
    let missing = sentence.bytes.saturating_sub(text.len());
    let padding: String = std::iter::repeat_n(sentence.padding, missing / sentence.padding.len_utf8()).collect();
    match client.submit(format!("{text}{padding}")) {
        Ok(handle) => {
            let job = handle.job_id().to_owned();
            cx.offered(&job);
            let cx = cx.clone();
            waiting.spawn(async move {
                match handle.await {
                    JobOutcome::Result { text } => {
                        tracing::debug!(target: "halfopen_user", job_id = %job, text = %text, "answer heard");
                        cx.received(&job);
                    }
                    failure => cx.fact(FactKind::ClaimedFailed, &job, failure.name()),
                }
            });
        }
        Err(error) => {
            let key = if n == 1 { format!("unsent {text}") } else { format!("unsent {text} {n}") };
            cx.offered(&key);
            cx.fact(FactKind::Refused, &key, error);
        }
    }
}
