//! A hyper client whose server ends too early or says too much, C1 to C13.

use halfopen::fault::{Cut, CutEnding, Drop, Edge, Ends, Reset, Trigger};
use halfopen::name::Direction;

use crate::cell::Cell;
use crate::client::{Act, Client};
use crate::frames::{chunked, sized, until_close};
use crate::peer::{Peer, Step};

use super::turmoil_net::RESET_DESTROYS;

pub(super) fn cells() -> Vec<Cell> {
    [heads(), bodies(), reuse()].concat()
}

const READ: [Act; 2] = [Act::Get, Act::Body];

/// Answers with these bytes, and then does as told.
fn answers(bytes: &[u8], then: &[Step]) -> Peer {
    Peer::listening(&[&[Step::ReadHead, Step::Send(bytes.to_vec())], then].concat())
}

fn heads() -> Vec<Cell> {
    let whole = answers(&sized(5, "hello"), &[]);
    let part = b"HTTP/1.1 200";
    vec![
        Cell::new(
            "C1",
            "FIN before the answer",
            Client::new(&[Act::Get]),
            Peer::listening(&[Step::ReadHead, Step::Close]),
            &["response: Err(IncompleteMessage)"],
        )
        .verb_at(response_head(Edge::Before), Drop { to: Ends::Both }, whole.clone()),
        Cell::new(
            "C1",
            "FIN in the middle of the answer's head",
            Client::new(&[Act::Get]),
            answers(part, &[Step::Close]),
            &["response: Err(IncompleteMessage)"],
        )
        .verb_at(response_head(Edge::Inside(part.len() as u64)), cut(CutEnding::Fin), whole.clone()),
        Cell::new(
            "C2",
            "RST before the answer",
            Client::new(&[Act::Get]),
            Peer::listening(&[Step::ReadHead, Step::Reset]),
            &["response: Err(Io(ConnectionReset))"],
        )
        .verb_at(response_head(Edge::Before), Reset { to: Ends::Both }, whole),
    ]
}

fn bodies() -> Vec<Cell> {
    let ended = |fault, row, bytes: &[u8], end: Step, whole: &[u8], sees: &[&'static str]| {
        let ending = if matches!(end, Step::Reset) { CutEnding::Rst } else { CutEnding::Fin };
        let cell = Cell::new(row, fault, Client::new(&READ), answers(bytes, &[end]), sees).verb_at(
            Trigger::Bytes { n: bytes.len() as u64, direction: Direction::ToClient },
            cut(ending),
            answers(whole, &[]),
        );
        match ending {
            CutEnding::Rst => cell.turmoil_sees(&["response: Err(Io(ConnectionReset))"], RESET_DESTROYS),
            CutEnding::Fin | CutEnding::Silence => cell,
        }
    };
    let two = chunked("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n");
    let eof = &["response: 200", "body: \"hello\" then Err(Body(UnexpectedEof))"];
    vec![
        ended(
            "a body of known length cut by FIN",
            "C3",
            &sized(10, "hello"),
            Step::Close,
            &sized(10, "helloworld"),
            eof,
        ),
        ended("chunks cut by FIN between two", "C4", &chunked("5\r\nhello\r\n"), Step::Close, &two, eof),
        ended("chunks cut by FIN in a size line", "C4", &chunked("5\r\nhello\r\n5"), Step::Close, &two, eof),
        ended(
            "chunks cut by FIN behind the last size line",
            "C4",
            &chunked("5\r\nhello\r\n0\r\n"),
            Step::Close,
            &chunked("5\r\nhello\r\n0\r\n\r\n"),
            eof,
        ),
        ended(
            "chunks cut by FIN inside one",
            "C5",
            &chunked("5\r\nhello\r\n5\r\nwo"),
            Step::Close,
            &two,
            &["response: 200", "body: \"hellowo\" then Err(Body(UnexpectedEof))"],
        ),
        ended(
            "chunks cut by RST inside one",
            "C6",
            &chunked("5\r\nhello\r\n5\r\nwo"),
            Step::Reset,
            &two,
            &["response: 200", "body: \"hellowo\" then Err(Body(ConnectionReset))"],
        ),
        ended(
            "a body of known length cut by RST",
            "C6",
            &sized(10, "hello"),
            Step::Reset,
            &sized(10, "helloworld"),
            &["response: 200", "body: \"hello\" then Err(Body(ConnectionReset))"],
        ),
        ended(
            "a body that ends with its connection cut by FIN",
            "C7",
            &until_close("hello"),
            Step::Close,
            &until_close("helloworld"),
            &["response: 200", "body: \"hello\" then the end"],
        ),
        ended(
            "a body that ends with its connection cut by RST",
            "C7",
            &until_close("hello"),
            Step::Reset,
            &until_close("helloworld"),
            &["response: 200", "body: \"hello\" then Err(Body(ConnectionReset))"],
        ),
        Cell::new(
            "C8",
            "a chunk size that is none",
            Client::new(&READ),
            answers(&chunked("zz\r\n"), &[]),
            &["response: 200", "body: \"\" then Err(Body(InvalidInput))"],
        ),
        Cell::new(
            "C9",
            "bytes behind a body of known length",
            Client::new(&[Act::Get, Act::Body, Act::Connection]),
            answers(&sized(5, "hello and more"), &[]),
            &["response: 200", "body: \"hello\" then the end", "connection: Err(UnexpectedMessage)"],
        ),
    ]
}

fn reuse() -> Vec<Cell> {
    let once = [Step::ReadHead, Step::Send(sized(5, "hello"))];
    let again = Peer::listening(&[&once[..], &[Step::Strike, Step::Close, Step::Accept], &once[..]].concat());
    let reads = |bytes: &[u8]| answers(bytes, &[Step::ReadAll, Step::Strike, Step::SayRead]);
    let twice = ["response: 200", "body: \"hello\" then the end", "response: 200", "body: \"hello\" then the end"];
    let mut cells = vec![
        Cell::new(
            "C10",
            "a pooled connection is closed while it is idle, then GET",
            Client::pooled(&[Act::Get, Act::Body, Act::Strike, Act::Get, Act::Body]),
            again.clone(),
            &twice,
        ),
        Cell::new(
            "C10",
            "a pooled connection is closed while it is idle, then POST",
            Client::pooled(&[Act::Get, Act::Body, Act::Strike, Act::Post, Act::Body]),
            again,
            &twice,
        ),
    ];
    cells.extend([
        Cell::new(
            "C11",
            "a pooled connection is closed as the next request arrives",
            Client::pooled(&[Act::Get, Act::Body, Act::Get]),
            Peer::listening(&[&once[..], &[Step::ReadHead, Step::Close]].concat()),
            &["response: 200", "body: \"hello\" then the end", "response: Err(SendRequest, IncompleteMessage)"],
        ),
        Cell::new(
            "C12",
            "the response is dropped, its body here but unread",
            Client::new(&[Act::Get, Act::DropResponse, Act::ConnectionNever, Act::Strike]),
            reads(&sized(5, "hello")),
            &["response: 200", "connection: pending", "peer: read nothing then open"],
        ),
        Cell::new(
            "C12",
            "the response is dropped, its body not all here",
            Client::new(&[Act::Get, Act::DropResponse, Act::Connection, Act::Strike]),
            reads(&sized(100, "hello")),
            &["response: 200", "connection: Ok", "peer: read nothing then eof"],
        ),
        Cell::new(
            "C13",
            "a body is dropped in the middle of its stream",
            Client::new(&[Act::Get, Act::DropResponse, Act::Connection, Act::Strike]),
            reads(&chunked("5\r\nhello\r\n")),
            &["response: 200", "connection: Ok", "peer: read nothing then eof"],
        ),
        Cell::new(
            "C13",
            "a request is dropped that has no answer yet",
            Client::new(&[Act::GetNever, Act::Connection, Act::Strike]),
            Peer::listening(&[Step::ReadHead, Step::ReadAll, Step::Strike, Step::SayRead]),
            &["response: pending", "connection: Ok", "peer: read nothing then eof"],
        ),
    ]);
    cells
}

fn cut(ending: CutEnding) -> Cut {
    Cut { ending }
}

fn response_head(edge: Edge) -> Trigger {
    Trigger::HttpHead { n: 1, direction: Direction::ToClient, edge }
}
