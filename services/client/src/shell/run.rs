//! The program: sentences in, translations out, and a line for everything that happens to the connection.

use std::future::Future;
use std::io;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use halfopen_link::close::code;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;

use super::client::{Client, JobHandle, SubmitError, connect};
use super::events::Events;
use super::notice::Notices;
use super::sentences::{Sentence, Sentences};
use crate::config::{Config, ConfigError};
use crate::event::{Event, State};
use crate::outcome::JobOutcome;

/// Why the program ended other than well. The texts complete "failed to".
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong; nothing was opened.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Sentences could not be read.
    #[error("read sentences")]
    Read(#[source] io::Error),
    /// Answers could not be written.
    #[error("write answers")]
    Write(#[source] io::Error),
    /// The scheduler could not be reached any more.
    #[error("reach the scheduler: every attempt was spent")]
    GaveUp,
    /// The scheduler answered the handshake with this status, which no further attempt would change.
    #[error("open a session: the scheduler answered the handshake with {0}{words}", words = words(*.0))]
    Refused(u16),
    /// Another connection owns the session (close code 4001).
    #[error("keep the session: another connection has taken it over")]
    Replaced,
    /// The input has ended, and this number of sentences have a failure for an answer.
    #[error("translate {0} of the sentences")]
    Unanswered(u64),
}

/// Translates the lines of standard input onto standard output, with notices on standard error, until the input ends and
/// every sentence has its answer, or `shutdown` is cancelled. When it returns, no task of it lives on.
///
/// # Errors
/// See [`RunError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    let sentences = BufReader::new(tokio::io::stdin());
    run_lines(config, shutdown, sentences, tokio::io::stdout(), tokio::io::stderr()).await
}

/// As [`run`], between any reader and writers. Each answer is one line: the sentence's number from 1, a tab, and the
/// translation, or `!` with the name of the failure. Blank lines are no sentences. Notices begin with `--`; that they
/// cannot be written stops nothing.
///
/// # Errors
/// See [`RunError`].
pub async fn run_lines<R, W, N>(
    config: Config,
    shutdown: CancellationToken,
    sentences: R,
    answers: W,
    notices: N,
) -> Result<(), RunError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
    N: AsyncWrite + Unpin,
{
    let mut sentences = Sentences::new(sentences, config.link.largest_message);
    let words = Notices::new(config.reconnect.attempts);
    let client = connect(config)?;
    let mut events = client.events();
    let mut console =
        Console { answers, notices, words, open: FuturesUnordered::new(), number: 0, failed: 0, refused: None };
    let ended = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        ended = console.translate(&client, &mut events, &mut sentences) => ended,
    };
    client.close().await;
    while let Some(event) = events.next().await {
        console.notice(&event).await;
    }
    // A user who stops the program still learns what became of the sentences that were under way.
    while let Some((number, outcome)) = console.open.next().await {
        let told = console.answer(number, &outcome).await;
        if ended.is_ok() {
            told?;
        }
    }
    match (ended, console.refused) {
        (Err(RunError::GaveUp), Some(status)) => Err(RunError::Refused(status)),
        (ended, _) => ended,
    }
}

/// What a status says, for people: a space and its reason phrase, or nothing for one that has none.
fn words(status: u16) -> String {
    let phrase = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    phrase.map_or_else(String::new, |phrase| format!(" {phrase}"))
}

type Answer = Pin<Box<dyn Future<Output = (u64, JobOutcome)> + Send>>;

/// What stands between a person and a client.
struct Console<W, N> {
    answers: W,
    notices: N,
    words: Notices,
    open: FuturesUnordered<Answer>,
    /// Of the latest sentence.
    number: u64,
    failed: u64,
    /// The status of the handshake that the scheduler refused for good.
    refused: Option<u16>,
}

impl<W: AsyncWrite + Unpin, N: AsyncWrite + Unpin> Console<W, N> {
    async fn translate<R>(
        &mut self,
        client: &Client,
        events: &mut Events,
        sentences: &mut Sentences<R>,
    ) -> Result<(), RunError>
    where
        R: AsyncBufRead + Unpin,
    {
        // A sentence that finds no room waits here, and no further one is read.
        let mut waiting: Option<Sentence> = None;
        let mut more = true;
        while more || waiting.is_some() || !self.open.is_empty() {
            tokio::select! {
                Some(event) = events.next() => self.notice(&event).await,
                Some((number, outcome)) = self.open.next() => self.answer(number, &outcome).await?,
                sentence = sentences.next(), if more && waiting.is_none() => {
                    waiting = sentence.map_err(RunError::Read)?;
                    more = waiting.is_some();
                }
                () = client.ended(), if more => more = false,
            }
            if let Some(sentence) = waiting.take() {
                waiting = self.say(client, sentence).await?;
            }
        }
        self.verdict(client)
    }

    /// Hands a sentence in; gives it back if there is no room for it yet.
    async fn say(&mut self, client: &Client, sentence: Sentence) -> Result<Option<Sentence>, RunError> {
        let refusal = match &sentence {
            Sentence::Text(text) => match client.submit(text.as_str()) {
                Ok(handle) => {
                    self.number += 1;
                    self.open.push(answered(self.number, handle));
                    return Ok(None);
                }
                Err(SubmitError::Full { .. }) => return Ok(Some(sentence)),
                Err(SubmitError::TooLarge { bytes, most }) => format!("TOO_LARGE ({bytes} bytes of {most})"),
                Err(SubmitError::Closed) => "NOT_SENT (the client is closed)".into(),
            },
            Sentence::TooLong => "TOO_LARGE (the line is longer than a message may be)".into(),
            Sentence::NotText => "NOT_TEXT (the line is not UTF-8)".into(),
        };
        self.number += 1;
        self.failed += 1;
        self.write(&format!("{}\t! {refusal}\n", self.number)).await?;
        Ok(None)
    }

    fn verdict(&self, client: &Client) -> Result<(), RunError> {
        if client.state() == State::Closed {
            let replaced = client.ending().is_some_and(|ending| ending.close_code == code::REPLACED);
            return Err(if replaced { RunError::Replaced } else { RunError::GaveUp });
        }
        if self.failed > 0 { Err(RunError::Unanswered(self.failed)) } else { Ok(()) }
    }

    async fn answer(&mut self, number: u64, outcome: &JobOutcome) -> Result<(), RunError> {
        self.failed += u64::from(!matches!(outcome, JobOutcome::Result { .. }));
        self.write(&line(number, outcome)).await
    }

    async fn write(&mut self, line: &str) -> Result<(), RunError> {
        self.answers.write_all(line.as_bytes()).await.map_err(RunError::Write)?;
        self.answers.flush().await.map_err(RunError::Write)
    }

    async fn notice(&mut self, event: &Event) {
        if let Event::Refused { status } = event {
            self.refused = Some(*status);
        }
        if let Some(line) = self.words.of(event)
            && self.notices.write_all(line.as_bytes()).await.is_ok()
        {
            // A closed stderr is no reason to stop translating.
            let _ = self.notices.flush().await;
        }
    }
}

fn answered(number: u64, handle: JobHandle) -> Answer {
    Box::pin(async move { (number, handle.await) })
}

fn line(number: u64, outcome: &JobOutcome) -> String {
    match outcome {
        // An answer is one line, whatever it is made of.
        JobOutcome::Result { text } => format!("{number}\t{}\n", one_line(text)),
        JobOutcome::Failed { message, .. } => format!("{number}\t! {} ({})\n", outcome.name(), one_line(message)),
        JobOutcome::Rejected { .. } | JobOutcome::Unknown => format!("{number}\t! {}\n", outcome.name()),
    }
}

/// A text on one line, without the controls by which it could move the terminal's cursor or change its title.
fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c });
    spaced.filter(|c| *c == '\t' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_and_moves_no_cursor() {
        assert_eq!(one_line("a\nb\r\u{1b}[2J\u{1b}]0;title\u{7}c\td\u{9b}1A\u{fc}"), "a b [2J]0;titlec\td1A\u{fc}");
    }
}
