//! What messages say, as files write it: a table of fields and the values that they must have.

use std::collections::BTreeMap;

use toml::Value;

use super::document::{LocatedValue, Value as Written};
use super::error::ScenarioError;
use super::section::Section;
use crate::pattern::{self, Pattern, Wanted};

/// Reads a table of conditions; `what` names it in sentences.
pub(crate) fn read(node: &LocatedValue, what: &str) -> Result<Pattern, ScenarioError> {
    let table = Section::any(node, what)?;
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    let mut pattern = Pattern::default();
    for key in table.keys() {
        if let Some(other) = places.insert(pattern::pointer(key), key) {
            let place = table.place_of(key);
            return Err(place.error(format!("`{other}` and `{key}` are one field: it is described twice")));
        }
        pattern = pattern.with(key, wanted(table.node(key)?, key)?);
    }
    Ok(pattern)
}

fn wanted(node: &LocatedValue, key: &str) -> Result<Wanted, ScenarioError> {
    if let Written::Table(_) = &node.value {
        let what = format!("`{key}`");
        let section = Section::any(node, &what)?;
        section.only(&["present"])?;
        return Ok(if section.required("present")? { Wanted::Present } else { Wanted::Absent });
    }
    match node.plain() {
        Value::String(text) => Ok(Wanted::of_text(&text)),
        Value::Integer(number) => Ok(Wanted::Is(number.to_string())),
        Value::Boolean(truth) => Ok(Wanted::Is(truth.to_string())),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            let sentence = format!("`{key}`: expected a string, a whole number, true, false or {{ present = true }}");
            Err(node.place.error(sentence))
        }
    }
}

/// The table of some conditions.
pub(crate) fn written(pattern: &Pattern) -> Value {
    let conditions = pattern.conditions().map(|(pointer, wanted)| (place(pointer).to_owned(), value(wanted)));
    Value::Table(conditions.collect())
}

/// A field of the whole is written as its name, but for those that would make a range of the table.
fn place(pointer: &str) -> &str {
    match pointer.strip_prefix('/') {
        Some("" | "from" | "to") | None => pointer,
        Some(name) if name.contains(['/', '~']) => pointer,
        Some(name) => name,
    }
}

fn value(wanted: &Wanted) -> Value {
    let present = |truth| Value::Table([("present".to_owned(), Value::Boolean(truth))].into_iter().collect());
    match wanted {
        Wanted::Is(text) => Value::String(text.clone()),
        Wanted::IsNot(text) => Value::String(format!("!{text}")),
        Wanted::Present => present(true),
        Wanted::Absent => present(false),
    }
}
