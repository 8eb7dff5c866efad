//! What verbs do that end nothing, or that no row of the oracle is about.

use std::time::Duration;

use halfopen::fault::{
    Buffer, ClockJump, Corrupt, Cut, CutEnding, Delay, Drip, DuplicateMessage, Edge, IoError, IoErrorKind, Jitter,
    LookupError, LookupFails, LookupMoves, PowerLoss, ReorderMessages, Restart, Split, StreamCall, Throttle, Trigger,
    TruncateClean, Upstream,
};
use halfopen::name::{Direction, Side};

use crate::cell::Cell;
use crate::client::{self, Client};
use crate::frames::{chunked, events, text};
use crate::peer::{Peer, Step};
use crate::server::{self, Handler, Server};
use crate::websocket::{Act, WebSocket};

const PAUSE: Duration = Duration::from_millis(5);
const NO_ROW: &str = "-";

pub(super) fn cells() -> Vec<Cell> {
    [slow(), other(), streams(), lookups(), calls()].concat()
}

/// Says hello and world, one after the other, at once.
fn says() -> Peer {
    Peer::listening(&[Step::Upgrade, Step::Strike, Step::Send([text("hello"), text("world")].concat())])
}

/// The same bytes, this many at a time.
fn says_in_pieces(bytes: usize) -> Peer {
    let all = [text("hello"), text("world")].concat();
    let pieces = all.chunks(bytes).flat_map(|piece| [Step::Send(piece.to_vec()), Step::Pause(PAUSE)]);
    Peer::listening(&[Step::Upgrade, Step::Strike].into_iter().chain(pieces).collect::<Vec<_>>())
}

/// What takes its time and arrives.
fn slow() -> Vec<Cell> {
    let both = WebSocket::client(&[Act::Strike, Act::Next, Act::Next]);
    let sees = ["next: \"hello\"", "next: \"world\""];
    let direction = Some(Direction::ToClient);
    let late = Peer::listening(&[
        Step::Upgrade,
        Step::Strike,
        Step::Pause(20 * PAUSE),
        Step::Send([text("hello"), text("world")].concat()),
    ]);
    let cell = |fault, peer| Cell::new(NO_ROW, fault, both.clone(), peer, &sees);
    vec![
        cell("what is written at once arrives in pieces", says_in_pieces(3))
            .verb(Split { bytes: 3, direction, lasting: None }, says()),
        cell("bytes arrive one at a time", says_in_pieces(1))
            .verb(Drip { bytes: 1, every: PAUSE, direction, lasting: None }, says()),
        cell("a line that carries 200 bytes a second", says_in_pieces(1))
            .verb(Throttle { bytes_per_second: 200, direction, lasting: None }, says()),
        cell("packets that take longer", late.clone()).verb(Delay { by: 20 * PAUSE, lasting: None }, says()),
        cell("packets that take longer, some more than others", late)
            .verb(Jitter { up_to: 20 * PAUSE, lasting: None }, says()),
    ]
}

/// Messages that arrive otherwise than they were sent.
fn other() -> Vec<Cell> {
    let first = Trigger::message(1, Direction::ToClient, Edge::After);
    let cell = |fault, acts: &[Act], bytes: Vec<u8>, sees: &[&'static str]| {
        let peer = Peer::listening(&[Step::Upgrade, Step::Strike, Step::Send(bytes)]);
        Cell::new(NO_ROW, fault, WebSocket::client(acts), peer, sees)
    };
    vec![
        cell(
            "a message twice",
            &[Act::Strike, Act::Next, Act::Next, Act::Next],
            [text("hello"), text("hello"), text("world")].concat(),
            &["next: \"hello\"", "next: \"hello\"", "next: \"world\""],
        )
        .verb_at(first.clone(), DuplicateMessage { copies: 1 }, says()),
        cell(
            "a message behind the next",
            &[Act::Strike, Act::Next, Act::Next],
            [text("world"), text("hello")].concat(),
            &["next: \"world\"", "next: \"hello\""],
        )
        .verb_at(first.clone(), ReorderMessages { by: 1 }, says()),
        cell(
            "a message with another character",
            &[Act::Strike, Act::NextAlmost("hello"), Act::Next],
            [text("hallo"), text("world")].concat(),
            &["next: as long as \"hello\", 1 character another", "next: \"world\""],
        )
        .verb_at(first.clone(), Corrupt, says()),
    ]
}

/// What an upstream server's stream does.
fn streams() -> Vec<Cell> {
    let whole = events(&["one", "two", "[DONE]"]);
    let answers = |bytes: Vec<u8>| Peer::listening(&[Step::ReadHead, Step::Send(bytes)]);
    let head = |edge| Trigger::HttpHead { n: 1, direction: Direction::ToClient, edge };
    let first = Trigger::sse_event(1, Edge::After);
    let read = [client::Act::Get, client::Act::Body];
    let open = chunked("b\r\ndata: one\n\n\r\n");
    let well = || answers(whole.clone());
    let cell = |fault, acts: &[client::Act], peer, sees: &[&'static str]| {
        Cell::new(NO_ROW, fault, Client::new(acts), peer, sees)
    };
    vec![
        cell("a chunked stream ends too early, and properly", &read, answers(events(&["one"])), &["response: 200", "body: \"data: one\\n\\n\" then the end"]).verb_at(first.clone(), TruncateClean, well()),
        cell("a stream falls silent", &[client::Act::Get, client::Act::BodyNever], answers(open.clone()), &["response: 200", "body: pending"]).verb_at(first.clone(), Cut { ending: CutEnding::Silence }, well()),
        cell("an upstream's stream falls silent", &[client::Act::Get, client::Act::BodyNever], answers(open), &["response: 200", "body: pending"]).verb_at(first.clone(), Upstream::Stall { heal_after: None }, well()),
        cell("another status", &[client::Act::Get], answers(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy".to_vec()), &["response: 503"]).verb_at(head(Edge::Before), Upstream::Status { status: 503 }, well()),
        cell("an answer that begins late", &read, Peer::listening(&[Step::ReadHead, Step::Pause(20 * PAUSE), Step::Send(whole.clone())]), &["response: 200", "body: \"data: one\\n\\ndata: two\\n\\ndata: [DONE]\\n\\n\" then the end"]).verb_at(head(Edge::Before), Upstream::SlowHead { by: 20 * PAUSE }, well()),
        cell("a hop that keeps the answer until it is whole", &read, Peer::listening(&[Step::ReadHead, Step::Pause(20 * PAUSE), Step::Send(whole.clone())]), &["response: 200", "body: \"data: one\\n\\ndata: two\\n\\ndata: [DONE]\\n\\n\" then the end"]).verb_at(Trigger::Connect, Buffer { bytes: 65536, flush_after: None, direction: Some(Direction::ToClient), lasting: None }, well()),
        cell("a stream without [DONE]", &read, answers(events(&["one", "two"])), &["response: 200", "body: \"data: one\\n\\ndata: two\\n\\n\" then the end"]).verb_at(head(Edge::After), Upstream::MissingDone, well()),
        cell("an error's event in the stream", &read, answers(events(&[
                "one",
                "{\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":null}}",
            ])), &[
                "response: 200",
                "body: \"data: one\\n\\ndata: {\\\"error\\\":{\\\"message\\\":\\\"overloaded\\\",\\\"type\\\":\\\"server_error\\\",\\\"param\\\":null,\\\"code\\\":null}}\\n\\n\" then the end",
            ]).verb_at(first, Upstream::ErrorEvent { message: "overloaded".to_owned() }, well()),
    ]
}

/// Names that lead elsewhere, or nowhere.
fn lookups() -> Vec<Cell> {
    let asks = Client::pooled(&[client::Act::Strike, client::Act::Get]);
    let resolver = "a peer does not answer for the resolver";
    vec![
        Cell::new(
            NO_ROW,
            "the name leads to a machine without a listener",
            asks.clone(),
            Peer::absent(),
            &["response: Err(Connect, ConnectionRefused)"],
        )
        // Without the fault the observer would wait: this peer accepts no connection.
        .verb(LookupMoves { to: "observer".into(), lasting: None }, Peer::full()),
        Cell::new(NO_ROW, "there is no such name", asks, Peer::absent(), &["response: Err(Connect, Uncategorized)"])
            .only_by_verb(resolver)
            .not_on_linux("what the resolver of a test's machine answers is not the test's")
            .verb(LookupFails { kind: LookupError::NoSuchName, lasting: None }, Peer::full()),
    ]
}

/// Ends of the observer's own, and of its peer's.
fn calls() -> Vec<Cell> {
    let gone = Peer::listening(&[Step::Upgrade, Step::Strike, Step::Close]);
    let well = Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike]);
    let no_call = "no peer can make a local call fail; what the simulation returns is what the call documents";
    let kind = IoErrorKind::ConnectionReset;
    let fails = IoError { call: StreamCall::Write, kind, nth: 1, side: Side::Client, lasting: None };
    vec![
        Cell::new(
            NO_ROW,
            "the peer is told to stop, and starts again",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next]),
            gone,
            &["next: Err(Protocol(ResetWithoutClosingHandshake))", "next: None"],
        )
        .verb(Restart { pause: Duration::from_secs(30) }, well.clone()),
        Cell::new(
            NO_ROW,
            "the wall clock of the peer's machine is set; its connections do not know",
            WebSocket::client(&[Act::Strike, Act::Send("one"), Act::NextNever]),
            well.clone(),
            &["send: Ok", "next: pending"],
        )
        .only_by_verb("a peer does not set its machine's clock")
        .not_on_linux("a test would have to set its machine's clock")
        .verb(ClockJump::Forward(Duration::from_secs(3600)), well.clone()),
        Cell::new(
            NO_ROW,
            "the observer's own write fails",
            WebSocket::client(&[Act::Strike, Act::Send("one"), Act::Send("two"), Act::NextNever]),
            well.clone(),
            &["send: Err(Io(ConnectionReset))", "send: Ok", "next: pending"],
        )
        .only_by_verb(no_call)
        .not_on_linux(no_call)
        .verb(fails, well),
        Cell::new(
            NO_ROW,
            "the client's machine dies while an event stream is idle",
            Server::new(Handler::Events, &[server::Act::Asked, server::Act::Strike, server::Act::ConnectionNever]),
            Peer::dialling(&[Step::Send(crate::frames::request("")), Step::ReadAll, Step::Strike, Step::Deafen]),
            &["connection: pending"],
        )
        .only_by_verb("a peer's socket calls lose no packets; a plan does")
        .verb(
            PowerLoss { restart_after: None },
            Peer::dialling(&[Step::Send(crate::frames::request("")), Step::ReadAll, Step::Strike]),
        ),
    ]
}
