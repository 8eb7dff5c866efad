//! `[[facts]]`: where facts come from that no actor tells.

use super::key::{Form, Key, Presence, Shape};
use crate::fact::FactKind;
use crate::mapping::ConnectionMoment;
use crate::name::{Direction, HostName, Side};
use crate::scenario::facts::unit_words;

/// What a source of facts is read from: its word is the key that names it.
pub(crate) static ORIGINS: [Form; 3] = [
    Form {
        word: "event",
        says: "A tracing event that a service logs. Without `key` and `as` the fact's key is the event's message.",
        keys: &[
            FACT,
            Key::required::<String>("event", "The event's message, whole.", "\"result delivered\""),
            Key::optional::<HostName>("host", "any host", "The host that logs it.", "\"scheduler\""),
            Key::optional::<String>(
                "target",
                "any target",
                "The event's target or a module above it.",
                "\"chat::outbox\"",
            ),
            MATCHES,
            Key::read_elsewhere(
                "key",
                Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
                Presence::Without("see `as`"),
                "The fields that make the fact's key, joined by `/`.",
                "\"job_id\"",
            ),
            AS,
            NUMBERED,
            Key::optional::<String>("value", "the fact has none", "The field that is the fact's value.", "\"outcome\""),
            Key::optional::<String>(
                "from",
                "the fact does not say",
                "The field that names the host that offered it.",
                "\"sender\"",
            ),
            Key::optional::<String>(
                "to",
                "the fact does not say",
                "The field that names the host that it is meant for.",
                "\"addressee\"",
            ),
            OPTIONAL,
        ],
    },
    Form {
        word: "unit",
        says: "A protocol unit that passes on the wire. Pointers are JSON pointers into its text.",
        keys: &[
            FACT,
            Key::read_elsewhere("unit", Shape::Words(unit_words), Presence::Required, "Which units.", "\"ws_text\""),
            LINK,
            Key::optional::<Direction>("direction", "either way", "Which way they travel.", "\"to_client\""),
            Key::optional::<Side>("at", "the receiver's", "The end whose host the fact is told of.", "\"client\""),
            SAYS,
            Key::optional::<String>("key", "the connection's name", "The pointer to the fact's key.", "\"/job_id\""),
            Key::optional::<String>("value", "the fact has none", "The pointer to the fact's value.", "\"/seq\""),
            Key::optional::<String>(
                "from",
                "the fact does not say",
                "The pointer to the name of the host that offered it.",
                "\"/sender\"",
            ),
            Key::optional::<String>(
                "to",
                "the fact does not say",
                "The pointer to the name of the host that it is meant for.",
                "\"/addressee\"",
            ),
            OPTIONAL,
        ],
    },
    Form {
        word: "connection",
        says: "Something that happens to a connection. Without `as` the fact's key is the link.",
        keys: &[
            FACT,
            Key::read_elsewhere(
                "connection",
                Shape::Words(|| ConnectionMoment::ALL.map(ConnectionMoment::word).to_vec()),
                Presence::Required,
                "What happens. Told as `retried`, `attempted` leaves out the first attempt of its link.",
                "\"reset\"",
            ),
            LINK,
            Key::optional::<Side>("at", "either end", "The end to which it happens.", "\"client\""),
            AS,
            NUMBERED,
            OPTIONAL,
        ],
    },
];

const FACT: Key = Key::required::<FactKind>("fact", "The kind of the facts that the source tells.", "\"received\"");

const LINK: Key = Key::read_elsewhere(
    "link",
    Shape::Link,
    Presence::Without("any link"),
    "The link on which it passes.",
    "\"alice -> scheduler\"",
);

const MATCHES: Key = Key::read_elsewhere(
    "where",
    Shape::Named(&Shape::Scalar),
    Presence::Default("{}"),
    "The fields that must have these values; `\"!x\"` is any value but `x`.",
    "{ by = \"!us\" }",
);

const SAYS: Key = Key::read_elsewhere(
    "where",
    Shape::Named(&Shape::Section("wanted")),
    Presence::Default("{}"),
    "What the unit says: JSON pointers or fields, with their values.",
    "{ type = \"result\" }",
);

const AS: Key = Key::optional::<String>("as", "see `key`", "The key of every fact of this source.", "\"line\"");

const NUMBERED: Key = Key::default::<bool>(
    "numbered",
    "false",
    "Whether the key ends with the number of the occurrence on its host, or of the connection.",
    "true",
);

const OPTIONAL: Key =
    Key::default::<bool>("optional", "false", "Whether a run in which it never occurs is in order.", "true");
