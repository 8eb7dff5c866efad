//! The program: sentences in, translations out.

use std::future::Future;
use std::io;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader, Lines};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, JobHandle, SubmitError, connect};
use crate::config::{Config, ConfigError};
use crate::event::State;
use crate::outcome::Outcome;

/// Why the program ended other than well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong; nothing was opened.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Sentences could not be read, or results not written.
    #[error("failed to read sentences or write results")]
    Io(#[from] io::Error),
    /// The scheduler could not be reached any more, or the session has another owner.
    #[error("the connection was given up")]
    GaveUp,
}

/// Translates the lines of standard input onto standard output until the input ends and every sentence has its
/// outcome, or `shutdown` is cancelled. When it returns, no task of it lives on.
///
/// # Errors
/// See [`RunError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    run_lines(config, shutdown, BufReader::new(tokio::io::stdin()), tokio::io::stdout()).await
}

/// As [`run`], between any reader and writer. Each outcome is one line: the sentence's number from 1, a tab, and the
/// translation, or `!` with the name of the failure.
///
/// # Errors
/// See [`RunError`].
pub async fn run_lines<R, W>(
    config: Config,
    shutdown: CancellationToken,
    sentences: R,
    mut answers: W,
) -> Result<(), RunError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let client = connect(config)?;
    let ended = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        ended = translate(&client, sentences.lines(), &mut answers) => ended,
    };
    client.close().await;
    ended
}

type Answer = Pin<Box<dyn Future<Output = (u64, Outcome)> + Send>>;

async fn translate<R, W>(client: &Client, mut sentences: Lines<R>, answers: &mut W) -> Result<(), RunError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut open: FuturesUnordered<Answer> = FuturesUnordered::new();
    let mut waiting: Option<String> = None;
    let mut number = 0;
    let mut more = true;
    while more || waiting.is_some() || !open.is_empty() {
        tokio::select! {
            Some((number, outcome)) = open.next() => {
                answers.write_all(line(number, &outcome).as_bytes()).await?;
                answers.flush().await?;
            }
            sentence = sentences.next_line(), if more && waiting.is_none() => {
                waiting = sentence?;
                more = waiting.is_some();
            }
            () = client.ended(), if more || waiting.is_some() => (more, waiting) = (false, None),
        }
        let Some(sentence) = waiting.take().filter(|sentence| !sentence.trim().is_empty()) else { continue };
        match client.submit(sentence.as_str()) {
            Ok(handle) => {
                number += 1;
                open.push(answer(number, handle));
            }
            Err(SubmitError::Full { .. }) => waiting = Some(sentence),
            Err(SubmitError::TooLarge { bytes, most }) => {
                number += 1;
                answers.write_all(format!("{number}\t! TOO_LARGE ({bytes} bytes of {most})\n").as_bytes()).await?;
            }
            Err(SubmitError::Closed) => more = false,
        }
    }
    if client.state() == State::Closed { Err(RunError::GaveUp) } else { Ok(()) }
}

fn answer(number: u64, handle: JobHandle) -> Answer {
    Box::pin(async move { (number, handle.await) })
}

fn line(number: u64, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Result { text } => format!("{number}\t{text}\n"),
        Outcome::Failed { message, .. } => format!("{number}\t! {} ({message})\n", outcome.name()),
        Outcome::Rejected { .. } | Outcome::Unknown => format!("{number}\t! {}\n", outcome.name()),
    }
}
