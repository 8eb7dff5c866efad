//! A key of a table: its name, what it holds, and what a reader should know of it.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::fault::{self, Holds, Without};
use crate::name::HostName;
use crate::scenario::document::LocatedValue;
use crate::scenario::duration::Millis;
use crate::scenario::error::{ScenarioError, unknown};
use crate::scenario::typed;

/// Who finds the mistake in a value.
#[derive(Clone, Copy)]
enum Check {
    /// A reader of its own.
    Elsewhere,
    /// The type as which it is read; the result is thrown away, and what is left is the mistake.
    Type(fn(&LocatedValue) -> Result<(), ScenarioError>),
    /// What the parameter of a verb holds.
    Parameter(Holds),
}

/// A value that a key may have.
#[derive(Clone, Copy)]
pub(crate) enum Example {
    /// In TOML.
    Toml(&'static str),
    /// A word, without the quotes around it.
    Word(&'static str),
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(value) => f.write_str(value),
            Self::Word(word) => write!(f, "\"{word}\""),
        }
    }
}

/// A key of a table.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What its value looks like.
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
    /// What it says, for the reference: a sentence, or what becomes one with a capital letter and a full stop.
    pub(crate) says: &'static str,
    pub(crate) example: Example,
    check: Check,
}

/// Whether a table must have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The table needs it.
    Required,
    /// Without it this value holds, in TOML.
    Default(&'static str),
    /// Without it this holds, in words.
    Without(&'static str),
}

/// A table with its keys.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    /// How sentences name it, as in `a host`.
    pub(crate) what: &'static str,
    /// Its keys, in the order of the reference. Tables that share keys share a group.
    pub(crate) groups: &'static [&'static [Key]],
}

/// One of several forms of a table, chosen by a word: a trigger by its key, a verb by the value of `do`.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// The word.
    pub(crate) word: &'static str,
    /// A sentence for the reference.
    pub(crate) says: &'static str,
    /// The keys beside the word.
    pub(crate) keys: &'static [Key],
}

/// What a value looks like.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Any string.
    Text,
    /// The name of a host or actor.
    Host,
    /// `"alice -> scheduler"`.
    Link,
    /// `true` or `false`.
    Flag,
    /// A whole number between these bounds, both included.
    Whole(i64, u64),
    /// A string such as `"20ms"`.
    Duration,
    /// A date in UTC.
    Date,
    /// One of the words of an enum.
    Words(fn() -> Vec<&'static str>),
    /// One of these words.
    WordsOf(&'static [&'static str]),
    /// A string, a whole number or a truth value.
    Scalar,
    /// A range in a string: `"2..=7"`.
    Range,
    /// A list of such values.
    List(&'static Shape),
    /// A table of any names, each with such a value.
    Named(&'static Shape),
    /// A table with these keys.
    Table(&'static Table),
    /// A table that the harness hands on as it is.
    Free,
    /// A value of one of these shapes.
    Either(&'static [Shape]),
    /// What a section of the reference describes, and a definition of the schema.
    Section(&'static str),
}

/// A type that stands as a value in a file.
pub(crate) trait Value: DeserializeOwned {
    /// What it looks like there.
    const SHAPE: Shape;
}

impl Key {
    /// A key that its table must have.
    pub(crate) const fn required<T: Value>(name: &'static str, says: &'static str, example: &'static str) -> Self {
        Self::of::<T>(name, Presence::Required, says, example)
    }

    /// A key without which a value holds; `default` is that value in TOML.
    pub(crate) const fn default<T: Value>(
        name: &'static str,
        default: &'static str,
        says: &'static str,
        example: &'static str,
    ) -> Self {
        Self::of::<T>(name, Presence::Default(default), says, example)
    }

    /// A key that may be missing; `without` says what holds then.
    pub(crate) const fn optional<T: Value>(
        name: &'static str,
        without: &'static str,
        says: &'static str,
        example: &'static str,
    ) -> Self {
        Self::of::<T>(name, Presence::Without(without), says, example)
    }

    /// A key whose value its own reader checks, because it is a table of tables or takes several forms.
    pub(crate) const fn read_elsewhere(
        name: &'static str,
        shape: Shape,
        presence: Presence,
        says: &'static str,
        example: &'static str,
    ) -> Self {
        Self { name, shape, presence, says, example: Example::Toml(example), check: Check::Elsewhere }
    }

    const fn of<T: Value>(name: &'static str, presence: Presence, says: &'static str, example: &'static str) -> Self {
        let check = Check::Type(|node| typed::read::<T>(node).map(drop));
        Self { name, shape: T::SHAPE, presence, says, example: Example::Toml(example), check }
    }

    /// The parameter of a verb.
    pub(crate) fn of_verb(key: &fault::Key) -> Self {
        let presence = match key.without {
            Without::Mistake => Presence::Required,
            Without::Default(default) => Presence::Default(default),
            Without::Absent(holds) => Presence::Without(holds),
        };
        let (shape, example) = match key.holds {
            Holds::Time => (Millis::SHAPE, Example::Toml("\"30s\"")),
            Holds::Whole { most, .. } if most <= u16::MAX.into() => (u16::SHAPE, Example::Toml("503")),
            Holds::Whole { most, .. } if most <= u32::MAX.into() => (u32::SHAPE, Example::Toml("3")),
            Holds::Whole { .. } => (u64::SHAPE, Example::Toml("1000")),
            Holds::Text => (String::SHAPE, Example::Word("idle")),
            Holds::Flag => (bool::SHAPE, Example::Toml("true")),
            Holds::Host => (HostName::SHAPE, Example::Word("scheduler")),
            Holds::Word(words) => (Shape::WordsOf(words), Example::Word(words.last().copied().unwrap_or_default())),
        };
        Self { name: key.name, shape, presence, says: key.means, example, check: Check::Parameter(key.holds) }
    }

    /// The same key in a table in which something else holds without it.
    pub(crate) const fn without(self, holds: &'static str) -> Self {
        Self { presence: Presence::Without(holds), ..self }
    }

    /// Finds the mistake in a value of this key.
    pub(crate) fn check(&self, node: &LocatedValue) -> Result<(), ScenarioError> {
        match self.check {
            Check::Elsewhere => Ok(()),
            Check::Type(check) => check(node),
            Check::Parameter(holds) => check_parameter(holds, node),
        }
    }

    /// Whether its value is checked here, and not by a reader of its own.
    #[cfg(test)]
    pub(crate) fn is_checked(&self) -> bool {
        !matches!(self.check, Check::Elsewhere)
    }
}

impl Table {
    /// Every key.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static Key> + Clone {
        self.groups.iter().copied().flatten()
    }
}

impl Form {
    /// The names of the keys beside the word.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

/// Finds the mistake in the parameter of a verb. Whether a number makes sense there says the verb itself.
fn check_parameter(holds: Holds, node: &LocatedValue) -> Result<(), ScenarioError> {
    match holds {
        Holds::Time => typed::read::<Millis>(node).map(drop),
        Holds::Whole { most, .. } if most <= u16::MAX.into() => typed::read::<u16>(node).map(drop),
        Holds::Whole { most, .. } if most <= u32::MAX.into() => typed::read::<u32>(node).map(drop),
        Holds::Whole { .. } => typed::read::<u64>(node).map(drop),
        Holds::Text => typed::read::<String>(node).map(drop),
        Holds::Flag => typed::read::<bool>(node).map(drop),
        Holds::Host => typed::read::<HostName>(node).map(drop),
        Holds::Word(words) => {
            let word: String = typed::read(node)
                .map_err(|_| node.place.error(format!("expected a word, found {}", typed::kind(node))))?;
            if words.contains(&word.as_str()) {
                return Ok(());
            }
            Err(node.place.error_meaning(unknown(format!("there is no `{word}` here"), &word, words.iter().copied())))
        }
    }
}
