//! `[checks.NAME]`: the laws that a scenario is held to, with what each needs to know.

use std::collections::BTreeMap;

use super::key::{Form, Key, Presence, Shape, Table};
use crate::check::{AllowedLoss, DeliveryLaw, GaugeLaw, Health, LossReason, RecoverySince, SocketLaw};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::scenario::duration::Millis;

/// Every law: its word is the table's name.
pub(crate) static LAWS: [Form; 13] = [
    Form {
        word: "delivery",
        says: "What is offered arrives as often as promised, in the promised order, and nothing is lost in silence.",
        keys: &[
            Key::required::<DeliveryLaw>("law", "How often each thing arrives.", "\"exactly_once\""),
            Key::default::<bool>(
                "order",
                "false",
                "Whether things of one sender arrive in the order in which it offered them.",
                "true",
            ),
            Key::default::<Vec<HostName>>(
                "order_of",
                "[]",
                "The senders whose things arrive in order, when it is not all of them.",
                "[\"alice\"]",
            ),
            Key::optional::<Millis>("within", "any time", "The longest time between offer and receipt.", "\"5s\""),
            ALLOWED_LOSSES,
        ],
    },
    Form {
        word: "broadcast",
        says: "What one offers to many arrives at each of them as often as promised, and at no other host.",
        keys: &[
            Key::required::<Vec<HostName>>("receivers", "Who receives each thing.", "[\"bob\", \"carol\"]"),
            Key::default::<Vec<HostName>>("senders", "[]", "Whose things are judged; all, when empty.", "[\"alice\"]"),
            Key::default::<bool>(
                "to_sender",
                "true",
                "Whether a sender that is one of the receivers receives its own things.",
                "false",
            ),
            Key::default::<DeliveryLaw>(
                "law",
                "\"exactly_once\"",
                "How often each thing arrives at each receiver.",
                "\"at_least_once\"",
            ),
            Key::optional::<Millis>("within", "any time", "The longest time between offer and each receipt.", "\"5s\""),
            ALLOWED_LOSSES,
        ],
    },
    Form {
        word: "truthful",
        says: "What is claimed to be delivered was received before the claim; what is claimed to have failed was not received.",
        keys: &[
            Key::default::<bool>(
                "deduplicated",
                "false",
                "Whether receivers recognise what they have seen, so that a thing that is claimed to have failed may arrive by a retry.",
                "true",
            ),
            Key::default::<Vec<HostName>>(
                "held_back_by",
                "[]",
                "The hosts that hold back what comes before its turn: their receipts may follow the claim.",
                "[\"alice\"]",
            ),
        ],
    },
    Form {
        word: "terminal",
        says: "Every accepted thing reaches exactly one outcome, and nothing times out after its result.",
        keys: &[
            Key::optional::<HostName>(
                "at",
                "every host's",
                "The host whose `outcome` facts are counted.",
                "\"scheduler\"",
            ),
            Key::optional::<HostName>(
                "while_alive",
                "outcomes are always needed",
                "What was accepted before this host's process ended needs no outcome.",
                "\"alice\"",
            ),
            Key::default::<Vec<String>>(
                "timeouts",
                "[]",
                "The values of an outcome that mean a timeout, in any case; `timeout` when empty.",
                "[\"JOB_TIMEOUT\"]",
            ),
        ],
    },
    Form {
        word: "stream",
        says: "A truncated stream never looks complete, and a source stops soon after its reader has left.",
        keys: &[
            Key::optional::<u32>(
                "events",
                "a stream is whole when all that was produced has arrived",
                "How many events a whole stream has.",
                "8",
            ),
            Key::optional::<Millis>(
                "cancelled_within",
                "not judged",
                "How soon after its reader has left the source is told to stop.",
                "\"200ms\"",
            ),
        ],
    },
    Form {
        word: "close_code",
        says: "Applications see the close codes that are expected: those of RFC 6455, with 1005 for none and 1006 for no Close frame.",
        keys: &[
            Key::default::<Vec<u16>>(
                "any_of",
                "[]",
                "Each code that is seen is one of these; any, when empty.",
                "[1006]",
            ),
            Key::default::<BTreeMap<HostName, Vec<u16>>>(
                "in_order",
                "{}",
                "What each of these hosts sees, in order and completely.",
                "{ alice = [1006, 1000] }",
            ),
            Key::default::<BTreeMap<String, u16>>(
                "by_key",
                "{}",
                "What is seen for each of these keys.",
                "{ s-1 = 1000 }",
            ),
        ],
    },
    Form {
        word: "detect",
        says: "A lost connection is noticed in time.",
        keys: &[
            Key::required::<Millis>(
                "within",
                "The longest time between the fault and the observer's notice.",
                "\"42s\"",
            ),
            OBSERVERS,
            Key::default::<Vec<u32>>(
                "faults",
                "[]",
                "The places in the plan, from 0, of the faults to be noticed; when empty, all that take a connection away \
                 or strike an attempt.",
                "[0]",
            ),
        ],
    },
    Form {
        word: "recover",
        says: "A host that loses its connection is back in service in time.",
        keys: &[
            Key::required::<Millis>("within", "The longest time between what `since` names and `recovered`.", "\"2s\""),
            OBSERVERS,
            Key::default::<RecoverySince>("since", "\"heal\"", "From when the time counts.", "\"detection\""),
        ],
    },
    Form {
        word: "survival",
        says: "A fault ends what it strikes and nothing else.",
        keys: &[
            Key::default::<Vec<HostName>>(
                "stay_up",
                "[]",
                "The hosts that run until they are asked to stop.",
                "[\"chat\"]",
            ),
            Key::default::<Vec<String>>(
                "expected_panics",
                "[]",
                "Parts of the messages of panics that are meant to happen.",
                "[\"bad request\"]",
            ),
            Key::optional::<Health>(
                "health",
                "not judged",
                "The health that is told after every fault.",
                "{ gauge = \"health\", good = \"200\", within = \"5s\" }",
            ),
        ],
    },
    Form {
        word: "stops",
        says: "A host that is told to stop does so in time.",
        keys: &[
            Key::default::<Millis>("within", "\"30s\"", "The longest time.", "\"15s\""),
            Key::default::<BTreeMap<HostName, Millis>>(
                "hosts",
                "{}",
                "The hosts that have another time. An actor is judged only if it stands here.",
                "{ chat = \"1min\" }",
            ),
        ],
    },
    Form {
        word: "hygiene",
        says: "An expected disconnect is no error in the log, and an unexpected one is.",
        keys: &[
            Key::default::<Vec<String>>(
                "allowed",
                "[]",
                "Parts of messages that may be logged at error or warn.",
                "[\"handshake failed\"]",
            ),
            Key::default::<Vec<String>>(
                "unexpected_is_logged",
                "[]",
                "Parts of messages; each is logged at error or warn at least once.",
                "[\"upstream truncated\"]",
            ),
            Key::default::<Vec<HostName>>("hosts", "[]", "Whose events are judged; all, when empty.", "[\"chat\"]"),
        ],
    },
    Form {
        word: "leaks",
        says: "When all is quiet, nothing is left of what has ended.",
        keys: &[
            Key::default::<BTreeMap<String, GaugeLaw>>(
                "gauges",
                "{}",
                "The last value of each gauge, its bounds, or whose sockets it counts.",
                "{ queued = 0, waiting = { at_most = 5 }, sessions = { established_on = \"chat\" } }",
            ),
            Key::optional::<SocketLaw>("sockets", "not judged", "Which sockets may stand.", "\"none_without_peer\""),
            Key::default::<Vec<HostName>>(
                "without_shutdown",
                "[]",
                "Hosts that have no shutdown of their own, so that they are stopped from outside: their tasks are not judged.",
                "[\"chat\"]",
            ),
        ],
    },
    Form {
        word: "livelock",
        says: "Time advances, and retries are bounded.",
        keys: &[Key::optional::<u32>("retries_at_most", "any number", "The most `retried` facts with one key.", "10")],
    },
];

/// By what a state of `sometimes` is known.
pub(crate) const SIGN: Table = Table { what: "a state", groups: &[&SIGN_KEYS] };

const SIGN_KEYS: [Key; 7] = [
    Key::optional::<String>(
        "event",
        "see `fact` and `fault`",
        "A tracing event with this message.",
        "\"session ready\"",
    ),
    Key::default::<BTreeMap<String, String>>(
        "where",
        "{}",
        "The fields of the event that must have these values; `\"!x\"` is any value but `x`.",
        "{ resumed = \"true\" }",
    ),
    Key::optional::<FactKind>("fact", "see `event` and `fault`", "A fact of this kind.", "\"recovered\""),
    Key::optional::<String>("value", "any value", "The fact's value.", "\"1006\""),
    Key::optional::<HostName>("host", "any host", "The host of the event or fact.", "\"alice\""),
    Key::optional::<String>("fault", "see `event` and `fact`", "A fault by this verb that has fired.", "\"reset\""),
    Key::optional::<String>("on", "anywhere", "The link or host of the fault.", "\"alice -> scheduler\""),
];

const ALLOWED_LOSSES: Key = Key::default::<Vec<AllowedLoss>>(
    "allowed_losses",
    "[]",
    "Which losses are no violation.",
    "[{ reason = \"host_died\", host = \"alice\", at_most = 1 }]",
);

const OBSERVERS: Key = Key::required::<Vec<HostName>>("observers", "The hosts that are judged.", "[\"alice\"]");

/// One of `allowed_losses`.
pub(crate) const ALLOWED_LOSS: Table = Table { what: "an allowed loss", groups: &[&ALLOWED_LOSS_KEYS] };

const ALLOWED_LOSS_KEYS: [Key; 3] = [
    Key::required::<LossReason>("reason", "Why a thing may be lost.", "\"host_died\""),
    Key::optional::<HostName>("host", "any host", "The host that the reason speaks of.", "\"chat\""),
    Key::optional::<u32>("at_most", "any number", "How many may be lost for this reason in one run.", "1"),
];

/// `health` of `survival`.
pub(crate) const HEALTH: Table = Table { what: "the health", groups: &[&HEALTH_KEYS] };

const HEALTH_KEYS: [Key; 3] = [
    Key::required::<String>("gauge", "The gauge that says whether a host answers.", "\"health\""),
    Key::required::<String>("good", "Its value when all is well.", "\"200\""),
    Key::required::<Millis>("within", "How soon after a fault's end the good value is told.", "\"5s\""),
];

/// What a gauge must be.
pub(crate) const GAUGE: [Shape; 3] =
    [Shape::Whole(i64::MIN, i64::MAX as u64), Shape::Table(&BOUNDS), Shape::Table(&SOCKETS)];

/// The bounds of a gauge.
pub(crate) const BOUNDS: Table = Table { what: "the bounds of a gauge", groups: &[&BOUND_KEYS] };

const BOUND_KEYS: [Key; 4] = [
    bound("at_most", "The greatest value at any time.", "5"),
    bound("at_least", "The least value at any time.", "0"),
    bound("at_rest", "The value when all is quiet.", "0"),
    UNTOLD,
];

const UNTOLD: Key =
    Key::default::<bool>("optional", "false", "Whether a run in which it is never told is in order.", "true");

const fn bound(name: &'static str, says: &'static str, example: &'static str) -> Key {
    let any = Shape::Whole(i64::MIN, i64::MAX as u64);
    Key::read_elsewhere(name, any, Presence::Without("not bounded"), says, example)
}

/// Whose sockets a gauge counts.
pub(crate) const SOCKETS: Table = Table { what: "the sockets of a gauge", groups: &[&SOCKET_KEYS] };

const SOCKET_KEYS: [Key; 3] = [
    Key::required::<HostName>("established_on", "The host whose established sockets are counted.", "\"chat\""),
    Key::optional::<HostName>("with", "any host", "Only those to this host.", "\"alice\""),
    UNTOLD,
];
