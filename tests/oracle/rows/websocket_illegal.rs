//! A WebSocket endpoint that receives illegal frames: W10, W11, W23 and W24.

use halfopen::fault::{Ends, Illegal, IllegalKind};

use crate::cell::Cell;
use crate::frames::{close, close_with, frame, masked, text};
use crate::peer::{Peer, Step};
use crate::websocket::{Act, WebSocket};

pub(super) fn cells() -> Vec<Cell> {
    [codes(), frames(), vec![extension()]].concat()
}

/// What each code of a Close frame becomes.
fn codes() -> Vec<Cell> {
    let code = |code: u16, fault, sees: &[&'static str]| {
        let acts = [Act::Strike, Act::Next, Act::NextNever, Act::Strike];
        let steps =
            [Step::Upgrade, Step::ReadAll, Step::Strike, Step::Send(close(code)), Step::Strike, Step::SayMessages];
        let cell = Cell::new("W10", fault, WebSocket::client(&acts), Peer::listening(&steps), sees);
        let well = Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike, Step::Strike, Step::SayMessages]);
        match code {
            1005 => cell.verb(illegal(IllegalKind::Close1005, Ends::Client), well),
            1006 => cell.verb(illegal(IllegalKind::Close1006, Ends::Client), well),
            _ => cell,
        }
    };
    let violation = &["next: close 1002 \"Protocol violation\"", "next: pending", "peer: heard close 1002"];
    vec![
        code(0, "Close 0", violation),
        code(999, "Close 999", violation),
        code(1004, "Close 1004", violation),
        code(1005, "Close 1005", violation),
        code(1006, "Close 1006", violation),
        code(1014, "Close 1014", violation),
        code(1015, "Close 1015", violation),
        code(1016, "Close 1016", violation),
        code(2999, "Close 2999", violation),
        code(5000, "Close 5000", violation),
        code(3000, "Close 3000, which is legal", &["next: close 3000", "next: pending", "peer: heard close 3000"]),
        code(4999, "Close 4999, which is legal", &["next: close 4999", "next: pending", "peer: heard close 4999"]),
    ]
}

/// Broken frames: the reader ends, the writer goes on.
fn frames() -> Vec<Cell> {
    let acts = [Act::Strike, Act::Next, Act::Next, Act::Send("still"), Act::Strike];
    let steps =
        |bytes| [Step::Upgrade, Step::ReadAll, Step::Strike, Step::Send(bytes), Step::Strike, Step::SayMessages];
    let well = [Step::Upgrade, Step::ReadAll, Step::Strike, Step::Strike, Step::SayMessages];
    let to_client = |row, fault, bytes, kind, error| {
        Cell::new(
            row,
            fault,
            WebSocket::client(&acts),
            Peer::listening(&steps(bytes)),
            &[error, "next: None", "send: Ok", "peer: heard still"],
        )
        .verb(illegal(kind, Ends::Client), Peer::listening(&well))
    };
    let to_server = |row, fault, bytes, kind, error| {
        Cell::new(
            row,
            fault,
            WebSocket::server(&acts),
            Peer::dialling(&steps(bytes)),
            &[error, "next: None", "send: Ok", "peer: heard still"],
        )
        .verb(illegal(kind, Ends::Server), Peer::dialling(&well))
    };
    vec![
        to_client(
            "W11",
            "a Close frame with half a code",
            close_with(&[0x03]),
            IllegalKind::HalfCloseCode,
            "next: Err(Protocol(InvalidCloseSequence))",
        ),
        to_client(
            "W23",
            "a text that is not UTF-8",
            frame(0x81, b"\xC3\x28"),
            IllegalKind::InvalidUtf8,
            "next: Err(Utf8)",
        ),
        to_server(
            "W23",
            "a client's frame without a mask",
            text("bare"),
            IllegalKind::WrongMask,
            "next: Err(Protocol(UnmaskedFrameFromClient))",
        ),
        to_client(
            "W23",
            "a server's frame with a mask",
            masked(0x81, b"masked"),
            IllegalKind::WrongMask,
            "next: Err(Protocol(MaskedFrameFromServer))",
        ),
        to_client(
            "W23",
            "a frame that announces 2^63 - 1 bytes",
            [&[0x82, 127], &i64::MAX.to_be_bytes()[..]].concat(),
            IllegalKind::HugeLength,
            "next: Err(Capacity(MessageTooLong))",
        ),
        to_client(
            "W23",
            "a reserved bit",
            frame(0xC1, b"reserved"),
            IllegalKind::ReservedBit,
            "next: Err(Protocol(NonZeroReservedBits))",
        ),
        to_client(
            "W23",
            "a reserved opcode",
            frame(0x83, b"reserved"),
            IllegalKind::ReservedOpcode,
            "next: Err(Protocol(InvalidOpcode))",
        ),
        to_client(
            "W23",
            "a Ping of 126 bytes",
            [&[0x89, 126, 0, 126], &[b'.'; 126][..]].concat(),
            IllegalKind::OversizeControl,
            "next: Err(Protocol(ControlFrameTooBig))",
        ),
        to_client(
            "W23",
            "a Ping in fragments",
            frame(0x09, b"part"),
            IllegalKind::FragmentedControl,
            "next: Err(Protocol(FragmentedControlFrame))",
        ),
    ]
}

fn extension() -> Cell {
    Cell::new(
        "W24",
        "the server accepts permessage-deflate, which was not offered, and compresses",
        WebSocket::client(&[Act::Strike, Act::Next]),
        Peer::listening(&[
            Step::UpgradeWith("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            Step::Strike,
            Step::Send(frame(0xC1, b"\xCA\x48\xCD\xC9\xC9\x07\x00")),
        ]),
        &["next: Err(Protocol(NonZeroReservedBits))"],
    )
}

fn illegal(kind: IllegalKind, to: Ends) -> Illegal {
    Illegal { kind, to }
}
