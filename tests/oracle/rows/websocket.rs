//! A WebSocket endpoint whose connection ends, W1 to W9, W12 to W14, W22, W25 to W27.

use halfopen::fault::{
    AcceptThenReset, Close, ConnectError, ConnectHang, Crash, Cut, CutEnding, Drop, Edge, Ends, HandshakeStall,
    IoErrorKind, Refuse, Reset, Trigger,
};
use halfopen::name::Direction;

use crate::cell::Cell;
use crate::frames::{close, close_with, masked_close, ping, text};
use crate::peer::{Peer, Step, switching};
use crate::websocket::{Act, WebSocket};

use super::turmoil_net::{CLOSED_IS_SILENT, RESET_DESTROYS, RESET_STAYS};

const RESET: Reset = Reset { to: Ends::Both };
const DROP: Drop = Drop { to: Ends::Both };

pub(super) fn cells() -> Vec<Cell> {
    [abrupt(), closing(), opening()].concat()
}

/// Upgraded, and well.
fn well() -> Peer {
    Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike])
}

fn abrupt() -> Vec<Cell> {
    let unread = [
        Step::Upgrade,
        Step::Strike,
        Step::Send(text("one")),
        Step::Send(text("two")),
        Step::Send(close(1000)),
        Step::Close,
    ];
    let read_three = [Act::Send("unread"), Act::Settle, Act::Strike, Act::Next, Act::Next, Act::Next, Act::Next];
    vec![
        Cell::new(
            "W1",
            "RST while idle; the observer reads first",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next, Act::Send("late")]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Reset]),
            &["next: Err(Io(ConnectionReset))", "next: None", "send: Err(Io(BrokenPipe))"],
        )
        .turmoil_sees(&["next: Err(Io(ConnectionReset))", "next: None", "send: Err(Io(ConnectionReset))"], RESET_STAYS)
        .verb(RESET, well()),
        Cell::new(
            "W2",
            "RST while idle; the observer writes first",
            WebSocket::client(&[Act::Strike, Act::Send("one"), Act::Send("two"), Act::Next, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Reset]),
            &[
                "send: Err(Io(ConnectionReset))",
                "send: Err(Io(BrokenPipe))",
                "next: Err(Protocol(ResetWithoutClosingHandshake))",
                "next: None",
            ],
        )
        .turmoil_sees(
            &[
                "send: Err(Io(ConnectionReset))",
                "send: Err(Io(ConnectionReset))",
                "next: Err(Io(ConnectionReset))",
                "next: None",
            ],
            RESET_STAYS,
        )
        .verb(RESET, well()),
        Cell::new(
            "W3",
            "FIN without a Close frame; the observer reads first",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next, Act::Send("late"), Act::Flush]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Close]),
            &[
                "next: Err(Protocol(ResetWithoutClosingHandshake))",
                "next: None",
                "send: Err(AlreadyClosed)",
                "flush: Ok",
            ],
        )
        .verb(DROP, well()),
        Cell::new(
            "W3",
            "the peer's process dies, all it was sent read",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Close]),
            &["next: Err(Protocol(ResetWithoutClosingHandshake))", "next: None"],
        )
        .verb(Crash { restart_after: None }, well()),
        Cell::new(
            "W4",
            "FIN without a Close frame; the observer writes first",
            WebSocket::client(&[Act::Strike, Act::Send("lost"), Act::Settle, Act::Send("late")]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Close]),
            &["send: Ok", "send: Err(Io(BrokenPipe))"],
        )
        .turmoil_sees(&["send: Ok", "send: Ok"], CLOSED_IS_SILENT)
        .verb(DROP, well()),
        Cell::new(
            "W5",
            "half-close: FIN, and the peer still reads",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next, Act::Send("late")]),
            Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike, Step::Finish]),
            &["next: Err(Protocol(ResetWithoutClosingHandshake))", "next: None", "send: Err(AlreadyClosed)"],
        ),
        Cell::new(
            "W6",
            "FIN in the middle of a frame",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Send(text("whole")[..4].to_vec()), Step::Close]),
            &["next: Err(Protocol(ResetWithoutClosingHandshake))", "next: None"],
        )
        .verb_at(
            message(1, Edge::Inside(4)),
            Cut { ending: CutEnding::Fin },
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Send(text("whole"))]),
        ),
        Cell::new(
            "W22",
            "closed with unread input behind two texts and a Close frame, with TCP_NODELAY",
            WebSocket::client(&read_three),
            Peer::listening(&unread),
            &["send: Ok", "next: \"one\"", "next: \"two\"", "next: close 1000", "next: Err(Io(ConnectionReset))"],
        )
        .turmoil_sees(
            &["send: Ok", "next: Err(Io(ConnectionReset))", "next: None", "next: None", "next: None"],
            RESET_DESTROYS,
        ),
        Cell::new(
            "W22",
            "the same without TCP_NODELAY",
            WebSocket::client(&read_three),
            Peer::listening(&[&[Step::Nagle], &unread[..]].concat()),
            &["send: Ok", "next: \"one\"", "next: Err(Io(ConnectionReset))", "next: None", "next: None"],
        )
        .turmoil_sees(
            &["send: Ok", "next: Err(Io(ConnectionReset))", "next: None", "next: None", "next: None"],
            RESET_DESTROYS,
        ),
    ]
}

fn closing() -> Vec<Cell> {
    vec![
        Cell::new(
            "W7",
            "Close 1000, the observer is the client",
            WebSocket::client(&[Act::Strike, Act::Next, Act::NextNever, Act::Send("late"), Act::Strike, Act::Next]),
            Peer::listening(&[
                Step::Upgrade,
                Step::ReadAll,
                Step::Strike,
                Step::Send(close(1000)),
                Step::Strike,
                Step::SayMessages,
                Step::Close,
            ]),
            &[
                "next: close 1000",
                "next: pending",
                "send: Err(Protocol(SendAfterClosing))",
                "peer: heard close 1000",
                "next: None",
            ],
        ),
        Cell::new(
            "W7",
            "Close 1000 and FIN, the observer is the client",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next, Act::Send("late")]),
            Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike, Step::Send(close(1000)), Step::Finish]),
            &["next: close 1000", "next: None", "send: Err(AlreadyClosed)"],
        )
        .verb(Close { code: Some(1000), reason: String::new(), to: Ends::Both }, well()),
        Cell::new(
            "W8",
            "Close 1000, the observer is the server",
            WebSocket::server(&[Act::Strike, Act::Next, Act::Next, Act::Send("late"), Act::Strike]),
            Peer::dialling(&[
                Step::Upgrade,
                Step::ReadAll,
                Step::Strike,
                Step::Send(masked_close(1000)),
                Step::Strike,
                Step::SayMessages,
            ]),
            &["next: close 1000", "next: None", "send: Err(AlreadyClosed)", "peer: heard close 1000"],
        )
        .verb(
            Close { code: Some(1000), reason: String::new(), to: Ends::Both },
            Peer::dialling(&[Step::Upgrade, Step::ReadAll, Step::Strike, Step::Strike, Step::SayMessages]),
        ),
        Cell::new(
            "W9",
            "a Close frame without a payload",
            WebSocket::client(&[Act::Strike, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Send(close_with(b""))]),
            &["next: close without a code"],
        )
        .verb(Close { code: None, reason: String::new(), to: Ends::Both }, well()),
        Cell::new(
            "W12",
            "a text behind the Close frame",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Send([close(1000), text("after")].concat())]),
            &["next: close 1000", "next: Err(Protocol(ReceivedAfterClosing))"],
        ),
        Cell::new(
            "W13",
            "the observer has closed, and the peer is silent",
            WebSocket::client(&[Act::Close, Act::NextNever, Act::Send("late")]),
            Peer::listening(&[Step::Upgrade]),
            &["close: Ok", "next: pending", "send: Err(Protocol(SendAfterClosing))"],
        ),
        Cell::new(
            "W14",
            "the observer has closed; the peer reads that and sends FIN without an answer",
            WebSocket::client(&[Act::Close, Act::Settle, Act::Strike, Act::Next, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike, Step::SayMessages, Step::Close]),
            &["close: Ok", "peer: heard close 1000", "next: Err(Protocol(ResetWithoutClosingHandshake))", "next: None"],
        ),
        Cell::new(
            "W14",
            "the observer has closed; the peer closes without having read that",
            WebSocket::client(&[Act::Close, Act::Settle, Act::Strike, Act::Next, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Close]),
            &["close: Ok", "next: Err(Io(ConnectionReset))", "next: None"],
        ),
        Cell::new(
            "W27",
            "a Ping; the observer polls only later",
            WebSocket::client(&[Act::Strike, Act::Strike, Act::Next, Act::NextNever, Act::Strike]),
            Peer::listening(&[
                Step::Upgrade,
                Step::ReadAll,
                Step::Strike,
                Step::Send(ping()),
                Step::Strike,
                Step::SayMessages,
                Step::Strike,
                Step::SayMessages,
            ]),
            &["peer: heard nothing", "next: ping", "next: pending", "peer: heard pong"],
        ),
    ]
}

fn opening() -> Vec<Cell> {
    let half = b"HTTP/1.1 101 Swi".to_vec();
    let busy = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy".to_vec();
    let other = switching("bm90IHdoYXQgd2FzIGFza2VkIGZvcg==", "").into_bytes();
    vec![
        Cell::new(
            "W25",
            "FIN before the handshake's answer",
            WebSocket::client(&[]),
            Peer::listening(&[Step::ReadHead, Step::Close]),
            &["handshake: Err(Protocol(HandshakeIncomplete))"],
        )
        .verb_at(response_head(Edge::Before), DROP, Peer::listening(&[Step::Upgrade])),
        Cell::new(
            "W25",
            "FIN in the middle of the handshake's answer",
            WebSocket::client(&[]),
            Peer::listening(&[Step::ReadHead, Step::Send(half.clone()), Step::Close]),
            &["handshake: Err(Protocol(HandshakeIncomplete))"],
        )
        .verb_at(
            response_head(Edge::Inside(half.len() as u64)),
            Cut { ending: CutEnding::Fin },
            Peer::listening(&[Step::Upgrade]),
        ),
        Cell::new(
            "W26",
            "another status than 101",
            WebSocket::client(&[]),
            Peer::listening(&[Step::ReadHead, Step::Send(busy)]),
            &["handshake: Err(Http(503 with 4 bytes))"],
        ),
        Cell::new("W26", "no listener", WebSocket::client(&[]), Peer::absent(), &["connect: Err(ConnectionRefused)"])
            .verb_at(Trigger::Connect, Refuse { lasting: None }, Peer::listening(&[Step::Upgrade])),
        Cell::new(
            "W26",
            "the observer's machine has no network",
            WebSocket::client(&[]),
            Peer::absent(),
            &["connect: Err(NetworkUnreachable)"],
        )
        .only_by_verb("a peer does not take the observer's network away")
        .not_on_linux("a test would have to take its machine's network away")
        .verb_at(
            Trigger::Connect,
            ConnectError { kind: IoErrorKind::NetworkUnreachable, nth: 1, lasting: None },
            Peer::listening(&[Step::Upgrade]),
        ),
        Cell::new(
            "W26",
            "the answer to another key",
            WebSocket::client(&[]),
            Peer::listening(&[Step::ReadHead, Step::Send(other)]),
            &["handshake: Err(Protocol(SecWebSocketAcceptKeyMismatch))"],
        ),
        Cell::new(
            "W26",
            "no answer",
            WebSocket::client(&[]).in_vain(),
            Peer::listening(&[Step::ReadHead]),
            &["handshake: pending"],
        )
        .verb_at(Trigger::Connect, HandshakeStall { lasting: None }, Peer::listening(&[Step::Upgrade])),
        Cell::new(
            "W26",
            "the listener's backlog is full",
            WebSocket::client(&[]).in_vain(),
            Peer::full(),
            &["connect: pending"],
        )
        .verb_at(Trigger::Connect, ConnectHang { lasting: None }, Peer::listening(&[Step::Upgrade])),
        Cell::new(
            "W26",
            "RST as soon as the connection is established",
            WebSocket::client(&[]),
            Peer::listening(&[Step::ReadHead, Step::Reset]),
            &["handshake: Err(Io(ConnectionReset))"],
        )
        .verb_at(Trigger::Connect, AcceptThenReset { lasting: None }, Peer::listening(&[Step::Upgrade])),
    ]
}

fn message(n: u32, edge: Edge) -> Trigger {
    Trigger::message(n, Direction::ToClient, edge)
}

fn response_head(edge: Edge) -> Trigger {
    Trigger::HttpHead { n: 1, direction: Direction::ToClient, edge }
}
