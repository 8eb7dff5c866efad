//! The port and unknown peers: pages, bad input, slow and silent peers.

use std::time::Duration;

use crate::fixture::{PATIENCE, Peer, Scheduler, configured, impatient};
use futures_util::SinkExt;
use halfopen_link::message::{FromSession, Resume, ToSession};
use halfopen_scheduler::{Config, RunError, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn the_port_says_how_it_is() {
    let scheduler = Scheduler::start(impatient()).await;
    let _client = scheduler.client().await;
    let _puppet = scheduler.puppet(1).await;
    scheduler.metric("halfopen_connected_nodes 1").await;
    let page = scheduler.get("/health").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("application/json"), "{page}");
    let body: serde_json::Value = serde_json::from_str(page.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!((&body["status"], &body["sessions"], &body["nodes"]), (&"ok".into(), &1.into(), &1.into()));
    assert!(scheduler.get("/nowhere").await.starts_with("HTTP/1.1 404"));
    assert!(scheduler.get("/ws/session").await.starts_with("HTTP/1.1 400"), "no handshake");
    scheduler.stopped().await;
}

#[tokio::test]
async fn foreign_pages_hosts_and_versions_are_refused_at_the_handshake() {
    let scheduler = Scheduler::start(impatient()).await;
    for (lines, status) in [
        ("host: x\r\norigin: https://evil.example\r\n", "403"),
        ("host: x\r\norigin: null\r\n", "403"),
        ("host: evil.example\r\n", "421"),
        ("host: x\r\nhost: y\r\n", "400"),
        ("", "400"),
        ("host: x\r\nsec-websocket-version: 12\r\n", "426"),
    ] {
        for path in ["/ws/session", "/ws/node"] {
            let answer = scheduler.say(&format!("GET {path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{lines}: {answer}");
        }
    }
    let answer = scheduler.say("PUT /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: GET, HEAD"), "{answer}");
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_node_without_a_key_is_refused_where_keys_are_asked_for() {
    let path = std::env::temp_dir().join(format!("halfopen-node-keys-{}", std::process::id()));
    std::fs::write(&path, "0123456789abcdef\n").expect("a file");
    let scheduler = Scheduler::start(configured(|config| config.access.node_keys.file = Some(path.clone()))).await;
    let ask = |key: &str| format!("GET /ws/node HTTP/1.1\r\nhost: x\r\n{key}connection: close\r\n\r\n");
    for key in ["", "authorization: Bearer 0123456789abcdeg\r\n"] {
        let answer = scheduler.say(&ask(key)).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    let answer = scheduler.say(&ask("authorization: Bearer 0123456789abcdef\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "the key is good, and it is no handshake: {answer}");
    let _session = scheduler.client().await;
    std::fs::remove_file(&path).expect("it is there");
    scheduler.stopped().await;
}

#[tokio::test]
async fn health_answers_beyond_the_limit_and_the_rest_is_told_to_come_again() {
    let scheduler = Scheduler::start(configured(|config| config.limits.waiting_connections = 2)).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(scheduler.address).await.expect("a listener");
        stream.write_all(b"GET /hea").await.expect("a connection");
        slow.push(stream);
    }
    let health = scheduler.get("/health").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("full"), "{health}");
    let refused = scheduler.get("/nowhere").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    drop(slow);
    scheduler.stopped().await;
}

#[tokio::test]
async fn bad_input_is_closed_with_its_code_and_disturbs_no_other_peer() {
    let scheduler = Scheduler::start(impatient()).await;
    let mut bystander = scheduler.client().await;
    let bad: [(Message, u16); 5] = [
        (Message::text("hello"), 1007),
        (Message::text(r#"{"type":"ack","upto_seq":"three"}"#), 1007),
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::text("x".repeat((1 << 20) + 1)), 1009),
        (Message::text(r#"{"type":"ack","upto_seq":1}"#), 1008),
    ];
    for (message, close_code) in bad {
        let mut client = scheduler.client().await;
        client.peer.socket.send(message).await.expect("a connection");
        assert_eq!(client.peer.close_code().await, close_code);
    }
    scheduler.metric("halfopen_connected_sessions 1").await;
    bystander.submit("job-1").await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn framing_that_breaks_the_rules_is_closed_with_1002_and_bad_utf8_with_1007() {
    let scheduler = Scheduler::start(impatient()).await;
    // Reserved bits set; then a masked text frame (mask 0) with a byte that is not UTF-8.
    for (frame, close_code) in [([0xF1, 0x80, 0, 0, 0, 0].as_slice(), 1002), (&[0x81, 0x81, 0, 0, 0, 0, 0xFF], 1007)] {
        let mut client = scheduler.client().await;
        client.peer.socket.get_mut().write_all(frame).await.expect("a connection");
        assert_eq!(client.peer.close_code().await, close_code);
    }
    scheduler.stopped().await;
}

#[tokio::test]
async fn an_unknown_type_is_answered_and_the_connection_stays() {
    let scheduler = Scheduler::start(impatient()).await;
    let mut client = scheduler.client().await;
    client.peer.send_text(r#"{"type":"telepathy"}"#).await;
    let error: ToSession = client.peer.receive().await;
    assert!(matches!(&error, ToSession::Error { message, .. } if message.contains("telepathy")), "{error:?}");
    client.submit("job-1").await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_guessed_token_is_closed_with_4003_and_the_owner_stays() {
    let scheduler = Scheduler::start(impatient()).await;
    let mut owner = scheduler.client().await;
    let mut thief = Peer::connect(scheduler.address, "/ws/session").await;
    let resume = Some(Resume { token: "guessed".to_owned(), ..owner.credentials(0) });
    thief.send(&FromSession::SessionInit { client_version: String::new(), resume }).await;
    assert_eq!(thief.close_code().await, 4003);
    owner.submit("job-1").await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_connection_without_a_hello_is_closed_with_4008() {
    let scheduler = Scheduler::start(configured(|config| config.timings.hello_timeout = SHORT)).await;
    for path in ["/ws/session", "/ws/node"] {
        let mut peer = Peer::connect(scheduler.address, path).await;
        assert_eq!(peer.close_code().await, 4008);
    }
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_silent_link_is_given_up() {
    let silent = |config: &mut Config| {
        config.link.ping_interval = SHORT;
        config.link.pong_timeout = SHORT;
        config.link.close_timeout = SHORT;
    };
    let scheduler = Scheduler::start(configured(silent)).await;
    // Its owner never reads again, so no pong is ever written.
    let client = scheduler.client().await;
    scheduler.metric("halfopen_connected_sessions 0").await;
    scheduler.metric("halfopen_session_connections 0").await;
    drop(client);
    scheduler.stopped().await;
}

#[tokio::test]
async fn outcomes_that_are_not_acknowledged_end_the_connection_and_are_kept() {
    let scheduler = Scheduler::start(configured(|config| config.timings.ack_timeout = SHORT)).await;
    let mut puppet = scheduler.puppet(1).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let assignment = puppet.assignment().await;
    puppet.answer(assignment, "hallo").await;
    assert_eq!(client.peer.close_code().await, 1011);
    let mut client = scheduler.resume(&client, 0).await;
    assert_eq!(client.result().await, (1, "hallo".to_owned(), true));
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_reader_that_stops_is_closed_and_finds_its_results_when_it_returns() {
    const JOBS: u64 = 24;
    // No acknowledgement is waited for: what ends the connection is that not one byte leaves any more.
    let scheduler = Scheduler::start(configured(|config| {
        config.limits.window_bytes = usize::MAX;
        config.link.write_stall = Duration::from_secs(2);
    }))
    .await;
    let mut puppet = scheduler.puppet(1).await;
    let mut client = scheduler.client().await;
    for number in 0..JOBS {
        client.submit(&format!("job-{number}")).await;
    }
    for _ in 0..JOBS {
        let assignment = puppet.assignment().await;
        puppet.answer(assignment, &"x".repeat(1_000_000)).await;
    }
    scheduler.metric("halfopen_connected_sessions 0").await;
    scheduler.metric("halfopen_session_connections 0").await;
    let mut client = scheduler.resume(&client, 0).await;
    for seq in 1..=JOBS {
        assert_eq!(client.result().await.0, seq);
    }
    client.ack(JOBS).await;
    scheduler.metric(&format!("halfopen_results_delivered_total {JOBS}")).await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn an_idle_session_is_closed_with_1000_and_resumes() {
    let scheduler = Scheduler::start(configured(|config| config.timings.idle_timeout = SHORT)).await;
    let mut client = scheduler.client().await;
    assert_eq!(client.peer.close_code().await, 1000);
    assert!(scheduler.resume(&client, 0).await.resumed);
    scheduler.stopped().await;
}

#[tokio::test]
async fn half_a_request_head_does_not_hold_a_socket_for_ever() {
    let scheduler = Scheduler::start(configured(|config| config.timings.header_timeout = SHORT)).await;
    let mut stream = TcpStream::connect(scheduler.address).await.expect("a listener");
    stream.write_all(b"GET /health HT").await.expect("a connection");
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end in time");
    assert_eq!(read.expect("an orderly end"), 0);
    scheduler.stopped().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_peer_that_only_holds_a_socket() {
    let scheduler = Scheduler::start(impatient()).await;
    let _idle = TcpStream::connect(scheduler.address).await.expect("a listener");
    let _stranger = Peer::connect(scheduler.address, "/ws/session").await;
    let _silent = scheduler.client().await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let scheduler = Scheduler::start(impatient()).await;
    let address = scheduler.address;
    let refused = Server::bind(configured(|config| config.listen = address)).await;
    assert!(matches!(refused, Err(RunError::Bind { address: named, .. }) if named == address));
    scheduler.stopped().await;
}

/// Short, yet a hundred times what a loopback message takes; a slow machine only makes these tests slower.
const SHORT: Duration = Duration::from_millis(100);
