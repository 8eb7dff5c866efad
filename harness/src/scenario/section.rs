//! One table of a document, read key by key.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::document::{Node, Place, Value};
use super::error::{ScenarioError, unknown};
use super::typed::{kind, read};

/// A table of which only known keys are read. Built so that an unknown key is found before a missing one: it is
/// probably the missing one, misspelt.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) place: &'a Place,
    what: &'a str,
    entries: BTreeMap<&'a str, (&'a Place, &'a Node)>,
}

/// More combinations than this of listed values are a mistake.
const COMBINATIONS_AT_MOST: usize = 1000;

impl<'a> Section<'a> {
    /// Opens a table; `what` names it in sentences, as in `a host`.
    pub(crate) fn any(node: &'a Node, what: &'a str) -> Result<Self, ScenarioError> {
        let Value::Table(entries) = &node.value else {
            return Err(node.place.error(format!("{what} is a table, not {}", kind(node))));
        };
        let entries = entries.iter().map(|entry| (entry.key.as_str(), (&entry.place, &entry.node))).collect();
        Ok(Self { place: &node.place, what, entries })
    }

    /// Opens a table that has these keys and no other.
    pub(crate) fn open(node: &'a Node, what: &'a str, keys: &[&str]) -> Result<Self, ScenarioError> {
        let section = Self::any(node, what)?;
        section.only(keys)?;
        Ok(section)
    }

    /// Refuses keys other than these.
    pub(crate) fn only(&self, keys: &[&str]) -> Result<(), ScenarioError> {
        let stranger =
            self.entries.iter().filter(|(key, _)| !keys.contains(*key)).min_by_key(|(_, (place, _))| place.line);
        let Some((key, (place, _))) = stranger else { return Ok(()) };
        let known = keys.iter().copied();
        Err(place.error_meaning(unknown(format!("{} has no key `{key}`", self.what), key, known)))
    }

    /// The same table under another name, for what is said about a part of its keys.
    pub(crate) fn called<'b>(&self, what: &'b str, place: &'a Place) -> Section<'b>
    where
        'a: 'b,
    {
        Section { place, what, entries: self.entries.clone() }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.entries.keys().copied()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.get(key).map(|(_, node)| *node)
    }

    /// Where a key stands; where the table stands, without it.
    pub(crate) fn place_of(&self, key: &str) -> &'a Place {
        self.entries.get(key).map_or(self.place, |(place, _)| place)
    }

    pub(crate) fn node(&self, key: &str) -> Result<&'a Node, ScenarioError> {
        self.get(key).ok_or_else(|| self.place.error(format!("{} needs `{key}`", self.what)))
    }

    pub(crate) fn required<T: DeserializeOwned>(&self, key: &str) -> Result<T, ScenarioError> {
        self.node(key).and_then(|node| read_as(node, key))
    }

    pub(crate) fn optional<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ScenarioError> {
        self.get(key).map(|node| read_as(node, key)).transpose()
    }

    pub(crate) fn or<T: DeserializeOwned>(&self, key: &str, default: T) -> Result<T, ScenarioError> {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    /// The items of a list of tables, none when the key is missing.
    pub(crate) fn items(&self, key: &str) -> Result<&'a [Node], ScenarioError> {
        self.get(key).map_or(Ok(&[]), |node| Self::items_of(node, key))
    }

    /// The items of a list of tables.
    pub(crate) fn items_of(node: &'a Node, key: &str) -> Result<&'a [Node], ScenarioError> {
        match &node.value {
            Value::Array(items) => Ok(items),
            Value::Scalar(_) | Value::Table(_) => Err(node.place.error(format!("`{key}` is a list of tables"))),
        }
    }

    /// The tables of `{ one_of = [...] }`; `None` for a value of another form.
    pub(crate) fn choices(node: &'a Node, what: &'a str) -> Result<Option<&'a [Node]>, ScenarioError> {
        let Some(choices) = node.get("one_of") else { return Ok(None) };
        Self::open(node, what, &["one_of"])?;
        match Self::items_of(choices, "one_of")? {
            [] => Err(choices.place.error("`one_of` lists nothing to draw from")),
            some => Ok(Some(some)),
        }
    }

    /// The same table without some of its keys.
    #[must_use]
    pub(crate) fn without(mut self, keys: &[&str]) -> Self {
        self.entries.retain(|key, _| !keys.contains(key));
        self
    }

    /// The same table over another, whose keys count where this one has none.
    #[must_use]
    pub(crate) fn over(mut self, base: &Self) -> Self {
        base.entries.iter().for_each(|(key, entry)| _ = self.entries.entry(key).or_insert(*entry));
        self
    }

    /// How sentences name it.
    pub(crate) fn what(&self) -> &'a str {
        self.what
    }

    /// The named tables below a key (`[host.alice]`), none when the key is missing.
    pub(crate) fn named(&self, key: &str) -> Result<Vec<(&'a str, &'a Place, &'a Node)>, ScenarioError> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        let section = Section::any(node, self.what).map_err(|error| ScenarioError {
            sentence: format!("`{key}` holds a table for each name: write [{key}.NAME]"),
            ..error
        })?;
        Ok(section.entries.into_iter().map(|(name, (place, node))| (name, place, node)).collect())
    }

    /// Every table that arises when each listed value is replaced by one of its items.
    pub(crate) fn combinations(self) -> Result<Vec<Self>, ScenarioError> {
        let mut combined = vec![self.clone()];
        for (key, (place, node)) in &self.entries {
            let Value::Array(items) = &node.value else { continue };
            if items.is_empty() {
                return Err(place.error(format!("`{key}` lists nothing to draw from")));
            }
            if combined.len() * items.len() > COMBINATIONS_AT_MOST {
                return Err(
                    place.error(format!("this makes more than {COMBINATIONS_AT_MOST} combinations to draw from"))
                );
            }
            let with = |section: &Self, item: &'a Node| {
                let mut section = section.clone();
                section.entries.insert(key, (place, item));
                section
            };
            combined = combined.iter().flat_map(|section| items.iter().map(move |item| with(section, item))).collect();
        }
        Ok(combined)
    }
}

/// Names the key in what is said about its value.
fn read_as<T: DeserializeOwned>(node: &Node, key: &str) -> Result<T, ScenarioError> {
    read(node).map_err(|error| ScenarioError { sentence: format!("`{key}`: {}", error.sentence), ..error })
}
