//! `[checks.timing.NAME]`: rules about time, and the occurrences that they name.

use super::key::{Form, Key, Presence, Shape, Table};
use super::values::words;
use crate::fact::FactKind;
use crate::mapping::{ConnectionMoment, UnitKind};
use crate::name::{Direction, HostName, Side};
use crate::occurrence::{FaultStep, ProcessMoment, WrittenLink};
use crate::scenario::duration::Millis;

/// One rule.
pub(crate) const RULE: Table = Table { what: "a rule of `timing`", groups: &[&RULE_KEYS] };

const RULE_KEYS: [Key; 8] = [
    occurrences("after", Presence::Required, "What opens an obligation, each time that it occurs: any of these."),
    occurrences(
        "follows",
        Presence::Required,
        "What closes the oldest open obligation: any of these. What is both closes one and opens the next, so that `after` and \
         `follows` which say the same bound a cadence.",
    ),
    Key::optional::<Millis>("within", "any time", "The longest time between the two.", "\"2s\""),
    Key::optional::<Millis>("at_least", "no time", "The shortest time between the two.", "\"1500ms\""),
    Key::optional::<String>(
        "same",
        "whichever",
        "Where the two have the same value: the name of an event's field, a JSON pointer into a unit or the name of its field, \
         `connection` or `link` (of units and connections), `host` (of events, facts and processes), `value` (of facts). Of a \
         fact any other name means its key.",
        "\"job_id\"",
    ),
    occurrences(
        "unless",
        Presence::Without("nothing voids it"),
        "What voids the open obligations, with `same` those of its value: any of these.",
    ),
    Key::default::<bool>(
        "never",
        "false",
        "Whether what `follows` names must not follow: within `within`, or ever.",
        "true",
    ),
    Key::default::<bool>(
        "optional",
        "false",
        "Whether a run in which no obligation is kept or broken is in order.",
        "true",
    ),
];

/// One rule of `backoff`.
pub(crate) const BACKOFF: Table = Table { what: "a rule of `backoff`", groups: &[&BACKOFF_KEYS] };

const BACKOFF_KEYS: [Key; 9] = [
    Key::required::<WrittenLink>("link", "The link whose client it is.", "\"alice -> scheduler\""),
    Key::required::<Millis>("first", "The pause before the first attempt after a loss.", "\"1s\""),
    Key::required::<Millis>("longest", "No pause is longer; until then each is twice the one before.", "\"30s\""),
    Key::default::<u32>("jitter_percent", "0", "The most that is added to a pause, in percent of it.", "10"),
    Key::optional::<u32>("attempts", "until one succeeds", "How many attempts an outage has.", "10"),
    Key::default::<Millis>(
        "stable_after",
        "\"0s\"",
        "How long the host has to be in service until its attempts count from 1 again.",
        "\"10s\"",
    ),
    occurrences(
        "unless",
        Presence::Without("it tries until it ends or is told to stop"),
        "What ends the obligation to try again: any of these.",
    ),
    Key::optional::<String>(
        "apart_from",
        "what others add does not matter",
        "Another rule, whose host must not add the same to each of three pauses.",
        "\"bob\"",
    ),
    Key::default::<bool>("optional", "false", "Whether a run without an attempt to judge is in order.", "true"),
];

const fn occurrences(name: &'static str, presence: Presence, says: &'static str) -> Key {
    let example = "{ event = \"submit accepted\", host = \"scheduler\" }";
    Key::read_elsewhere(name, Shape::Section("occurrence"), presence, says, example)
}

/// What an occurrence is: its word is the key that names it.
pub(crate) static OCCURRENCES: [Form; 6] = [
    Form {
        word: "event",
        says: "A tracing event that a service logs.",
        keys: &[
            Key::required::<String>("event", "The event's message, whole.", "\"result delivered\""),
            HOST,
            Key::optional::<String>(
                "target",
                "any target",
                "The event's target or a module above it.",
                "\"chat::outbox\"",
            ),
            WHERE,
        ],
    },
    Form {
        word: "fact",
        says: "A fact, told by an actor or read by a source under `[[facts]]`.",
        keys: &[
            Key::required::<FactKind>("fact", "The kind of the fact.", "\"detected\""),
            HOST,
            Key::optional::<String>("key", "any key", "The fact's key.", "\"open_jobs\""),
            Key::optional::<String>(
                "value",
                "any value",
                "The fact's value; `\"!x\"` is any value but `x`.",
                "\"1006\"",
            ),
        ],
    },
    Form {
        word: "unit",
        says: "A protocol unit that passes on the wire.",
        keys: &[
            Key::read_elsewhere(
                "unit",
                Shape::Words(|| words::<UnitKind>().to_vec()),
                Presence::Required,
                "Which units.",
                "\"ws_ping\"",
            ),
            LINK,
            Key::optional::<Direction>("direction", "either way", "Which way they travel.", "\"to_client\""),
            WHERE,
        ],
    },
    Form {
        word: "connection",
        says: "Something that happens to a connection.",
        keys: &[
            Key::read_elsewhere(
                "connection",
                Shape::Words(|| words::<ConnectionMoment>().to_vec()),
                Presence::Required,
                "What happens.",
                "\"attempted\"",
            ),
            LINK,
            Key::optional::<Side>("at", "either end", "The end to which it happens.", "\"client\""),
        ],
    },
    Form {
        word: "fault",
        says: "A step of a fault of the plan.",
        keys: &[
            Key::required::<u32>("fault", "The fault's place in the plan, from 0.", "0"),
            Key::read_elsewhere(
                "step",
                Shape::Words(|| words::<FaultStep>().to_vec()),
                Presence::Default("\"fired\""),
                "Which step.",
                "\"healed\"",
            ),
        ],
    },
    Form {
        word: "process",
        says: "A change of a host's process.",
        keys: &[
            Key::read_elsewhere(
                "process",
                Shape::Words(|| words::<ProcessMoment>().to_vec()),
                Presence::Required,
                "Which change.",
                "\"started\"",
            ),
            HOST,
        ],
    },
];

const HOST: Key = Key::optional::<HostName>("host", "any host", "The host.", "\"scheduler\"");

const LINK: Key = Key::read_elsewhere(
    "link",
    Shape::Link,
    Presence::Without("any link"),
    "The link on which it happens.",
    "\"alice -> scheduler\"",
);

const WHERE: Key = Key::read_elsewhere(
    "where",
    Shape::Named(&Shape::Section("wanted")),
    Presence::Default("{}"),
    "What its fields, or what the unit says, must be.",
    "{ type = \"result\" }",
);
