//! Faults that strike by what a message says, on tokio-tungstenite and on an event stream.

use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use halfopen::internals::Capsule;
use halfopen::trace::{FaultEvent, RecordKind};
use halfopen::{BoxError, Catalogue, HostContext, Outcome, Plan, Scenario, Seed};
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use crate::stage::{Told, tell};

const HOSTS: &str = r#"
proves = "a fault finds its message"
settle = "1s"

[network]
interleaved = false

[host.server]
run = "RUN"

[actor.client]
run = "RUN"

[moment.second_result]
link = "client -> server"
message = { type = "result" }
n = 2
to = "client"
"#;

#[test]
fn a_message_is_struck_by_what_it_says_and_those_before_it_arrive() {
    for (edge, got) in [("before", "hello 1 hello"), ("after", "hello 1 hello 2")] {
        let outcome = websocket(&format!(
            "[[fault]]\nwhen = {{ moment = \"second_result\", edge = \"{edge}\" }}\ndo = \"reset\"\n"
        ));
        let seen = outcome.words("got").join(" ");
        assert_eq!(seen, got, "{edge}");
        assert_eq!(fired(&outcome), ["client->server#1"]);
    }
}

#[test]
fn a_client_s_masked_message_is_changed_by_what_it_says() {
    let outcome = websocket(
        "[[fault]]\nlink = \"client -> server\"\ndo = \"corrupt\"\n\
         when = { message = { type = \"ask\", n = 2 }, to = \"server\" }\n",
    );
    let asked = outcome.words("asked");
    assert_eq!(asked[0], r#"{"type":"ask","n":1}"#);
    assert_ne!(asked[1], r#"{"type":"ask","n":2}"#);
    assert_eq!(fired(&outcome), ["client->server#1"]);
}

#[test]
fn a_description_that_no_message_meets_is_a_fault_that_never_took_effect() {
    let outcome = websocket(
        "[[fault]]\nlink = \"client -> server\"\ndo = \"reset\"\n\
         when = { message = { type = \"resutl\" }, to = \"client\" }\n",
    );
    let broken: Vec<_> = outcome.violations().collect();
    let [only] = broken[..] else { panic!("{broken:?}") };
    let why = &only.sentence;
    assert!(
        why.contains("it waited for 1 WebSocket message to_client with type=resutl, and none was seen among the 5"),
        "{why}"
    );
}

#[test]
fn an_event_is_struck_by_what_its_data_says() {
    for (edge, got) in [("before", "data: {\"n\":1}\n\n"), ("after", "data: {\"n\":1}\n\ndata: {\"n\":2}\n\n")] {
        let outcome = stream(&format!(
            "[[fault]]\nlink = \"client -> server\"\ndo = \"cut\"\n\
             when = {{ sse_event = {{ n = 2 }}, edge = \"{edge}\" }}\n"
        ));
        assert_eq!(outcome.only("got").1, got, "{edge}");
    }
    let outcome = stream(
        "[[fault]]\nlink = \"client -> server\"\ndo = \"corrupt\"\nwhen = { sse_event = { \"\" = \"[DONE]\" } }\n",
    );
    assert!(outcome.only("got").1.ends_with("data: [DOOE]\n\n"), "{}", outcome.only("got").1);
}

fn websocket(faults: &str) -> Outcome {
    play("websocket", faults, Catalogue::new("", "").host("websocket", serve_websocket).actor("websocket", ask))
}

fn stream(faults: &str) -> Outcome {
    play("stream", faults, Catalogue::new("", "").host("stream", serve_events).actor("stream", read_events))
}

/// Plays a scenario, and its capsule, which must be the same run.
fn play(run: &str, faults: &str, catalogue: Catalogue) -> Outcome {
    let text = format!("{}{faults}", HOSTS.replace("RUN", run));
    let scenario = Scenario::from_toml(&text, Path::new("contents.toml")).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::draw(&scenario, Seed(1));
    let outcome = catalogue.run(&plan).unwrap_or_else(|error| panic!("{error}"));
    let written = Capsule::new(plan, None).to_toml();
    let capsule = Capsule::from_toml(&written, Path::new("capsule.toml")).unwrap_or_else(|error| panic!("{error}"));
    let again = catalogue.run(&capsule.plan).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.hash, outcome.hash, "{written}");
    outcome
}

fn fired(outcome: &Outcome) -> Vec<&str> {
    let fired = outcome.trace.records.iter().filter_map(|record| match &record.what {
        RecordKind::Fault { event: FaultEvent::Fired { on, .. }, .. } => Some(on.as_str()),
        _ => None,
    });
    fired.collect()
}

/// Says hello, answers each question with a result, and says hello again.
async fn serve_websocket(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let (stream, _) = listener.accept().await?;
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    socket.send(Message::text(r#"{"type":"hello"}"#)).await?;
    let mut results = 0;
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        tell(&cx, "asked", &text);
        results += 1;
        let result = format!(r#"{{"type":"result","n":{results}}}"#);
        let hello = Message::text(r#"{"type":"hello"}"#);
        if socket.send(Message::text(result)).await.is_err() || socket.send(hello).await.is_err() {
            break;
        }
    }
    cx.stopped().await;
    Ok(())
}

async fn ask(cx: HostContext) -> Result<(), BoxError> {
    let stream = TcpStream::connect("server:80").await?;
    let (mut socket, _) = tokio_tungstenite::client_async("ws://server/", stream).await?;
    for n in 1..=2 {
        socket.send(Message::text(format!(r#"{{"type":"ask","n":{n}}}"#))).await?;
        // A hello, and then a result.
        for _ in 0..2 {
            let Some(Ok(Message::Text(text))) = socket.next().await else { return Ok(()) };
            let said = if text.contains("hello") { "hello" } else { &text[text.len() - 2..text.len() - 1] };
            tell(&cx, "got", said);
        }
    }
    Ok(())
}

async fn serve_events(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let (mut stream, _) = listener.accept().await?;
    stream.read_buf(&mut Vec::with_capacity(1024)).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await?;
    for event in ["data: {\"n\":1}\n\n", "data: {\"n\":2}\n\n", "data: [DONE]\n\n"] {
        // In two pieces, so that what is said comes later than the beginning.
        let (beginning, rest) = event.split_at(7);
        for piece in [beginning, rest] {
            if stream.write_all(piece.as_bytes()).await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    drop(stream);
    cx.stopped().await;
    Ok(())
}

async fn read_events(cx: HostContext) -> Result<(), BoxError> {
    let mut stream = TcpStream::connect("server:80").await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: server\r\n\r\n").await?;
    let mut got = Vec::new();
    while stream.read_buf(&mut got).await.is_ok_and(|bytes| bytes > 0) {}
    let text = String::from_utf8_lossy(&got);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    tell(&cx, "got", body);
    Ok(())
}
