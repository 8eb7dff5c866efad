//! A TOML file in which every part knows its line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Flaw, Mistakes, ScenarioError};

/// A file and a line in it, from 1, and what is meant of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<Path>,
    pub(crate) line: u32,
    /// In characters, from 1.
    pub(crate) column: u32,
    /// In characters; what goes on in the next line counts up to the end of this one.
    pub(crate) width: u32,
}

impl Place {
    pub(crate) fn error(&self, sentence: impl Into<String>) -> ScenarioError {
        let Self { line, column, width, .. } = *self;
        ScenarioError {
            file: self.file.to_path_buf(),
            line,
            column,
            width,
            sentence: sentence.into(),
            suggestion: None,
        }
    }

    /// An error with what was probably meant.
    pub(crate) fn error_meaning(&self, (sentence, suggestion): (String, Option<String>)) -> ScenarioError {
        ScenarioError { suggestion, ..self.error(sentence) }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LocatedValue {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// No array and no table.
    Scalar(toml::Value),
    Array(Vec<LocatedValue>),
    /// In the order of the file.
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: LocatedValue,
}

impl LocatedValue {
    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// Every place at which it is no TOML.
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self, Mistakes> {
        let source = Source::new(text, file);
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut mistakes = Mistakes::default();
        mistakes.extend(errors.iter().map(|error| source.syntax_error(error)));
        mistakes.unless(())?;
        let (span, table) = (table.span(), table.into_inner());
        Ok(Self { place: source.place(&span), value: source.table(&table)? })
    }

    /// The value of a key of this table.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            Value::Scalar(_) | Value::Array(_) => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Table(entries) => entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node),
            Value::Scalar(_) | Value::Array(_) => None,
        }
    }

    /// The entries of the table under a key of this table, to be changed.
    pub(crate) fn table_of(&mut self, key: &str) -> Option<&mut Vec<Entry>> {
        match &mut self.get_mut(key)?.value {
            Value::Table(entries) => Some(entries),
            Value::Scalar(_) | Value::Array(_) => None,
        }
    }

    /// Lays a file over its base: tables are joined key by key, the file's own lists of tables (`[[facts]]`,
    /// `[[link]]`) follow those of its base, and for all else this file's word counts. A list in somebody's
    /// configuration is one value, so it is replaced.
    pub(crate) fn over(self, base: Self) -> Self {
        self.laid_over(base, Lists::Follow)
    }

    fn laid_over(self, base: Self, lists: Lists) -> Self {
        let value = match (self.value, base.value) {
            (Value::Table(own), Value::Table(base)) => Value::Table(join(own, base, lists)),
            (own, _) => own,
        };
        Self { place: self.place, value }
    }

    /// The same without places.
    pub(crate) fn plain(&self) -> toml::Value {
        match &self.value {
            Value::Scalar(scalar) => scalar.clone(),
            Value::Array(items) => toml::Value::Array(items.iter().map(Self::plain).collect()),
            Value::Table(entries) => {
                toml::Value::Table(entries.iter().map(|entry| (entry.key.clone(), entry.node.plain())).collect())
            }
        }
    }
}

/// What becomes of two lists of tables under one key.
#[derive(Clone, Copy)]
enum Lists {
    /// The own one follows that of the base.
    Follow,
    /// The own one takes the place of that of the base.
    Replace,
}

fn join(own: Vec<Entry>, base: Vec<Entry>, lists: Lists) -> Vec<Entry> {
    let mut joined = base;
    for entry in own {
        let Some(at) = joined.iter().position(|known| known.key == entry.key) else {
            joined.push(entry);
            continue;
        };
        let under = joined[at].node.clone();
        let node = match (lists, &entry.node.value, under.value) {
            (Lists::Follow, Value::Array(own), Value::Array(base)) if is_tables(own) && is_tables(&base) => {
                let both = base.into_iter().chain(own.iter().cloned()).collect();
                LocatedValue { place: entry.node.place, value: Value::Array(both) }
            }
            (_, _, value) => entry.node.laid_over(LocatedValue { place: under.place, value }, Lists::Replace),
        };
        joined[at] = Entry { key: entry.key, place: entry.place, node };
    }
    joined
}

fn is_tables(items: &[LocatedValue]) -> bool {
    !items.is_empty() && items.iter().all(|item| matches!(item.value, Value::Table(_)))
}

/// What word processors make of quotes.
const TYPOGRAPHIC: [char; 6] = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{201a}'];

struct Source<'a> {
    text: &'a str,
    file: Arc<Path>,
    /// Where each line but the first begins, in bytes.
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, file: &Path) -> Self {
        let line_starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { text, file: Arc::from(file), line_starts }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let earlier = self.line_starts.partition_point(|&start| start <= span.start);
        let begin = earlier.checked_sub(1).map_or(0, |line| self.line_starts[line]);
        let rest = self.text.get(begin..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let at = span.start.saturating_sub(begin).min(line.len());
        let end = span.end.saturating_sub(begin).clamp(at, line.len());
        let count = |text: Option<&str>| text.map_or(0, |text| text.chars().count());
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place {
            file: Arc::clone(&self.file),
            line: number(earlier + 1),
            column: number(count(line.get(..at)) + 1),
            width: number(count(line.get(at..end))),
        }
    }

    fn syntax_error(&self, error: &toml::de::Error) -> ScenarioError {
        let span = error.span().unwrap_or(0..0);
        let place = self.place(&span);
        match (error.message(), self.text.get(span)) {
            ("duplicate key", Some(key)) => place.error(format!("`{key}` is already described above")),
            (_, Some(text)) if text.contains(TYPOGRAPHIC) => {
                let straight = text.replace(TYPOGRAPHIC, "\"");
                place.error(format!("this is not TOML: `{text}` has typographic quotes; write {straight}"))
            }
            (message, _) => place.error(format!("this is not TOML: {message}")),
        }
    }

    fn table(&self, table: &DeTable) -> Result<Value, ScenarioError> {
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        let entries = keys.into_iter().map(|(key, value)| {
            let place = self.place(&key.span());
            let mut node = self.node(value)?;
            // A table that several headers share spans them all; what is meant is where it is first named.
            if let Value::Table(_) = node.value {
                node.place = place.clone();
            }
            Ok(Entry { key: key.get_ref().clone().into_owned(), place, node })
        });
        entries.collect::<Result<_, _>>().map(Value::Table)
    }

    fn node(&self, value: &Spanned<DeValue>) -> Result<LocatedValue, ScenarioError> {
        let place = self.place(&value.span());
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Scalar(toml::Value::String(text.clone().into_owned())),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Value::Scalar(toml::Value::Integer(number)),
                Err(_) => return Err(place.error(format!("the number {digits} is too large"))),
            },
            DeValue::Float(digits) => match digits.as_str().parse() {
                Ok(number) => Value::Scalar(toml::Value::Float(number)),
                Err(_) => return Err(place.error(format!("{digits} is no number"))),
            },
            DeValue::Boolean(truth) => Value::Scalar(toml::Value::Boolean(*truth)),
            DeValue::Datetime(datetime) => Value::Scalar(toml::Value::Datetime(*datetime)),
            DeValue::Array(items) => Value::Array(items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?),
            DeValue::Table(table) => self.table(table)?,
        };
        Ok(LocatedValue { place, value })
    }
}

/// Where the parts of a scenario are written. It is no part of what the scenario says: all are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    file: Option<Arc<Path>>,
    places: Arc<BTreeMap<String, Place>>,
    /// The place of each fault's table, where a table is several faults.
    fault_tables: Arc<[usize]>,
}

impl PartialEq for Lines {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Lines {
    /// Every part of a document by the way to it, as in `fault/2/when`.
    pub(crate) fn of(node: &LocatedValue) -> Self {
        let mut places = BTreeMap::new();
        collect(node, &mut String::new(), &mut places);
        Self { file: Some(Arc::clone(&node.place.file)), places: Arc::new(places), fault_tables: Arc::default() }
    }

    /// Says in which table each fault is written.
    pub(crate) fn with_fault_tables(self, tables: Vec<usize>) -> Self {
        Self { fault_tables: tables.into(), ..self }
    }

    /// The file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Gives a flaw its line: that of the longest part of its path that is written somewhere.
    pub(crate) fn error(&self, flaw: Flaw, name: &str) -> ScenarioError {
        let written = in_table(&flaw.path, &self.fault_tables).unwrap_or_else(|| flaw.path.clone());
        let mut path = written.as_str();
        let place = loop {
            match (self.places.get(path), path.rsplit_once('/')) {
                (Some(place), _) => break Some(place),
                (None, Some((shorter, _))) => path = shorter,
                (None, None) => break None,
            }
        };
        match (place, &self.file) {
            (Some(place), _) => place.error_meaning((flaw.sentence, flaw.suggestion)),
            (None, Some(file)) => {
                ScenarioError { suggestion: flaw.suggestion, ..ScenarioError::whole(file, flaw.sentence) }
            }
            (None, None) => {
                let file = PathBuf::from(format!("scenario `{name}`"));
                ScenarioError { suggestion: flaw.suggestion, ..ScenarioError::whole(&file, flaw.sentence) }
            }
        }
    }
}

/// A path in which the number of a fault has become that of its table.
fn in_table(path: &str, tables: &[usize]) -> Option<String> {
    let rest = path.strip_prefix("fault/")?;
    let (number, rest) = rest.split_once('/').map_or((rest, None), |(number, rest)| (number, Some(rest)));
    let table = tables.get(number.parse::<usize>().ok()?)?;
    Some(rest.map_or_else(|| format!("fault/{table}"), |rest| format!("fault/{table}/{rest}")))
}

/// The way to the key of an entry, where [`Lines::error`] is told of the key and not of its value.
pub(crate) fn as_key(path: &str) -> String {
    format!("{path}/")
}

fn collect(node: &LocatedValue, path: &mut String, places: &mut BTreeMap<String, Place>) {
    let length = path.len();
    let mut visit = |key: &str, places_of: [&Place; 2], node: &LocatedValue| {
        if length > 0 {
            path.push('/');
        }
        path.push_str(key);
        let [of_key, of_value] = places_of;
        places.insert(as_key(path), of_key.clone());
        places.insert(path.clone(), of_value.clone());
        collect(node, path, places);
        path.truncate(length);
    };
    match &node.value {
        Value::Scalar(_) => {}
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                visit(&place.to_string(), [&item.place; 2], item);
            }
        }
        Value::Table(entries) => {
            for entry in entries {
                // Of a value that stands alone the value is meant, and not its key.
                let place = if let Value::Scalar(_) = entry.node.value { &entry.node.place } else { &entry.place };
                visit(&entry.key, [&entry.place, place], &entry.node);
            }
        }
    }
}
