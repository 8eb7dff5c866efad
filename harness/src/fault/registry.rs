//! The verbs that scenarios may use: those of this crate, and those that a catalogue adds.

use std::fmt;

use super::act::{Act, Target};
use super::place::Place;
use super::{Key, Verb, verbs};
use crate::name::Link;
use crate::scenario::{ScenarioError, Section};

/// Every verb that a scenario may use, by its word. It feeds the parser, the documents and the tests about them.
///
/// ```
/// use halfopen::fault::Registry;
///
/// let registry = Registry::default();
/// assert_eq!(registry.entry("reset").unwrap().place(), "link");
/// ```
#[derive(Clone)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One word under `do`.
#[derive(Clone, Copy)]
pub struct Entry {
    word: &'static str,
    does: &'static str,
    keys: &'static [Key],
    place: &'static str,
    strikes: &'static str,
    read: Read,
}

/// Reads the parameters of a verb, and puts it at a target; `None` if it cannot strike there.
pub(super) type Read = fn(&Section<'_>, Target<'_>) -> Result<Option<Act>, ScenarioError>;

impl Entry {
    /// The entry of a verb that is read field by field.
    pub(super) const fn of<V: Verb>() -> Self {
        Self::read_by::<V>(by_field::<V>)
    }

    /// The entry of a verb, or of several of one word, that a function of its own reads.
    pub(super) const fn read_by<V: Verb>(read: Read) -> Self {
        let (place, strikes) = (<V::Place as Place<V>>::KEY, <V::Place as Place<V>>::STRIKES);
        Self { word: V::WORD, does: V::DOES, keys: V::KEYS, place, strikes, read }
    }

    /// The word under `do`.
    pub fn word(&self) -> &'static str {
        self.word
    }

    /// What it does, as a fragment without a full stop.
    pub fn does(&self) -> &'static str {
        self.does
    }

    /// The keys that may stand beside `do`.
    pub fn keys(&self) -> &'static [Key] {
        self.keys
    }

    /// The key that names what it strikes: `link`, `between` or `host`.
    pub fn place(&self) -> &'static str {
        self.place
    }

    /// What it strikes, in words: `open connections`, `hosts`.
    pub fn strikes(&self) -> &'static str {
        self.strikes
    }

    /// Finds the first mistake in the verb's parameters, which have been found to be among its keys.
    pub(crate) fn check(&self, section: &Section<'_>) -> Result<(), ScenarioError> {
        let link = Link { client: "client".into(), server: "server".into() };
        // Whether it fits what it will strike is not asked.
        self.read(section, Target::Link { link: &link, connection: None }).map(drop)
    }

    /// Reads the verb's parameters, which have been found to be among its keys.
    pub(crate) fn read(&self, section: &Section<'_>, target: Target<'_>) -> Result<Option<Act>, ScenarioError> {
        (self.read)(section, target)
    }
}

fn by_field<V: Verb>(section: &Section<'_>, target: Target<'_>) -> Result<Option<Act>, ScenarioError> {
    section.fields(V::KEYS).map(|verb: V| Act::at(target, verb))
}

impl Default for Registry {
    /// The verbs of this crate.
    fn default() -> Self {
        Self { entries: verbs::ALL.to_vec() }
    }
}

impl Registry {
    /// Adds a verb.
    ///
    /// # Panics
    /// If its word is taken, is no word, or is so near to that of a verb of this crate that it would pass for that verb
    /// misspelt.
    pub(crate) fn add<V: Verb>(&mut self) {
        let word = V::WORD;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(
            !word.is_empty() && word.bytes().all(is_plain),
            "`{word}` cannot name a verb: verbs are made of small letters, digits and `_`"
        );
        let ours = verbs::ALL.iter().map(Entry::word);
        if let Some(near) = crate::scenario::nearest(word, ours) {
            panic!("a verb cannot be registered as `{word}`: that is the verb `{near}`, or `{near}` misspelt");
        }
        let reserved = crate::scenario::BESIDE_A_VERB;
        let clash = V::KEYS.iter().find(|key| key.name == "do" || reserved.contains(&key.name));
        assert!(clash.is_none(), "the verb `{word}` cannot have the key {clash:?}: every fault has it");
        assert!(self.entry(word).is_none(), "two verbs are registered as `{word}`");
        self.entries.push(Entry::of::<V>());
    }

    /// The verbs, in the order in which documents list them.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The verb of a word.
    pub fn entry(&self, word: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.word == word)
    }

    /// Every word.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + Clone + '_ {
        self.entries.iter().map(Entry::word)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.words()).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("word", &self.word)
            .field("place", &self.place)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
