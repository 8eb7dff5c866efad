//! The page about the protocol shows messages that are messages.

use std::collections::BTreeSet;

use halfopen_link::codec::{Protocol, decode, encode};
use halfopen_link::message::{FailureCode, FromNode, FromSession, ToNode, ToSession};

const PAGE: &str = include_str!("../../../docs/protocol.md");

#[test]
fn every_example_is_a_message_and_every_message_has_an_example() {
    examples::<FromSession>("from-session");
    examples::<ToSession>("to-session");
    examples::<FromNode>("from-node");
    examples::<ToNode>("to-node");
}

#[test]
fn every_failure_code_is_explained() {
    use FailureCode::*;
    for code in [NoAvailableNode, QueueTimeout, JobTimeout, NodeUnavailable, ResultExpired, SessionClosed, Rejected] {
        assert!(PAGE.contains(&format!("| `{code}` |")), "{code}");
    }
}

/// Reads the examples of one direction: each is a message, is written as we write it, and has no field that we do not know.
fn examples<M: Protocol>(label: &str) {
    let (_, block) = PAGE.split_once(&format!("```json {label}\n")).expect("a block of examples");
    let (block, _) = block.split_once("```").expect("the end of the block");
    let mut shown = BTreeSet::new();
    for line in block.lines() {
        let message: M = decode(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(encode(&message), line, "as it stands on the wire");
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        shown.insert(value["type"].as_str().expect("a type").to_owned());
    }
    let known: BTreeSet<String> = M::TYPES.iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(shown, known, "{label}");
}
