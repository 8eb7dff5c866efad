//! What does not fit in a host's configuration, in the words in which mistakes of scenarios are told.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::scenario::{Entry as TableEntry, LocatedValue, Place, Value as TableValue, as_key, read_value};

/// A key or value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The way to it below `config`, as in `retries/first` for a value and `retries/first/` for a key; empty for the whole table.
    pub(crate) path: String,
    pub(crate) sentence: String,
    pub(crate) suggestion: Option<String>,
}

/// Looks for what keeps a table from being read as a type; `error` is what TOML's own reader says of it.
pub(crate) fn misfit<T: DeserializeOwned>(table: &toml::Table, error: &toml::de::Error) -> Misfit {
    // Each part is on a line of its own, so that the line tells the part.
    let mut paths = vec![String::new()];
    let node = numbered(&toml::Value::Table(table.clone()), String::new(), &mut paths);
    match read_value::<T>(&node) {
        Err(found) => {
            let at = usize::try_from(found.line).unwrap_or(0).saturating_sub(1);
            Misfit {
                path: paths.get(at).cloned().unwrap_or_default(),
                sentence: found.sentence,
                suggestion: found.suggestion,
            }
        }
        // What fits here and not there is something that only TOML's reader knows, such as a date.
        Ok(_) => Misfit { path: String::new(), sentence: error.message().to_owned(), suggestion: None },
    }
}

/// The parts of a value, with the number of each in `paths` as its line.
fn numbered(value: &toml::Value, path: String, paths: &mut Vec<String>) -> LocatedValue {
    let place_of_value = place(paths);
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") };
    let value = match value {
        toml::Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| {
                let way = below(key);
                paths.push(as_key(&way));
                let place = place(paths);
                paths.push(way.clone());
                TableEntry { key: key.clone(), place, node: numbered(value, way, paths) }
            });
            TableValue::Table(entries.collect())
        }
        toml::Value::Array(items) => {
            let nodes = items.iter().enumerate().map(|(index, item)| {
                let way = below(&index.to_string());
                paths.push(way.clone());
                numbered(item, way, paths)
            });
            TableValue::Array(nodes.collect())
        }
        scalar => TableValue::Scalar(scalar.clone()),
    };
    LocatedValue { place: place_of_value, value }
}

/// A place whose line is the number of the path that was pushed last.
fn place(paths: &[String]) -> Place {
    let line = u32::try_from(paths.len()).unwrap_or(u32::MAX);
    Place { file: Arc::from(Path::new("config")), line, column: 1, width: 1 }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "they are only read")]
    struct Config {
        listen: std::net::SocketAddr,
        #[serde(default)]
        retries: Retries,
        #[serde(default)]
        peers: Vec<u16>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Retries {
        first: u32,
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_way_to_it() {
        let of = |text: &str| {
            let table: toml::Table = toml::from_str(text).expect("it is TOML");
            let error = table.clone().try_into::<Config>().expect_err("it does not fit");
            let Misfit { path, sentence, suggestion } = misfit::<Config>(&table, &error);
            (path, sentence, suggestion.unwrap_or_default())
        };
        let listen = "listen = '0.0.0.0:80'\n";
        assert_eq!(of("listen = '0.0.0.0'").0, "listen");
        assert_eq!(of(&format!("{listen}lissten = 1")).2, "listen");
        assert_eq!(of(&format!("{listen}lissten = 1")).0, "lissten/", "the key, and not its value");
        let (path, sentence, suggestion) = of(&format!("{listen}[retries]\nfrist = 1"));
        assert_eq!((path.as_str(), suggestion.as_str()), ("retries/frist/", "first"), "{sentence}");
        let (path, sentence, _) = of(&format!("{listen}peers = [1, 'two']"));
        assert_eq!(path, "peers/1");
        assert!(sentence.contains("a whole number from 0 to 65535"), "{sentence}");
        assert_eq!(of("").1, "`listen` is missing");
    }
}
