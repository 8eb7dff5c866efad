//! What a script says at a time, in one line: `"30s: we were cut off"`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Reads a list whose entries are lines or tables. A line is a table with the keys `at` and `text` alone.
///
/// # Errors
/// If an entry is neither, or its table is none that is wanted.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let entries = Vec::<Entry<T>>::deserialize(deserializer)?;
    Ok(entries.into_iter().map(|Entry(entry)| entry).collect())
}

struct Entry<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData)).map(Self)
    }
}

struct Either<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line as in \"30s: we were cut off\", or a table")
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<T, E> {
        let (at, text) = line.split_once(": ").ok_or_else(|| {
            E::custom(format!("`{line}` does not say when: write the time before it, as in \"30s: {line}\""))
        })?;
        T::deserialize(MapDeserializer::new([("at", at), ("text", text)].into_iter()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(table))
    }
}

#[cfg(test)]
mod tests {
    use super::super::talker::Script;

    fn script(sentences: &str) -> Result<Script, String> {
        toml::from_str(&format!("sentences = {sentences}")).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_line_is_a_table_with_a_time_and_a_text() {
        let lines = script(r#"["1s: good morning", { at = "1min 30s", text = "again: hello" }]"#).expect("a script");
        let tables = script(r#"[{ at = "1s", text = "good morning" }, "90s: again: hello"]"#).expect("a script");
        assert_eq!(format!("{lines:?}"), format!("{tables:?}"));
    }

    #[test]
    fn what_is_neither_is_refused_in_words() {
        for (entry, sentence) in [
            (
                r#""good morning""#,
                "`good morning` does not say when: write the time before it, as in \"30s: good morning\"",
            ),
            (r#""soon: good morning""#, "invalid value: string \"soon\", expected a duration"),
            ("7", "invalid type: integer `7`, expected a line as in \"30s: we were cut off\", or a table"),
            (r#"{ at = "1s", text = "good", loud = true }"#, "unknown field `loud`, expected one of"),
        ] {
            let told = script(&format!("[{entry}]")).expect_err("it is refused");
            assert!(told.starts_with(sentence), "{told}");
        }
    }
}
