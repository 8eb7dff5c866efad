//! A key of a table: its name, what it holds, and what a reader should know of it.

use serde::de::DeserializeOwned;

use crate::scenario::document::Node;
use crate::scenario::error::ScenarioError;
use crate::scenario::typed;

/// Finds the mistake in a value.
type Check = fn(&Node) -> Result<(), ScenarioError>;

/// A key of a table.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What its value looks like.
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
    /// A sentence for the reference.
    pub(crate) says: &'static str,
    /// A value, in TOML.
    pub(crate) example: &'static str,
    /// Reads the value as its type and throws the result away: what is left is the mistake. `None` where a reader of its own
    /// checks the value.
    check: Option<Check>,
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
    /// One of these words.
    Words(fn() -> Vec<&'static str>),
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
        Self { name, shape, presence, says, example, check: None }
    }

    const fn of<T: Value>(name: &'static str, presence: Presence, says: &'static str, example: &'static str) -> Self {
        Self { name, shape: T::SHAPE, presence, says, example, check: Some(|node| typed::read::<T>(node).map(drop)) }
    }

    /// The same key in a table in which something else holds without it.
    pub(crate) const fn without(self, holds: &'static str) -> Self {
        Self { presence: Presence::Without(holds), ..self }
    }

    /// Finds the mistake in a value of this key.
    pub(crate) fn check(&self, node: &Node) -> Result<(), ScenarioError> {
        self.check.map_or(Ok(()), |check| check(node))
    }

    /// Whether its value is checked here, and not by a reader of its own.
    #[cfg(test)]
    pub(crate) fn is_checked(&self) -> bool {
        self.check.is_some()
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
