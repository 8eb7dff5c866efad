//! `[[fault]]`: what it strikes, and its verbs with their parameters.

use super::key::{Form, Key, Presence, Shape, Table};
use crate::fault::{Ending, Ends, HalfOpenKind, IllegalKind, IoCall, IoErrorKind, LookupError, Upstream};
use crate::name::{Direction, HostName, Side};
use crate::scenario::duration::Millis;

/// The keys of a fault that are no parameters of its verb.
pub(crate) const FAULT: Table = Table { what: "a fault", groups: &[&FAULT_KEYS] };

const FAULT_KEYS: [Key; 6] = [
    Key::read_elsewhere(
        "link",
        Shape::Link,
        Presence::Without("that of its moment, a `between` or a `host`"),
        "The client and the server whose connections it strikes.",
        "\"alice -> scheduler\"",
    ),
    Key::read_elsewhere(
        "connection",
        Shape::Either(&[
            Shape::Whole(0, u32::MAX as u64),
            Shape::Range,
            Shape::List(&Shape::Whole(0, u32::MAX as u64)),
        ]),
        Presence::Without("the first on which the trigger comes true"),
        "The number of the connection on its link, from 1. A list or a range makes a fault of each.",
        "\"2..=7\"",
    ),
    Key::read_elsewhere(
        "between",
        Shape::List(&Shape::Host),
        Presence::Without("the fault has a `link` or a `host`"),
        "The two hosts between which it strikes.",
        "[\"alice\", \"scheduler\"]",
    ),
    Key::optional::<HostName>(
        "host",
        "the fault has a `link` or a `between`",
        "The host that it strikes.",
        "\"scheduler\"",
    ),
    Key::read_elsewhere(
        "when",
        Shape::Section("when"),
        Presence::Required,
        "When it strikes: one trigger, or the name of a moment.",
        "{ at = \"15s\" }",
    ),
    Key::read_elsewhere(
        "do",
        Shape::Section("do"),
        Presence::Required,
        "What it does: one verb, whose parameters stand beside it.",
        "\"reset\"",
    ),
];

/// A verb as files write it.
#[derive(Clone, Copy)]
pub(crate) struct VerbForm {
    /// The word under `do`, and the parameters beside it.
    pub(crate) form: Form,
    /// The key of the fault that names what the verb strikes.
    pub(crate) strikes: &'static str,
}

const fn on(strikes: &'static str, word: &'static str, says: &'static str, keys: &'static [Key]) -> VerbForm {
    VerbForm { form: Form { word, says, keys }, strikes }
}

const TO: Key =
    Key::default::<Ends>("to", "\"both\"", "Which ends are told; the other hears nothing more.", "\"client\"");
const WAY: Key = Key::optional::<Direction>("direction", "both ways", "Which way.", "\"to_client\"");
const HEAL_AFTER: Key =
    Key::optional::<Millis>("heal_after", "it never ends", "The time after which it ends.", "\"30s\"");
const RESTART_AFTER: Key =
    Key::optional::<Millis>("restart_after", "it stays down", "The time after which it starts again.", "\"3s\"");
const LASTING: Key = Key::optional::<Millis>("lasting", "it never ends", "How long it lasts.", "\"40s\"");
const ATTEMPTS_LASTING: Key =
    Key::optional::<Millis>("lasting", "one attempt only", "How long attempts are struck.", "\"6s\"");

/// Every verb.
pub(crate) static VERBS: [VerbForm; 31] = [
    on("link", "reset", "Sends RST to one end or both.", &[TO]),
    on("link", "drop", "Sends FIN without a Close frame, so that the peer concludes 1006.", &[TO]),
    on(
        "link",
        "close",
        "Sends a legal WebSocket Close frame at a frame boundary, then FIN.",
        &[
            Key::optional::<u16>(
                "code",
                "an empty Close frame, which its reader sees as 1005",
                "The close code: 1000 to 1003, 1007 to 1014 or 3000 to 4999.",
                "1000",
            ),
            Key::default::<String>("reason", "\"\"", "At most 123 bytes, and only beside a `code`.", "\"idle\""),
            TO,
        ],
    ),
    on(
        "link",
        "half_close",
        "Sends one end's FIN while the other way goes on. What that end still sends is acknowledged and thrown away.",
        &[Key::required::<Side>("by", "The end that seems to have finished.", "\"client\"")],
    ),
    on(
        "link",
        "half_open",
        "Silences a connection with no FIN and no RST.",
        &[
            Key::required::<HalfOpenKind>(
                "kind",
                "`blackhole`: nothing is acknowledged. `stall`: the receiver's window stays closed. `discard`: everything \
                 is acknowledged and thrown away.",
                "\"blackhole\"",
            ),
            WAY,
            HEAL_AFTER,
        ],
    ),
    on(
        "link",
        "illegal",
        "Injects bytes that no WebSocket endpoint may send, between two frames. The connection goes on if it can.",
        &[Key::required::<IllegalKind>("kind", "What is wrong with the bytes.", "\"reserved_opcode\""), TO],
    ),
    on(
        "link",
        "cut",
        "Lets nothing more pass than what has passed at the trigger, then ends the connection.",
        &[Key::default::<Ending>("ending", "\"fin\"", "How both ends learn of it.", "\"rst\"")],
    ),
    on("link", "truncate_clean", "Ends a chunked HTTP body with a valid last chunk.", &[]),
    on(
        "host",
        "freeze",
        "Holds the host's packets, both ways.",
        &[Key::optional::<Millis>("thaw_after", "it never ends", "The time after which it ends.", "\"30s\"")],
    ),
    on(
        "between",
        "partition",
        "Holds every packet between two hosts.",
        &[
            Key::default::<bool>(
                "one_way",
                "false",
                "Whether only packets from the first host to the second are held, acknowledgements included.",
                "true",
            ),
            HEAL_AFTER,
        ],
    ),
    on("link", "refuse", "Answers a connection attempt with RST.", &[ATTEMPTS_LASTING]),
    on("link", "connect_hang", "Lets the SYNs of a connection attempt vanish.", &[ATTEMPTS_LASTING]),
    on(
        "link",
        "handshake_stall",
        "Lets a connection be established and not a byte of it pass. Connections that it strikes stay stalled.",
        &[ATTEMPTS_LASTING],
    ),
    on("link", "accept_then_reset", "Lets a connection be established and resets it at once.", &[ATTEMPTS_LASTING]),
    on(
        "link",
        "lookup_fails",
        "Fails the client's lookups of the server's name.",
        &[
            Key::default::<LookupError>("kind", "\"no_such_name\"", "How they fail.", "\"no_answer\""),
            Key::optional::<Millis>("lasting", "one lookup only", "How long lookups are struck.", "\"6s\""),
        ],
    ),
    on(
        "link",
        "lookup_moves",
        "Answers the client's lookups of the server's name with another host's address.",
        &[Key::required::<HostName>("to", "The host whose address is answered.", "\"node\""), LASTING],
    ),
    on(
        "link",
        "buffer",
        "Keeps what is sent and passes it on in large pieces. It acknowledges at once and keeps 1 MiB at most.",
        &[
            Key::required::<u32>("bytes", "The bytes that are passed on at once, at least 1.", "4096"),
            Key::optional::<Millis>(
                "flush_after",
                "it waits for `bytes`",
                "The time without anything new after which it passes on what it has.",
                "\"5s\"",
            ),
            WAY,
            LASTING,
        ],
    ),
    on(
        "link",
        "delay",
        "Adds a time to every packet's latency.",
        &[Key::required::<Millis>("by", "The time that is added.", "\"200ms\""), LASTING],
    ),
    on(
        "link",
        "jitter",
        "Adds a random time to every packet's latency. Packets keep their order.",
        &[Key::required::<Millis>("up_to", "The most that is added.", "\"400ms\""), LASTING],
    ),
    on(
        "link",
        "throttle",
        "Limits how much a direction carries.",
        &[Key::required::<u64>("bytes_per_second", "The limit, at least 1.", "1000"), WAY, LASTING],
    ),
    on(
        "link",
        "drip",
        "Delivers data a few bytes at a time.",
        &[
            Key::default::<u32>("bytes", "1", "The bytes that arrive at a time, at least 1.", "5"),
            Key::required::<Millis>("every", "The time between two of them.", "\"20ms\""),
            WAY,
            LASTING,
        ],
    ),
    on(
        "link",
        "split",
        "Delivers in pieces, one millisecond apart, what was written at once.",
        &[Key::required::<u32>("bytes", "The largest piece, at least 1.", "3"), WAY, LASTING],
    ),
    on("link", "corrupt", "Changes one character of the trigger's message or event.", &[]),
    on(
        "link",
        "duplicate_message",
        "Delivers the trigger's message or event several times.",
        &[Key::default::<u32>("copies", "1", "How many times more than once, at least 1.", "2")],
    ),
    on(
        "link",
        "reorder_messages",
        "Delivers the trigger's message or event behind those that follow it.",
        &[Key::default::<u32>("by", "1", "Behind how many, at least 1.", "2")],
    ),
    on(
        "link",
        "upstream",
        "Changes what a model server answers. `kind` says which of the next keys it takes.",
        &[
            Key::read_elsewhere(
                "kind",
                Shape::Words(|| Upstream::NAMES.to_vec()),
                Presence::Required,
                "`status` (takes `status`), `slow_head` (`by`), `missing_done`, `error_event` (`message`) or `stall` \
                 (`heal_after`).",
                "\"status\"",
            ),
            Key::optional::<u16>("status", "only of `status`, which needs it", "429, or 500 to 599.", "503"),
            Key::optional::<Millis>(
                "by",
                "only of `slow_head`, which needs it",
                "How much later the response begins.",
                "\"5s\"",
            ),
            Key::optional::<String>(
                "message",
                "only of `error_event`, which needs it",
                "The error's message.",
                "\"out of memory\"",
            ),
            HEAL_AFTER,
        ],
    ),
    on(
        "link",
        "io_error",
        "Fails a local socket call.",
        &[
            Key::required::<IoCall>("call", "The call.", "\"read\""),
            Key::required::<IoErrorKind>("kind", "What it fails with.", "\"connection_reset\""),
            Key::default::<u32>("nth", "1", "Which such call after the trigger, from 1.", "2"),
            Key::optional::<Side>(
                "side",
                "the server for `accept`, the client for `connect`; other calls need it",
                "The end whose call fails.",
                "\"client\"",
            ),
            Key::optional::<Millis>(
                "lasting",
                "one call only",
                "How long each such call fails, from the nth on.",
                "\"6s\"",
            ),
        ],
    ),
    on(
        "host",
        "crash",
        "Ends the process: its kernel closes its sockets as it does for a dying process.",
        &[RESTART_AFTER],
    ),
    on("host", "power_loss", "Ends the machine: it sends nothing, and its packets in flight vanish.", &[RESTART_AFTER]),
    on(
        "host",
        "clock_jump",
        "Sets the host's wall clock, forward or back. Its monotonic clock and its timers go on.",
        &[
            Key::optional::<Millis>("forward", "the clock jumps `back`", "How far it jumps forward.", "\"1h\""),
            Key::optional::<Millis>("back", "the clock jumps `forward`", "How far it jumps back.", "\"1s\""),
        ],
    ),
    on(
        "host",
        "restart",
        "Tells the process to stop, then starts it again.",
        &[Key::required::<Millis>("pause", "The time between its end and its start.", "\"1s\"")],
    ),
];

/// The verb of a word.
pub(crate) fn verb(word: &str) -> Option<&'static VerbForm> {
    VERBS.iter().find(|verb| verb.form.word == word)
}
