//! The program: its lines, its exit codes, its shutdown.

use std::process::{Command, Output};

use crate::fixture::{Scheduler, soon};
use halfopen_client::run::{RunError, run_lines};
use halfopen_client::{Config, config::Order};
use tokio::io::{AsyncWriteExt, BufReader, sink};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn sentences_go_in_and_translations_come_out() {
    let scheduler = Scheduler::start().await;
    let config = Config { order: Order::Utterance, ..scheduler.config() };
    let serving = tokio::spawn(async move {
        let mut peer = scheduler.greet(false).await;
        let (first, second) = (peer.submit().await, peer.submit().await);
        peer.answer(1, &second).await;
        peer.answer(2, &first).await;
        peer.until_close().await
    });
    let mut answers = Vec::new();
    let running = run_lines(config, CancellationToken::new(), &b"early\n\n  \nlate\n"[..], &mut answers, sink());
    soon("the program", running).await.expect("a good end");
    assert_eq!(String::from_utf8(answers).expect("text"), "1\tearly\n2\tlate\n");
    assert_eq!(soon("the goodbye", serving).await.expect("the peer").1, 1000);
}

#[tokio::test]
async fn a_shutdown_ends_the_program_while_it_waits_for_sentences() {
    let scheduler = Scheduler::start().await;
    let (_more, sentences) = tokio::io::duplex(64);
    let shutdown = CancellationToken::new();
    let running =
        tokio::spawn(run_lines(scheduler.config(), shutdown.clone(), BufReader::new(sentences), sink(), sink()));
    let peer = scheduler.greet(false).await;
    let watching = tokio::spawn(peer.until_close());
    shutdown.cancel();
    soon("the program", running).await.expect("no panic").expect("a good end");
    assert_eq!(soon("the goodbye", watching).await.expect("the peer").1, 1000);
}

#[tokio::test]
async fn a_program_whose_connection_is_given_up_does_not_wait_for_more_sentences() {
    let scheduler = Scheduler::start().await;
    let config = scheduler.config();
    drop(scheduler);
    let (mut more, sentences) = tokio::io::duplex(64);
    more.write_all(b"hello\n").await.expect("room");
    let mut answers = Vec::new();
    let ended = soon(
        "the program",
        run_lines(config, CancellationToken::new(), BufReader::new(sentences), &mut answers, sink()),
    );
    assert!(matches!(ended.await, Err(RunError::GaveUp)));
    assert_eq!(String::from_utf8(answers).expect("text"), "1\t! UNKNOWN\n");
}

#[test]
fn a_bad_configuration_is_named_and_ends_with_2() {
    let output = program(&["--url", "http://localhost/"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("must start with ws://"), "{}", stderr(&output));
    let output = program(&["--config", "/nonexistent.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent.toml"), "{}", stderr(&output));
}

#[test]
fn the_version_is_that_of_the_crate() {
    let output = program(&["--version"]);
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert_eq!(line, format!("halfopen-client {}\n", env!("CARGO_PKG_VERSION")));
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_halfopen-client")).args(arguments).output().expect("the program")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
