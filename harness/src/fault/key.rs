//! The keys of a verb, as data: what the parser accepts, what the reference tells, and what tests draw from.

/// A key that a verb takes beside `do`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key, as files write it.
    pub name: &'static str,
    /// What its value may be.
    pub holds: Holds,
    /// What holds when a file does not give it.
    pub without: Without,
    /// What it says, as a fragment without a full stop.
    pub means: &'static str,
}

/// What the value of a [`Key`] may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A duration in a string with its unit, in whole milliseconds.
    Time,
    /// A whole number.
    Whole {
        /// The smallest that is accepted.
        least: u64,
        /// The greatest that is accepted.
        most: u64,
    },
    /// Any string.
    Text,
    /// True or false.
    Flag,
    /// The name of a host of the scenario.
    Host,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// What holds when a file does not give a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// The file has a mistake.
    Mistake,
    /// What this value would say, in TOML.
    Default(&'static str),
    /// Something that no value says: `it never heals`.
    Absent(&'static str),
}

impl Key {
    /// A key that a file must give.
    pub const fn required(name: &'static str, holds: Holds, means: &'static str) -> Self {
        Self { name, holds, without: Without::Mistake, means }
    }

    /// A key with a default, which is written in TOML.
    pub const fn or(name: &'static str, holds: Holds, default: &'static str, means: &'static str) -> Self {
        Self { name, holds, without: Without::Default(default), means }
    }

    /// A key that may be absent, and what holds then.
    pub const fn optional(name: &'static str, holds: Holds, absent: &'static str, means: &'static str) -> Self {
        Self { name, holds, without: Without::Absent(absent), means }
    }

    /// Which ends of a connection are told.
    pub const TO: Self =
        Self::or("to", Holds::Word(&["both", "client", "server"]), "\"both\"", "the ends that are told");
    /// Which directions are concerned.
    pub const DIRECTION: Self =
        Self::optional("direction", Holds::Word(DIRECTIONS), "both directions", "the only direction that is struck");
    /// How long a fault lasts that does not end by itself.
    pub const LASTING: Self = Self::optional("lasting", Holds::Time, "it never ends", "how long it lasts");
    /// How long a fault strikes what is attempted; the next attempt only, without.
    pub const ATTEMPTS_LASTING: Self =
        Self::optional("lasting", Holds::Time, "one attempt only", "how long every attempt is struck");
    /// When a silence ends.
    pub const HEAL_AFTER: Self =
        Self::optional("heal_after", Holds::Time, "it never heals", "how long after it struck it ends");
    /// When a host that died starts again.
    pub const RESTART_AFTER: Self =
        Self::optional("restart_after", Holds::Time, "it never starts again", "how long after it died it starts again");
}

/// The words for the two directions of a connection.
pub(crate) const DIRECTIONS: &[&str] = &["to_server", "to_client"];
/// The words for the two ends of a connection.
pub(crate) const SIDES: &[&str] = &["client", "server"];

impl Holds {
    /// A whole number from 1 that fits in 32 bits.
    pub const COUNT: Self = Self::Whole { least: 1, most: u32::MAX as u64 };
    /// A number of bytes or the like, from 1; TOML's numbers end at 2^63 - 1.
    pub const LARGE_COUNT: Self = Self::Whole { least: 1, most: i64::MAX as u64 };
}
