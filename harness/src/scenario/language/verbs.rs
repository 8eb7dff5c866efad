//! `[[fault]]`: what it strikes, and its verbs with their parameters.

use super::key::{Key, Presence, Shape, Table};
use crate::fault::{Entry, Registry};
use crate::name::HostName;

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
        "When it strikes: one trigger, the name of a moment, or `\"anywhere\"`.",
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
pub(crate) struct VerbForm {
    /// The word under `do`.
    pub(crate) word: &'static str,
    /// What it does, for the reference.
    pub(crate) says: &'static str,
    /// The parameters beside it.
    pub(crate) keys: Vec<Key>,
    /// The key of the fault that names what the verb strikes.
    pub(crate) strikes: &'static str,
}

/// A verb of the registry as files write it.
pub(crate) fn form(verb: &Entry) -> VerbForm {
    let keys = verb.keys().iter().map(Key::of_verb).collect();
    VerbForm { word: verb.word(), says: verb.does(), keys, strikes: verb.place() }
}

/// Every verb of this crate as files write it.
pub(crate) fn forms() -> Vec<VerbForm> {
    Registry::default().entries().iter().map(form).collect()
}
