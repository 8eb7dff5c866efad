//! One upstream event, read as far as the relay has to know it and no further.
//!
//! Every token of every stream comes through here. So the JSON is checked in one pass that builds nothing but the list of
//! choices; what an event says is no business of the gateway's, and neither are members that it does not know.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::core::said::Said;

/// One upstream event, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// A part of the answer.
    Part(Part),
    /// The upstream reports an error, in its own words.
    Error(Said),
    /// The terminator.
    Done,
    /// Nothing that the protocol knows.
    Malformed,
}

/// What a part of the answer tells of the answer's progress.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The choices that it belongs to.
    pub(crate) choices: Vec<Choice>,
    /// Whether it has the usage.
    pub(crate) has_usage: bool,
    has_error: bool,
}

/// A choice in one part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Which one; 0 if the part does not say.
    pub(crate) index: u64,
    /// Whether this is its end.
    pub(crate) is_finished: bool,
}

impl Chunk {
    /// Reads the event of this name with these data.
    pub(crate) fn read(name: &str, data: &str) -> Self {
        if data.trim() == "[DONE]" {
            return Self::Done;
        }
        if name == "error" {
            return Self::error(data);
        }
        match serde_json::from_str::<Part>(data) {
            Ok(part) if part.has_error => Self::error(data),
            Ok(part) => Self::Part(part),
            Err(_) => Self::Malformed,
        }
    }

    fn error(data: &str) -> Self {
        let Ok(value) = serde_json::from_str::<Value>(data) else { return Self::Error(Said::from(data)) };
        let error = value.get("error").filter(|error| !error.is_null());
        Self::Error(Said::read(error.unwrap_or(&value)))
    }
}

/// A value, as far as anything here depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Null,
    Index(u64),
    Text,
    Object,
    Other,
}

/// The visits by which a value of the wrong type is taken for one that says nothing: a backend's slip in a member that
/// only counts progress must not end an answer.
macro_rules! says_nothing {
    ($($visit:ident($type:ty))*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }

        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Part, A::Error> {
                let mut part = Part::default();
                while let Some(name) = members.next_key::<Member>()? {
                    match name {
                        Member::Choices => part.choices = members.next_value::<Choices>()?.0,
                        Member::Usage => part.has_usage = members.next_value::<Shape>()? == Shape::Object,
                        Member::Error => part.has_error = members.next_value::<Shape>()? != Shape::Null,
                        Member::Unknown => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(part)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Member {
    Choices,
    Usage,
    Error,
    #[serde(other)]
    Unknown,
}

#[derive(Default)]
struct Choices(Vec<Choice>);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> Visitor<'de> for Elements {
            type Value = Choices;

            says_nothing! { visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Choices, A::Error> {
                let mut choices = Vec::new();
                while let Some(choice) = elements.next_element()? {
                    choices.push(choice);
                }
                Ok(Choices(choices))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Choices, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Choices::default())
            }
        }

        deserializer.deserialize_any(Elements)
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Choice;

            says_nothing! { visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Choice, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Choice::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Choice, A::Error> {
                let mut choice = Choice::default();
                while let Some(name) = members.next_key::<ChoiceMember>()? {
                    match name {
                        ChoiceMember::Index => {
                            let shape = members.next_value::<Shape>()?;
                            choice.index = if let Shape::Index(index) = shape { index } else { 0 };
                        }
                        ChoiceMember::FinishReason => {
                            choice.is_finished = members.next_value::<Shape>()? == Shape::Text;
                        }
                        ChoiceMember::Unknown => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(choice)
            }
        }

        deserializer.deserialize_any(Members)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ChoiceMember {
    Index,
    FinishReason,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;

        impl<'de> Visitor<'de> for Anything {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Null)
            }

            fn visit_u64<E>(self, index: u64) -> Result<Shape, E> {
                Ok(Shape::Index(index))
            }

            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::Text)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Shape, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Shape::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Shape::Object)
            }
        }

        deserializer.deserialize_any(Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_tells_which_choices_it_belongs_to_and_which_of_them_end() {
        let read = part(
            r#"{"id":"x","choices":[{"index":1,"delta":{"content":"a"},"finish_reason":null},{"index":2,"finish_reason":"stop"}]}"#,
        );
        assert_eq!(read.choices, [choice(1, false), choice(2, true)]);
        assert!(!read.has_usage);
        let last = part(r#"{"choices":[],"usage":{"total_tokens":3},"error":null}"#);
        assert_eq!((last.choices, last.has_usage), (Vec::new(), true));
    }

    #[test]
    fn a_member_of_the_wrong_type_says_nothing() {
        for choices in ["null", "7", "-7", "0.5", "true", r#""x""#, r#"{"index":3}"#] {
            assert_eq!(part(&format!(r#"{{"choices":{choices},"usage":[1]}}"#)), Part::default(), "{choices}");
        }
        for odd in ["null", "7", "-7", "0.5", "true", r#""x""#, "[1,[2]]", "{}"] {
            assert_eq!(part(&format!(r#"{{"choices":[{odd}]}}"#)).choices, [choice(0, false)], "{odd}");
        }
        for (member, is_finished) in
            [("null", false), ("7", false), ("-7", false), ("0.5", false), (r#""\u006b""#, true)]
        {
            let read = part(&format!(r#"{{"choices":[{{"finish_reason":{member},"index":{member}}}]}}"#));
            assert_eq!(read.choices, [choice(if member == "7" { 7 } else { 0 }, is_finished)], "{member}");
        }
    }

    #[test]
    fn of_a_member_that_comes_twice_the_last_one_counts() {
        let read = part(r#"{"error":{},"choices":[{"index":1}],"choices":[{"index":2,"index":3}],"error":null}"#);
        assert_eq!(read.choices, [choice(3, false)]);
    }

    #[test]
    fn what_is_no_object_or_no_json_is_malformed() {
        for data in ["[]", "7", "null", r#""x""#, "{", r#"{"choices":[{"index":0}"#, "{} {}", r#"{"a":tru}"#, "[DONE"] {
            assert_eq!(Chunk::read("", data), Chunk::Malformed, "{data}");
        }
    }

    #[test]
    fn errors_are_found_by_their_member_and_by_the_events_name() {
        for (name, data) in [
            ("", r#"{"choices":[],"error":{"message":"no"}}"#),
            ("", r#"{"error":"no"}"#),
            ("error", r#"{"message":"no"}"#),
            ("error", r#"{"error":{"message":"no"}}"#),
            ("error", "no"),
        ] {
            assert_eq!(Chunk::read(name, data), Chunk::Error(Said::from("no")), "{name} {data}");
        }
        assert_eq!(Chunk::read("error", " [DONE] "), Chunk::Done);
    }

    #[track_caller]
    fn part(data: &str) -> Part {
        match Chunk::read("", data) {
            Chunk::Part(part) => part,
            other => panic!("{data} is read as {other:?}"),
        }
    }

    fn choice(index: u64, is_finished: bool) -> Choice {
        Choice { index, is_finished }
    }
}
