//! Which messages and events are meant, by what they say. Triggers and sources of facts read the same patterns.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Conditions on what a message says. All must hold; without any, every message is meant.
///
/// A message that holds JSON is that JSON; any other is one string, to which the pointer `""` leads.
///
/// ```
/// use halfopen::fault::{Pattern, Wanted};
///
/// let result = Pattern::default().with("type", Wanted::Is("result".into())).with("/error", Wanted::Absent);
/// assert!(result.matches_text(r#"{"type":"result","job_id":"job-1"}"#));
/// assert!(!result.matches_text(r#"{"type":"result","error":"timeout"}"#));
/// assert_eq!(result.to_string(), "no error and type=result");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern(BTreeMap<String, Wanted>);

/// What a place in a message must hold. `null` is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This text, number or truth.
    Is(String),
    /// Something, and not this.
    IsNot(String),
    /// Something.
    Present,
    /// Nothing.
    Absent,
}

impl Pattern {
    /// Adds a condition. `place` is a JSON pointer (RFC 6901) or the name of a field of the whole.
    #[must_use]
    pub fn with(mut self, place: &str, wanted: Wanted) -> Self {
        self.0.insert(pointer(place), wanted);
        self
    }

    /// Whether every message is meant.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// The conditions, by their pointers.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &Wanted)> {
        self.0.iter().map(|(pointer, wanted)| (pointer.as_str(), wanted))
    }

    /// Whether a document is meant.
    pub fn matches(&self, document: &Value) -> bool {
        self.0.iter().all(|(pointer, wanted)| wanted.is_met_by(text_at(document, pointer).as_deref()))
    }

    /// Whether what stands at each place, by its pointer, is what is wanted there.
    pub(crate) fn holds(&self, at: impl Fn(&str) -> Option<String>) -> bool {
        self.0.iter().all(|(pointer, wanted)| wanted.is_met_by(at(pointer).as_deref()))
    }

    /// Whether the message that consists of a text is meant.
    pub fn matches_text(&self, text: &str) -> bool {
        self.is_any() || self.matches(&document_of(text))
    }
}

impl Wanted {
    /// The condition that a value in a file stands for: `!x` is anything but `x`.
    pub fn of_text(text: &str) -> Self {
        match text.strip_prefix('!') {
            Some(unwanted) => Self::IsNot(unwanted.to_owned()),
            None => Self::Is(text.to_owned()),
        }
    }

    fn is_met_by(&self, text: Option<&str>) -> bool {
        match self {
            Self::Is(wanted) => text == Some(wanted),
            Self::IsNot(unwanted) => text.is_some_and(|text| text != unwanted),
            Self::Present => text.is_some(),
            Self::Absent => text.is_none(),
        }
    }
}

/// What a place must hold, as a file writes it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Whole(i64),
    Truth(bool),
    Presence { present: bool },
}

/// Patterns as the values of files.
pub(crate) mod written {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Pattern, Wanted, Written};

    pub(crate) fn serialize<S: Serializer>(pattern: &Pattern, serializer: S) -> Result<S::Ok, S::Error> {
        let written = pattern.conditions().map(|(pointer, wanted)| {
            let wanted = match wanted {
                Wanted::Is(text) => Written::Text(text.clone()),
                Wanted::IsNot(text) => Written::Text(format!("!{text}")),
                Wanted::Present => Written::Presence { present: true },
                Wanted::Absent => Written::Presence { present: false },
            };
            (pointer, wanted)
        });
        written.collect::<BTreeMap<_, _>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
        Ok(written.into_iter().fold(Pattern::default(), |pattern, (place, wanted)| {
            let wanted = match wanted {
                Written::Text(text) => Wanted::of_text(&text),
                Written::Whole(number) => Wanted::Is(number.to_string()),
                Written::Truth(truth) => Wanted::Is(truth.to_string()),
                Written::Presence { present: true } => Wanted::Present,
                Written::Presence { present: false } => Wanted::Absent,
            };
            pattern.with(&place, wanted)
        }))
    }
}

/// `type=result and no error`.
impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (nth, (pointer, wanted)) in self.0.iter().enumerate() {
            let and = if nth == 0 { "" } else { " and " };
            let name = name_of(pointer);
            match wanted {
                Wanted::Is(text) => write!(f, "{and}{name}={text}")?,
                Wanted::IsNot(text) => write!(f, "{and}{name}!={text}")?,
                Wanted::Present => write!(f, "{and}some {name}")?,
                Wanted::Absent => write!(f, "{and}no {name}")?,
            }
        }
        Ok(())
    }
}

/// What a text holds: JSON, or itself when it is none.
pub(crate) fn document_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The text of what a pointer leads to; a string without its quotes.
pub(crate) fn text_at(document: &Value, pointer: &str) -> Option<String> {
    match document.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The pointer to a place: what neither is empty nor begins with a slash is a field of the whole.
pub(crate) fn pointer(place: &str) -> String {
    if place.is_empty() || place.starts_with('/') {
        return place.to_owned();
    }
    format!("/{}", place.replace('~', "~0").replace('/', "~1"))
}

/// How a sentence calls a place: by its name if it is a field of the whole.
fn name_of(pointer: &str) -> &str {
    match pointer.strip_prefix('/') {
        Some(name) if !name.contains(['/', '~']) => name,
        Some(_) => pointer,
        None => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = r#"{"type":"result","seq":7,"final":true,"error":null,"a/b":{"c":"d"}}"#;

    #[test]
    fn every_condition_must_hold() {
        let is = |place: &str, text: &str| Pattern::default().with(place, Wanted::of_text(text)).matches_text(RESULT);
        for (place, text) in
            [("type", "result"), ("/type", "result"), ("seq", "7"), ("final", "true"), ("/a~1b/c", "d")]
        {
            assert!(is(place, text), "{place}");
            assert!(!is(place, &format!("!{text}")), "{place}");
            assert!(!is(place, "other"), "{place}");
            assert!(is(place, "!other"), "{place}");
        }
        assert!(!is("missing", "!other"), "what is not there is not another value");
        let both = Pattern::default().with("type", Wanted::Is("result".to_owned()));
        assert!(both.matches_text(RESULT));
        assert!(!both.with("seq", Wanted::Is("8".to_owned())).matches_text(RESULT));
    }

    #[test]
    fn a_field_without_a_value_is_absent() {
        let has = |place: &str, wanted| Pattern::default().with(place, wanted).matches_text(RESULT);
        assert!(has("type", Wanted::Present) && !has("type", Wanted::Absent));
        assert!(has("error", Wanted::Absent) && !has("error", Wanted::Present));
        assert!(has("a/b", Wanted::Present) && has("c", Wanted::Absent));
    }

    #[test]
    fn what_is_no_json_is_one_string() {
        let done = Pattern::default().with("", Wanted::Is("[DONE]".to_owned()));
        assert!(done.matches_text("[DONE]") && !done.matches_text("{}"));
        assert!(!Pattern::default().with("type", Wanted::IsNot("x".to_owned())).matches_text("type"));
        assert!(Pattern::default().matches_text("anything"));
    }

    #[test]
    fn a_pattern_reads_as_its_conditions() {
        let pattern = Pattern::default()
            .with("type", Wanted::Is("result".to_owned()))
            .with("/a/b", Wanted::IsNot("c".to_owned()))
            .with("id", Wanted::Present)
            .with("", Wanted::Absent);
        assert_eq!(pattern.to_string(), "no text and /a/b!=c and some id and type=result");
    }
}
