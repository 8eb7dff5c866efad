//! Types out of a document, with the line and the known words in every error.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::{Entry, LocatedValue, Place, Value};
use super::error::{ScenarioError, unknown};

/// Reads a value.
pub(crate) fn read<T: DeserializeOwned>(node: &LocatedValue) -> Result<T, ScenarioError> {
    T::deserialize(Typed(node)).map_err(|misread| {
        let place = misread.place.as_ref().unwrap_or(&node.place);
        place.error_meaning((misread.sentence, misread.suggestion))
    })
}

/// Reads the values of a table's keys into the fields of a type. What is said of a value names its key.
pub(crate) fn read_fields<T: DeserializeOwned>(
    place: &Place,
    fields: &[(&str, &LocatedValue)],
) -> Result<T, ScenarioError> {
    T::deserialize(Fields(fields)).map_err(|misread| {
        let place = misread.place.as_ref().unwrap_or(place);
        place.error_meaning((misread.sentence, misread.suggestion))
    })
}

#[derive(Debug)]
struct Misread {
    place: Option<Place>,
    sentence: String,
    suggestion: Option<String>,
}

impl Misread {
    fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }
}

impl std::error::Error for Misread {}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Error for Misread {
    fn custom<T: fmt::Display>(sentence: T) -> Self {
        Self { place: None, sentence: sentence.to_string(), suggestion: None }
    }

    fn invalid_type(found: Unexpected, expected: &dyn Expected) -> Self {
        // What serde calls by the name of Rust's type is a number to the author of a scenario.
        let wanted = expected.to_string();
        if let Some(sentence) = in_other_words(found, &wanted) {
            return Self::custom(sentence);
        }
        let wanted = match wanted.as_str() {
            "u8" => "a whole number from 0 to 255".to_owned(),
            "u16" => "a whole number from 0 to 65535".to_owned(),
            "u32" | "u64" | "usize" => "a whole number from 0".to_owned(),
            "i32" | "i64" => "a whole number".to_owned(),
            "a sequence" => "a list".to_owned(),
            "a boolean" => "true or false".to_owned(),
            "a map" => "a table".to_owned(),
            other if other.starts_with("struct ") => "a table".to_owned(),
            other => other.to_owned(),
        };
        let found = match found {
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a table".to_owned(),
            Unexpected::Bool(truth) => truth.to_string(),
            Unexpected::Float(number) => format!("the number {number}"),
            other => other.to_string(),
        };
        Self::custom(format!("expected {wanted}, found {found}"))
    }

    fn invalid_value(found: Unexpected, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.iter().copied();
        let (sentence, suggestion) = unknown(format!("there is no `{variant}` here"), variant, known);
        Self { place: None, sentence, suggestion }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.iter().copied();
        let (sentence, suggestion) = unknown(format!("there is no key `{field}` here"), field, known);
        Self { place: None, sentence, suggestion }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("`{field}` is missing"))
    }
}

/// What is to be written instead, where that is known.
fn in_other_words(found: Unexpected, wanted: &str) -> Option<String> {
    let listed = match found {
        Unexpected::Str(text) => Some(format!("[\"{text}\"]")),
        Unexpected::Signed(number) => Some(format!("[{number}]")),
        Unexpected::Unsigned(number) => Some(format!("[{number}]")),
        _ => None,
    };
    match (wanted, found) {
        ("a sequence", _) => listed.map(|form| format!("this is a list: write {form}")),
        ("u8" | "u16" | "u32" | "u64" | "usize", Unexpected::Str(text)) if text.parse::<u64>().is_ok() => {
            Some(format!("this is a number: write {text}, without quotes"))
        }
        ("a duration", Unexpected::Signed(number)) => {
            Some(format!("`{number}` has no unit; durations are written as 20ms, 5s or 30min"))
        }
        ("a duration", Unexpected::Str(text)) => {
            Some(format!("`{text}` is no duration; durations are written as 20ms, 5s or 30min"))
        }
        ("newtype variant", _) => {
            Some("this word has a value: write it as a table, as in `{ inside = 12 }`".to_owned())
        }
        ("unit variant" | "unit", _) => Some("this word has no value: write it alone, in quotes".to_owned()),
        _ => None,
    }
}

struct Typed<'a>(&'a LocatedValue);

impl<'de> Deserializer<'de> for Typed<'_> {
    type Error = Misread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        let result = match &self.0.value {
            Value::Scalar(toml::Value::String(text)) => visitor.visit_str(text),
            Value::Scalar(toml::Value::Integer(number)) => visitor.visit_i64(*number),
            Value::Scalar(toml::Value::Float(number)) => visitor.visit_f64(*number),
            Value::Scalar(toml::Value::Boolean(truth)) => visitor.visit_bool(*truth),
            Value::Scalar(other) => visitor.visit_string(other.to_string()),
            Value::Array(items) => visitor.visit_seq(Items(items.iter())),
            Value::Table(entries) => visitor.visit_map(Pairs { entries: entries.iter(), open: None }),
        };
        result.map_err(|misread| misread.at(&self.0.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        let result = match &self.0.value {
            Value::Scalar(toml::Value::String(text)) => visitor.visit_enum(StrDeserializer::new(text)),
            Value::Table(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Pairs { entries: entries.iter(), open: None }))
            }
            Value::Table(_) | Value::Array(_) | Value::Scalar(_) => {
                Err(Misread::custom(format!("expected a word, found {}", kind(self.0))))
            }
        };
        result.map_err(|misread| misread.at(&self.0.place))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// What a value is, in words.
pub(crate) fn kind(node: &LocatedValue) -> &'static str {
    match &node.value {
        Value::Scalar(toml::Value::String(_)) => "a string",
        Value::Scalar(toml::Value::Integer(_) | toml::Value::Float(_)) => "a number",
        Value::Scalar(toml::Value::Boolean(_)) => "true or false",
        Value::Scalar(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

struct Items<'a>(std::slice::Iter<'a, LocatedValue>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Misread;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misread> {
        self.0.next().map(|item| seed.deserialize(Typed(item))).transpose()
    }
}

struct Pairs<'a> {
    entries: std::slice::Iter<'a, Entry>,
    /// The entry whose key has been read and whose value has not.
    open: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Misread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misread> {
        self.open = self.entries.next();
        let Some(entry) = self.open else { return Ok(None) };
        let key = seed.deserialize(StrDeserializer::<Misread>::new(&entry.key));
        key.map(Some).map_err(|misread| misread.at(&entry.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misread> {
        let entry = self.open.take().ok_or_else(|| Misread::custom("a value was asked for before its key"))?;
        seed.deserialize(Typed(&entry.node))
    }
}

/// The keys of a table with their values, as the fields of a struct.
struct Fields<'a>(&'a [(&'a str, &'a LocatedValue)]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Misread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_map(Named { fields: self.0.iter(), open: None })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Named<'a> {
    fields: std::slice::Iter<'a, (&'a str, &'a LocatedValue)>,
    /// The field whose key has been read and whose value has not.
    open: Option<&'a (&'a str, &'a LocatedValue)>,
}

impl<'de> MapAccess<'de> for Named<'_> {
    type Error = Misread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misread> {
        self.open = self.fields.next();
        let Some((key, node)) = self.open else { return Ok(None) };
        let key = seed.deserialize(StrDeserializer::<Misread>::new(key));
        key.map(Some).map_err(|misread| misread.at(&node.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misread> {
        let (key, node) = self.open.take().ok_or_else(|| Misread::custom("a value was asked for before its key"))?;
        seed.deserialize(Typed(node)).map_err(|misread| {
            let sentence = format!("`{key}`: {}", misread.sentence);
            Misread { sentence, ..misread.at(&node.place) }
        })
    }
}
