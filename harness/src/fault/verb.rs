//! What a verb is: its word, its keys, and the questions that every part of the harness asks of it.

use std::any::Any;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::place::Place;
use super::{Key, Trigger};

/// A verb: a type whose fields are the keys that stand beside `do` in a file. It implements this trait and the trait of the
/// place where it strikes, such as [`ConnectionVerb`](super::ConnectionVerb); a list of all verbs exists in one place only,
/// the [`Registry`](super::Registry).
///
/// It is read and written with serde: each key of [`KEYS`](Self::KEYS) is a field of this name, and each field is a key.
pub trait Verb: fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where it strikes.
    type Place: Place<Self>;
    /// The word under `do`.
    const WORD: &'static str;
    /// What it does, as a fragment without a full stop.
    const DOES: &'static str;
    /// What stands beside `do`.
    const KEYS: &'static [Key];

    /// What a story shows in brackets behind the word; nothing that is as usual.
    fn arguments(&self) -> Vec<String> {
        self.written().into_iter().map(|(key, value)| format!("{key} {value}")).collect()
    }

    /// What is wrong with its values beyond what [`KEYS`](Self::KEYS) says.
    fn mistake(&self) -> Option<Mistake> {
        None
    }

    /// Why it cannot strike at a trigger, as a sentence without a full stop; `None` if it can.
    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        let _ = trigger;
        None
    }

    /// After which time it ends by itself.
    fn lasts(&self) -> Option<Duration> {
        None
    }

    /// Its keys as a plan writes them, defaults included: what a plan means must not change with a default.
    ///
    /// # Panics
    /// If a field is no key of [`KEYS`](Self::KEYS), or cannot be written as TOML.
    fn written(&self) -> Vec<(&'static str, Value)> {
        if Self::KEYS.is_empty() {
            return Vec::new();
        }
        let mut fields = Table::try_from(self)
            .unwrap_or_else(|error| panic!("the fields of `{}` cannot be written as TOML: {error}", Self::WORD));
        let keys = Self::KEYS.iter().filter_map(|key| Some((key.name, fields.remove(key.name)?))).collect();
        assert!(fields.is_empty(), "`{}` has fields that are none of its keys: {fields}", Self::WORD);
        keys
    }
}

/// What is wrong with the value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which key.
    pub key: &'static str,
    /// What is wrong, as a sentence without a full stop.
    pub sentence: String,
}

impl Mistake {
    /// A mistake in the value of a key.
    pub fn new(key: &'static str, sentence: impl Into<String>) -> Self {
        Self { key, sentence: sentence.into() }
    }
}

/// What can be asked of every verb when its type is not known. Each [`Verb`] answers.
pub trait AnyVerb: fmt::Debug + Any + Send + Sync {
    /// The word under `do`.
    fn word(&self) -> &'static str;
    /// What may stand beside `do`.
    fn takes(&self) -> &'static [Key];
    /// What stands beside `do` in a plan, defaults included.
    fn keys(&self) -> Vec<(&'static str, Value)>;
    /// What a story shows in brackets.
    fn details(&self) -> Vec<String>;
    /// What is wrong with its values.
    fn flaw(&self) -> Option<Mistake>;
    /// Why it cannot strike at a trigger.
    fn refusal(&self, trigger: &Trigger) -> Option<String>;
    /// After which time it ends by itself.
    fn duration(&self) -> Option<Duration>;
}

impl<V: Verb> AnyVerb for V {
    fn word(&self) -> &'static str {
        V::WORD
    }

    fn takes(&self) -> &'static [Key] {
        V::KEYS
    }

    fn keys(&self) -> Vec<(&'static str, Value)> {
        self.written()
    }

    fn details(&self) -> Vec<String> {
        self.arguments()
    }

    fn flaw(&self) -> Option<Mistake> {
        self.mistake()
    }

    fn refusal(&self, trigger: &Trigger) -> Option<String> {
        self.refuses(trigger)
    }

    fn duration(&self) -> Option<Duration> {
        self.lasts()
    }
}

impl dyn AnyVerb {
    /// The verb as its own type, if it is of this one.
    pub fn downcast_ref<V: Verb>(&self) -> Option<&V> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }
}

/// A verb with its arguments: `close(1000, "idle")`, `half_open(blackhole)`.
///
/// ```
/// use halfopen::fault::{AnyVerb, Close, Ends};
///
/// let close = Close { code: Some(1000), reason: "idle".into(), to: Ends::Both };
/// let verb: &dyn AnyVerb = &close;
/// assert_eq!(verb.to_string(), r#"close(1000, "idle")"#);
/// ```
impl Display for dyn AnyVerb {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (word, details) = (self.word(), self.details());
        f.pad(&if details.is_empty() { word.to_owned() } else { format!("{word}({})", details.join(", ")) })
    }
}

impl PartialEq for dyn AnyVerb {
    fn eq(&self, other: &Self) -> bool {
        self.word() == other.word() && self.keys() == other.keys()
    }
}
