//! Conversations in which every boundary occurs, for the tests that cut them everywhere.

use crate::name::Direction;

use super::{ASK, CHUNKED_EVENTS, SWITCHING, UPGRADE, chunk, frame, masked, text};

/// What the ends send, in turns.
pub(super) struct Conversation {
    pub(super) name: &'static str,
    pub(super) turns: Vec<(Direction, Vec<u8>)>,
    /// How many units the trace tells of, both ways.
    pub(super) units: usize,
}

/// One of each kind.
pub(super) fn all() -> Vec<Conversation> {
    vec![exchanges(), chunked_events(), plain_events(), websocket(), opaque()]
}

fn question_and_answer(name: &'static str, question: Vec<u8>, answer: Vec<u8>, units: usize) -> Conversation {
    Conversation { name, turns: vec![(Direction::ToServer, question), (Direction::ToClient, answer)], units }
}

/// Requests and responses of every framing.
fn exchanges() -> Conversation {
    let to_server = [
        ASK,
        b"HEAD /size HTTP/1.1\r\n\r\n",
        b"\r\nPOST /a HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nGET /",
        b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n",
        b"GET /end HTTP/1.1\n\n",
    ];
    let to_client = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nHTTP".as_slice(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\neverything until the end\r\n\r\nHTTP/1.1 200 OK",
    ];
    // Five requests and their two chunks; five responses, a 100 and two chunks.
    question_and_answer("exchanges", to_server.concat(), to_client.concat(), 15)
}

/// Events with every line end, in chunks that do not respect them.
fn chunked_events() -> Conversation {
    let to_client = [
        CHUNKED_EVENTS.to_vec(),
        chunk("\u{FEFF}data: one\n\n"),
        chunk(": heartbeat\n\nevent: token\r\ndata: tw"),
        chunk("o\r\ndata:more\r\n\r"),
        chunk("\nid: 7\rdata\r\r"),
        chunk("retry: 5\n\n\n\r\ndata: three\n\ndata: never ended"),
        b"0\r\n\r\n".to_vec(),
    ];
    // Two heads; events one, two, data and three; the heartbeat and the lone retry; five chunks and the last.
    question_and_answer("chunked events", ASK.to_vec(), to_client.concat(), 14)
}

/// Events in a body that ends with the connection.
fn plain_events() -> Conversation {
    let to_client = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n\
        data: {\"a\":1}\n\n:\n\nevent: done\ndata: [DONE]\n\ndata: cut";
    question_and_answer("plain events", ASK.to_vec(), to_client.to_vec(), 5)
}

/// Fragments, control frames between them, and lengths of two kinds.
fn websocket() -> Conversation {
    let to_server = [
        masked(0x81, "grüße".as_bytes()),
        masked(0x89, b"ping"),
        masked(0x02, &[7; 130]),
        masked(0x8A, b""),
        masked(0x80, &[8; 3]),
        masked(0x88, b"\x03\xe8bye"),
    ];
    let to_client = [
        text("hello"),
        frame(0x01, b"in "),
        frame(0x89, b""),
        frame(0x00, b"three "),
        frame(0x80, b"parts"),
        frame(0x83, b"nobody knows this opcode"),
        frame(0xC1, b"compressed"),
        text(""),
        frame(0x88, b""),
    ];
    // Heads 2; to the server two messages, a ping, a pong, a close; to the client four messages, a ping, a close.
    let turns = vec![
        (Direction::ToServer, UPGRADE.to_vec()),
        (Direction::ToClient, SWITCHING.to_vec()),
        (Direction::ToServer, to_server.concat()),
        (Direction::ToClient, to_client.concat()),
    ];
    Conversation { name: "websocket", turns, units: 13 }
}

/// A protocol that the plane does not read, though it begins like a request.
fn opaque() -> Conversation {
    let to_server = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04".to_vec();
    question_and_answer("opaque", to_server, b"HTTP/2 and \xFF".to_vec(), 0)
}
