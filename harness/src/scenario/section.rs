//! One table of a document, read key by key.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::document::{LocatedValue, Place, Value};
use super::error::{Mistakes, ScenarioError, nearest, unknown};
use super::language::{Form, Key, Presence, Table};
use super::typed::{kind, read, read_fields};

/// A table whose known keys are read, and no others. Built so that an unknown key is found before a missing one: it is
/// probably the missing one, misspelt.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) place: &'a Place,
    what: &'a str,
    entries: BTreeMap<&'a str, (&'a Place, &'a LocatedValue)>,
}

/// More combinations than this of listed values are a mistake.
const COMBINATIONS_AT_MOST: usize = 1000;

impl<'a> Section<'a> {
    /// Opens a table; `what` names it in sentences, as in `a host`.
    pub(crate) fn any(node: &'a LocatedValue, what: &'a str) -> Result<Self, ScenarioError> {
        let Value::Table(entries) = &node.value else {
            return Err(node.place.error(format!("{what} is a table, not {}", kind(node))));
        };
        let entries = entries.iter().map(|entry| (entry.key.as_str(), (&entry.place, &entry.node))).collect();
        Ok(Self { place: &node.place, what, entries })
    }

    /// Opens a table of the language.
    ///
    /// # Errors
    ///
    /// Every key that it does not have, every key that it lacks, and every value that its key does not take.
    pub(crate) fn open(node: &'a LocatedValue, table: &Table) -> Result<Self, Mistakes> {
        let section = Self::any(node, table.what)?;
        section.check(table.keys()).unless(section)
    }

    /// Every mistake that can be told by the keys alone.
    pub(crate) fn check<'k>(&self, keys: impl Iterator<Item = &'k Key> + Clone) -> Mistakes {
        let mut mistakes = Mistakes::default();
        let names: Vec<_> = keys.clone().map(|key| key.name).collect();
        mistakes.extend(self.strangers(&names));
        mistakes.extend(self.missing(keys.clone()));
        mistakes.extend(self.misread(keys));
        mistakes
    }

    /// Refuses keys other than these.
    pub(crate) fn only(&self, keys: &[&str]) -> Result<(), ScenarioError> {
        self.strangers(keys).into_iter().next().map_or(Ok(()), Err)
    }

    /// One mistake for each key that is none of these, in the order of the lines.
    pub(crate) fn strangers(&self, keys: &[&str]) -> Vec<ScenarioError> {
        let unknown_keys = self.unknown_keys(keys).into_iter();
        let tell = |(key, place): (&str, &Place)| {
            place.error_meaning(unknown(format!("{} has no key `{key}`", self.what), key, keys.iter().copied()))
        };
        unknown_keys.map(tell).collect()
    }

    /// The keys that are none of these, in the order of the lines.
    pub(crate) fn unknown_keys(&self, keys: &[&str]) -> Vec<(&'a str, &'a Place)> {
        let entries = self.entries.iter().filter(|(key, _)| !keys.contains(*key));
        let mut unknown: Vec<_> = entries.map(|(key, (place, _))| (*key, *place)).collect();
        unknown.sort_by_key(|(_, place)| place.line);
        unknown
    }

    /// One mistake for each key that is probably one of these, misspelt.
    pub(crate) fn misspelt(&self, keys: &[&str]) -> Vec<ScenarioError> {
        let mut strangers = self.strangers(keys);
        strangers.retain(|error| error.suggestion.is_some());
        strangers
    }

    /// The word that tells one form of this table from another, where it is misspelt: that to which a key is near which none of
    /// the forms has.
    pub(crate) fn misspelt_word(&self, forms: &[Form]) -> Option<String> {
        let is_known = |key: &&str| forms.iter().any(|form| form.names().contains(key));
        self.keys().filter(|key| !is_known(key)).find_map(|key| nearest(key, forms.iter().map(|form| form.word)))
    }

    /// One mistake for each key that the table lacks, but for those that are there misspelt, which the caller tells.
    pub(crate) fn missing<'k>(&self, keys: impl Iterator<Item = &'k Key> + Clone) -> Vec<ScenarioError> {
        let names: Vec<_> = keys.clone().map(|key| key.name).collect();
        let misspelt: Vec<_> =
            self.unknown_keys(&names).into_iter().filter_map(|(key, _)| nearest(key, names.iter().copied())).collect();
        let missing = keys.filter(|key| key.presence == Presence::Required && self.get(key.name).is_none());
        let told = missing.filter(|key| misspelt.iter().all(|name| name != key.name));
        told.map(|key| self.place.error(format!("{} needs `{}`", self.what, key.name))).collect()
    }

    /// One mistake for each value that its key does not take.
    pub(crate) fn misread<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Vec<ScenarioError> {
        let given = keys.filter_map(|key| Some((key, self.get(key.name)?)));
        given.filter_map(|(key, node)| key.check(node).map_err(|error| about(key.name, error)).err()).collect()
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

    pub(crate) fn get(&self, key: &str) -> Option<&'a LocatedValue> {
        self.entries.get(key).map(|(_, node)| *node)
    }

    /// Where a key stands; where the table stands, without it.
    pub(crate) fn place_of(&self, key: &str) -> &'a Place {
        self.entries.get(key).map_or(self.place, |(place, _)| place)
    }

    pub(crate) fn node(&self, key: &str) -> Result<&'a LocatedValue, ScenarioError> {
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

    /// The values of these keys, as the fields of a type. A key without which there is a mistake must be here.
    pub(crate) fn fields<T: DeserializeOwned>(&self, keys: &[crate::fault::Key]) -> Result<T, ScenarioError> {
        let needed = crate::fault::Without::Mistake;
        if let Some(key) = keys.iter().find(|key| key.without == needed && self.get(key.name).is_none()) {
            self.node(key.name)?;
        }
        let fields: Vec<_> = keys.iter().filter_map(|key| Some((key.name, self.get(key.name)?))).collect();
        read_fields(self.place, &fields)
    }

    /// The items of a list of tables, none when the key is missing.
    pub(crate) fn items(&self, key: &str) -> Result<&'a [LocatedValue], ScenarioError> {
        self.get(key).map_or(Ok(&[]), |node| Self::items_of(node, key))
    }

    /// The items of a list of tables.
    pub(crate) fn items_of(node: &'a LocatedValue, key: &str) -> Result<&'a [LocatedValue], ScenarioError> {
        match &node.value {
            Value::Array(items) => Ok(items),
            Value::Scalar(_) | Value::Table(_) => {
                Err(node.place.error(format!("`{key}` is a list of tables: write [[{key}]]")))
            }
        }
    }

    /// The tables of `{ one_of = [...] }`; `None` for a value of another form.
    pub(crate) fn choices(node: &'a LocatedValue, what: &'a str) -> Result<Option<&'a [LocatedValue]>, ScenarioError> {
        let Some(choices) = node.get("one_of") else { return Ok(None) };
        Self::any(node, what)?.only(&["one_of"])?;
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
    pub(crate) fn named(&self, key: &str) -> Result<Vec<(&'a str, &'a Place, &'a LocatedValue)>, ScenarioError> {
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
            let with = |section: &Self, item: &'a LocatedValue| {
                let mut section = section.clone();
                section.entries.insert(key, (place, item));
                section
            };
            combined = combined.iter().flat_map(|section| items.iter().map(move |item| with(section, item))).collect();
        }
        Ok(combined)
    }
}

fn read_as<T: DeserializeOwned>(node: &LocatedValue, key: &str) -> Result<T, ScenarioError> {
    read(node).map_err(|error| about(key, error))
}

/// Names the key in what is said about its value.
pub(crate) fn about(key: &str, error: ScenarioError) -> ScenarioError {
    ScenarioError { sentence: format!("`{key}`: {}", error.sentence), ..error }
}
