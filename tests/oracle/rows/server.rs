//! A hyper server whose client misbehaves, or whose handler does, H1 to H13.

use std::time::Duration;

use halfopen::fault::{Crash, Drop, Edge, Ends, HalfClose, HalfOpen, HalfOpenKind, Reset, Trigger};
use halfopen::name::{Direction, Side};

use crate::cell::Cell;
use crate::frames::request;
use crate::peer::{Peer, Step};
use crate::server::{Act, Handler, Server};

use super::turmoil_net::{CLOSED_IS_SILENT, SMALL_BUFFERS};

const RESET: Reset = Reset { to: Ends::Both };
const DROP: Drop = Drop { to: Ends::Both };
const HALF_CLOSE: HalfClose = HalfClose { by: Side::Client };
/// Of what is waited for on Linux's clock.
const HEADER_TIMEOUT: Duration = Duration::from_millis(100);

const CUT_STREAM: &str = "peer: read HTTP/1.1 200 OK|transfer-encoding: chunked||D|data: event\n\n| then eof";

pub(super) fn cells() -> Vec<Cell> {
    [noticed(), unnoticed(), own()].concat()
}

/// Asks, and then does as told.
fn asks(then: &[Step]) -> Peer {
    Peer::dialling(&[&[Step::Send(request("")), Step::ReadAll, Step::Strike], then].concat())
}

fn noticed() -> Vec<Cell> {
    let acts = [Act::Asked, Act::Strike, Act::Connection];
    let waits = Server::new(Handler::Waits, &acts);
    let events = Server::new(Handler::Events, &acts);
    let fin = |what| [what, "connection: Err(IncompleteMessage)"];
    let rst = |what| [what, "connection: Err(Io(ConnectionReset))"];
    vec![
        Cell::new(
            "H1",
            "FIN while the handler is at work",
            waits.clone(),
            asks(&[Step::Close]),
            &fin("handler: dropped"),
        )
        .verb(DROP, asks(&[])),
        Cell::new("H1", "the client's process dies", waits.clone(), asks(&[Step::Close]), &fin("handler: dropped"))
            .verb(Crash { restart_after: None }, asks(&[])),
        Cell::new("H2", "RST while the handler is at work", waits, asks(&[Step::Reset]), &rst("handler: dropped"))
            .verb(RESET, asks(&[])),
        Cell::new(
            "H3",
            "FIN while an event stream is idle",
            events.clone(),
            asks(&[Step::Close]),
            &fin("body: dropped"),
        )
        .verb(DROP, asks(&[])),
        Cell::new("H3", "RST while an event stream is idle", events, asks(&[Step::Reset]), &rst("body: dropped"))
            .verb(RESET, asks(&[])),
        Cell::new(
            "H4",
            "half-close of the client",
            Server::new(Handler::Events, &[Act::Asked, Act::Strike, Act::Connection, Act::Strike]),
            asks(&[Step::Finish, Step::Strike, Step::SayRead]),
            &["body: dropped", "connection: Err(IncompleteMessage)", CUT_STREAM],
        )
        .verb(HALF_CLOSE, asks(&[Step::Strike, Step::SayRead])),
        Cell::new(
            "H4",
            "half-close of the client, and the server allows it",
            Server::new(Handler::Waits, &[Act::Asked, Act::Strike, Act::Release, Act::Connection, Act::Strike])
                .with_half_close(),
            asks(&[Step::Finish, Step::Strike, Step::SayRead]),
            &["handler: done", "connection: Ok", "peer: read HTTP/1.1 200 OK|content-length: 4||done then eof"],
        )
        .verb(HALF_CLOSE, asks(&[Step::Strike, Step::SayRead])),
    ]
}

fn unnoticed() -> Vec<Cell> {
    let late = [Act::Asked, Act::Strike, Act::ConnectionNever, Act::Release, Act::Connection];
    let later = [Act::Asked, Act::Strike, Act::ConnectionNever, Act::Release, Act::Release, Act::Connection];
    let more = Peer::dialling(&[
        Step::Send([request(""), request("")[..9].to_vec()].concat()),
        Step::ReadAll,
        Step::Strike,
        Step::Close,
    ]);
    let part = [request("content-length: 10\r\n"), b"begin".to_vec()].concat();
    vec![
        Cell::new(
            "H5",
            "FIN while the handler is at work, and the server allows half-close",
            Server::new(Handler::Waits, &late).with_half_close(),
            asks(&[Step::Close]),
            &["connection: pending", "handler: done", "connection: Ok"],
        ),
        Cell::new(
            "H5",
            "RST while the handler is at work, and the server allows half-close",
            Server::new(Handler::Waits, &late).with_half_close(),
            asks(&[Step::Reset]),
            &["connection: pending", "handler: done", "connection: Err(BodyWrite(ConnectionReset))"],
        ),
        Cell::new(
            "H5",
            "FIN while an event stream is idle, and the server allows half-close",
            Server::new(Handler::Events, &later).with_half_close(),
            asks(&[Step::Close]),
            &["connection: pending", "body: dropped", "connection: Err(BodyWrite(BrokenPipe))"],
        )
        .turmoil_sees(&["connection: pending", "connection: pending"], CLOSED_IS_SILENT),
        Cell::new(
            "H6",
            "the beginning of another request, then FIN",
            Server::new(Handler::Waits, &late),
            more,
            &["connection: pending", "handler: done", "connection: Err(IncompleteMessage)"],
        ),
        Cell::new(
            "H7",
            "FIN while the handler holds half a body unread",
            Server::new(Handler::HoldsBody, &late),
            Peer::dialling(&[Step::Send(part), Step::ReadAll, Step::Strike, Step::Close]),
            &["connection: pending", "handler: done", "connection: Ok"],
        ),
        Cell::new(
            "H8",
            "the client does not read, then closes",
            Server::new(Handler::Large, &[Act::Asked, Act::Stuffed, Act::Strike, Act::Connection]),
            Peer::dialling(&[Step::Send(request("")), Step::Strike, Step::Close]),
            &[
                "body: some megabytes, then no longer asked for",
                "body: dropped",
                "connection: Err(Io(ConnectionReset))",
            ],
        )
        .turmoil_sees(
            &[
                "body: less than a megabyte, then no longer asked for",
                "body: dropped",
                "connection: Err(Io(ConnectionReset))",
            ],
            SMALL_BUFFERS,
        ),
        Cell::new(
            "H8",
            "the client does not read",
            Server::new(Handler::Large, &[Act::Asked, Act::Stuffed, Act::ConnectionNever]),
            Peer::dialling(&[Step::Send(request(""))]),
            &["body: some megabytes, then no longer asked for", "connection: pending"],
        )
        .turmoil_sees(&["body: less than a megabyte, then no longer asked for", "connection: pending"], SMALL_BUFFERS)
        .verb_at(
            Trigger::HttpHead { n: 1, direction: Direction::ToServer, edge: Edge::After },
            HalfOpen { kind: HalfOpenKind::Stall, direction: Some(Direction::ToClient), heal_after: None },
            Peer::dialling(&[Step::Send(request("")), Step::ReadAll]),
        ),
    ]
}

/// What the server itself does wrong, and how it ends connections.
fn own() -> Vec<Cell> {
    let ends = [Act::Connection, Act::Strike];
    let reads =
        |bytes: &[u8]| Peer::dialling(&[Step::Send(bytes.to_vec()), Step::ReadAll, Step::Strike, Step::SayRead]);
    vec![
        Cell::new(
            "H9",
            "the body fails after its first piece",
            Server::new(Handler::FailingBody, &[Act::Asked, Act::Settle, Act::Release, Act::Connection, Act::Strike]),
            reads(&request("")),
            &["body: dropped", "connection: Err(User(Body))", CUT_STREAM],
        ),
        Cell::new(
            "H10",
            "the handler panics",
            Server::new(Handler::Panics, &ends),
            reads(&request("")),
            &["connection: panicked", "peer: read nothing then eof"],
        ),
        Cell::new(
            "H11",
            "half a head, with header_read_timeout and a timer",
            Server::new(Handler::Waits, &ends).with_header_read_timeout(HEADER_TIMEOUT),
            reads(b"GET / HTT"),
            &["connection: Err(HeaderTimeout)", "peer: read nothing then eof"],
        ),
        Cell::new(
            "H11",
            "half a head, without a timer",
            Server::new(Handler::Waits, &[Act::ConnectionNever]),
            Peer::dialling(&[Step::Send(b"GET / HTT".to_vec())]),
            &["connection: pending"],
        ),
        Cell::new(
            "H12",
            "garbage",
            Server::new(Handler::Waits, &ends),
            reads(b"\x16\x03\x01\x00\xA5\x01\r\n\r\n"),
            &[
                "connection: Err(Parse(Method))",
                "peer: read HTTP/1.1 400 Bad Request|connection: close|content-length: 0|| then eof",
            ],
        ),
        Cell::new(
            "H13",
            "a graceful shutdown while an event stream is open",
            Server::new(Handler::Events, &[Act::Asked, Act::Shutdown, Act::ConnectionNever]),
            Peer::dialling(&[Step::Send(request("")), Step::ReadAll]),
            &["connection: pending"],
        ),
    ]
}
