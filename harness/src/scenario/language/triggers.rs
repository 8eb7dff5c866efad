//! The triggers of faults: what stands under `when`.

use super::key::{Form, Key, Presence, Shape, Table};
use crate::fault::{Edge, FrameKind};
use crate::name::{Direction, HostName};
use crate::scenario::duration::Millis;

/// How a trigger is counted: a number, or one that is drawn between two.
pub(crate) const COUNT: [Shape; 2] = [Shape::Whole(0, i64::MAX as u64), Shape::Table(&NUMBERS)];

/// A time, or one that is drawn between two.
pub(crate) const TIME: [Shape; 2] = [Shape::Duration, Shape::Table(&TIMES)];

/// A range of numbers.
pub(crate) const NUMBERS: Table = Table { what: "a range", groups: &[&NUMBER_KEYS] };

const NUMBER_KEYS: [Key; 2] = [
    Key::required::<u64>("from", "The least number that is drawn.", "1"),
    Key::required::<u64>("to", "The greatest number that is drawn.", "9"),
];

/// A range of times.
pub(crate) const TIMES: Table = Table { what: "a range", groups: &[&TIME_KEYS] };

const TIME_KEYS: [Key; 2] = [
    Key::required::<Millis>("from", "The earliest time that is drawn.", "\"1s\""),
    Key::required::<Millis>("to", "The latest time that is drawn.", "\"9s\""),
];

/// Where in a unit.
pub(crate) const EDGE: [Shape; 2] = [Shape::Words(|| vec!["before", "after"]), Shape::Table(&INSIDE)];

const INSIDE: Table = Table { what: "an edge", groups: &[&INSIDE_KEYS] };

const INSIDE_KEYS: [Key; 1] = [Key::required::<u64>("inside", "The bytes of the unit that pass, at least 1.", "12")];

const DIRECTION_KEY: Key = Key::optional::<Direction>(
    "direction",
    "`to` says it",
    "Which way the units travel that are counted.",
    "\"to_client\"",
);

const RECEIVER: Key = Key::optional::<HostName>(
    "to",
    "`direction` says it",
    "The host that receives the units that are counted.",
    "\"alice\"",
);

const SAID: [Shape; 3] =
    [Shape::Whole(0, i64::MAX as u64), Shape::Table(&NUMBERS), Shape::Named(&Shape::Section("wanted"))];

const NTH_OF_THOSE: Key = counted("n", "Of those that say it, the number of the one that is meant, from 1.");

/// The key of a trigger that is known by its number or by what it says.
const fn said(name: &'static str, says: &'static str) -> Key {
    Key::read_elsewhere(name, Shape::Either(&SAID), Presence::Required, says, "{ type = \"result\" }")
}

const BODY_DIRECTION: Key = Key::default::<Direction>(
    "direction",
    "\"to_client\"",
    "Of the bodies of responses or of requests.",
    "\"to_server\"",
);

const EDGE_KEY: Key = Key::default::<Edge>(
    "edge",
    "\"after\"",
    "Whether none, all or the first bytes of the unit pass.",
    "{ inside = 12 }",
);

const NTH: Key = counted("n", "The number of the unit or event that is meant, from 1.");

/// A key that counts.
const fn counted(name: &'static str, says: &'static str) -> Key {
    Key::read_elsewhere(name, Shape::Either(&COUNT), Presence::Default("1"), says, "{ from = 1, to = 9 }")
}

/// The key that names a trigger and holds what it counts.
const fn counts(name: &'static str, says: &'static str) -> Key {
    Key::read_elsewhere(name, Shape::Either(&COUNT), Presence::Required, says, "3")
}

/// The key that names a trigger and holds a time.
const fn time(name: &'static str, says: &'static str, example: &'static str) -> Key {
    Key::read_elsewhere(name, Shape::Either(&TIME), Presence::Required, says, example)
}

/// Every trigger: its word is the key that names it and the first of its keys.
pub(crate) static TRIGGERS: [Form; 11] = [
    Form {
        word: "at",
        says: "Strikes at a virtual time since the start of the run.",
        keys: &[time("at", "The time.", "\"15s\"")],
    },
    Form {
        word: "message",
        says: "Strikes at a WebSocket data message. Fragments count once; pings do not count.",
        keys: &[
            said(
                "message",
                "The number of the message on its connection and direction, from 1, or what it says: JSON pointers or fields, with their values.",
            ),
            NTH_OF_THOSE,
            DIRECTION_KEY,
            RECEIVER,
            EDGE_KEY,
        ],
    },
    Form {
        word: "frame",
        says: "Strikes at a WebSocket frame of a kind.",
        keys: &[
            Key::required::<FrameKind>("frame", "The kind of the frames that are counted.", "\"ping\""),
            NTH,
            DIRECTION_KEY,
            RECEIVER,
            EDGE_KEY,
        ],
    },
    Form {
        word: "sse_event",
        says: "Strikes at an event of an event stream.",
        keys: &[
            said(
                "sse_event",
                "The number of the event on its connection, from 1, or what its data says: JSON pointers or fields, with their values.",
            ),
            Key::default::<Direction>(
                "direction",
                "\"to_client\"",
                "Events travel to the client, so no other direction is accepted.",
                "\"to_client\"",
            ),
            NTH_OF_THOSE,
            RECEIVER,
            EDGE_KEY,
        ],
    },
    Form {
        word: "chunk",
        says: "Strikes at a chunk of a chunked HTTP body.",
        keys: &[counts("chunk", "The number of the chunk, from 1."), BODY_DIRECTION, RECEIVER, EDGE_KEY],
    },
    Form {
        word: "line",
        says: "Strikes at a line of an HTTP body, as of newline-delimited JSON.",
        keys: &[counts("line", "The number of the line, from 1."), BODY_DIRECTION, RECEIVER, EDGE_KEY],
    },
    Form {
        word: "bytes",
        says: "Strikes once this many bytes have passed.",
        keys: &[counts("bytes", "The bytes that still pass, from 0."), DIRECTION_KEY, RECEIVER],
    },
    Form {
        word: "http_head",
        says: "Strikes at the head of an HTTP request (`to_server`) or response (`to_client`). A WebSocket's handshake is exchange 1.",
        keys: &[counts("http_head", "The number of the exchange, from 1."), DIRECTION_KEY, RECEIVER, EDGE_KEY],
    },
    Form {
        word: "event",
        says: "Strikes when a host logs a tracing event.",
        keys: &[
            Key::required::<String>("event", "The event's message, whole.", "\"submit accepted\""),
            Key::optional::<HostName>("host", "any host", "The host that logs it.", "\"scheduler\""),
            Key::read_elsewhere(
                "where",
                Shape::Named(&Shape::Scalar),
                Presence::Default("{}"),
                "The fields that must have these values.",
                "{ job_id = \"1\" }",
            ),
            NTH,
            Key::default::<Millis>("after", "\"0s\"", "The time between the event and the fault.", "\"20ms\""),
        ],
    },
    Form {
        word: "connect",
        says: "Strikes when a connection of the link is attempted.",
        keys: &[Key::required::<bool>("connect", "Always `true`.", "true")],
    },
    Form {
        word: "idle",
        says: "Strikes each connection of the link once it has carried nothing for this time. That none is idle for so long is no failure of the run.",
        keys: &[time("idle", "The time.", "\"60s\"")],
    },
];
