//! The triggers of faults as files write them: a table under `when` with one key that names the trigger.

use std::time::Duration;

use toml::Value;

use super::document::Node;
use super::duration::{Millis, written};
use super::error::{ScenarioError, list, nearest};
use super::rule::When;
use super::section::Section;
use super::typed;
use super::verb::{spelt, takes};
use crate::fault::{Edge, Trigger};
use crate::name::Direction;

/// Every trigger with its parameters. The first key of each holds what the trigger counts, but for `frame` and `event`,
/// where `n` does.
pub(super) const TRIGGERS: [(&str, &[&str]); 11] = [
    ("at", &[]),
    ("message", &["direction", "edge"]),
    ("frame", &["n", "direction", "edge"]),
    ("sse_event", &["direction", "edge"]),
    ("chunk", &["direction", "edge"]),
    ("line", &["direction", "edge"]),
    ("bytes", &["direction"]),
    ("http_head", &["direction", "edge"]),
    ("event", &["host", "where", "n", "after"]),
    ("connect", &[]),
    ("idle", &[]),
];

/// Reads the triggers of a fault, of which one is drawn.
pub(crate) fn read(node: &Node) -> Result<Vec<When>, ScenarioError> {
    let Some(choices) = Section::choices(node, "`when`")? else { return combinations(node) };
    let whens: Result<Vec<_>, _> = choices.iter().map(combinations).collect();
    Ok(whens?.concat())
}

fn combinations(node: &Node) -> Result<Vec<When>, ScenarioError> {
    Section::any(node, "`when`")?.combinations()?.iter().map(one).collect()
}

fn one(section: &Section) -> Result<When, ScenarioError> {
    let names = TRIGGERS.map(|(name, _)| name);
    let named: Vec<_> = TRIGGERS.iter().filter(|(name, _)| section.get(name).is_some()).collect();
    let (name, parameters) = match named[..] {
        [(name, parameters)] => (*name, *parameters),
        [(one, _), (other, _), ..] => {
            return Err(section.place_of(other).error(format!("a trigger is one thing, not `{one}` and `{other}`")));
        }
        [] => {
            let beside = |key: &&str| TRIGGERS.iter().any(|(_, parameters)| parameters.contains(key));
            let suggestion = section.keys().filter(|key| !beside(key)).find_map(|key| nearest(key, names));
            let error = (format!("`when` names no trigger; there are {}", list(names)), suggestion);
            return Err(section.place.error_meaning(error));
        }
    };
    if let Some(key) = section.keys().find(|key| *key != name && !parameters.contains(key)) {
        let suggestion = nearest(key, parameters.iter().copied());
        let error = (format!("the trigger `{name}` takes no `{key}`; {}", takes(parameters)), suggestion);
        return Err(section.place_of(key).error_meaning(error));
    }
    parse(section, name)
}

fn parse(section: &Section, name: &str) -> Result<When, ScenarioError> {
    let edge = || section.or("edge", Edge::default());
    let direction = || section.required("direction");
    if let "at" | "idle" = name {
        let (least, most) = times(section.node(name)?, name)?;
        let trigger = if name == "at" { Trigger::At(least) } else { Trigger::Idle(least) };
        return Ok(When { trigger, most: most.map(millis) });
    }
    let counter = match name {
        "frame" | "event" => "n",
        _ => name,
    };
    let (least, most) = match section.get(counter) {
        Some(node) if name != "connect" => numbers(node, counter)?,
        _ => (1, None),
    };
    let n = || count(section, counter, least);
    if let Some(most) = most.filter(|_| name != "bytes") {
        count(section, counter, most)?;
    }
    let trigger = match name {
        "message" => Trigger::Message { n: n()?, direction: direction()?, edge: edge()? },
        "frame" => Trigger::Frame { kind: section.required("frame")?, n: n()?, direction: direction()?, edge: edge()? },
        "sse_event" => {
            if section.optional("direction")? == Some(Direction::ToServer) {
                let place = section.place_of("direction");
                return Err(place.error("SSE events travel to the client, never to the server"));
            }
            Trigger::SseEvent { n: n()?, edge: edge()? }
        }
        "chunk" => Trigger::Chunk { n: n()?, direction: section.or("direction", Direction::ToClient)?, edge: edge()? },
        "line" => Trigger::Line { n: n()?, direction: section.or("direction", Direction::ToClient)?, edge: edge()? },
        "bytes" => Trigger::Bytes { n: least, direction: direction()? },
        "http_head" => Trigger::HttpHead { n: n()?, direction: direction()?, edge: edge()? },
        "event" => Trigger::Event {
            message: section.required("event")?,
            host: section.optional("host")?,
            fields: fields(section)?,
            n: n()?,
            after: section.or("after", Millis(Duration::ZERO))?.0,
        },
        "connect" => match section.required("connect")? {
            true => Trigger::Connect,
            false => return Err(section.place_of("connect").error("`connect` is true or absent")),
        },
        unlisted => unreachable!("`{unlisted}` is listed as a trigger and is not read"),
    };
    Ok(When { trigger, most })
}

fn count(section: &Section, key: &str, number: u64) -> Result<u32, ScenarioError> {
    u32::try_from(number)
        .map_err(|_| section.place_of(key).error(format!("`{key}`: {number} is more than ever passes")))
}

/// A number, or `{ from = 1, to = 9 }`.
fn numbers(node: &Node, key: &str) -> Result<(u64, Option<u64>), ScenarioError> {
    match node.get("from").or(node.get("to")) {
        None => typed::read::<u64>(node)
            .map(|number| (number, None))
            .map_err(|error| ScenarioError { sentence: format!("`{key}`: {}", error.sentence), ..error }),
        Some(_) => {
            let range = Section::open(node, "a range", &["from", "to"])?;
            Ok((range.required("from")?, Some(range.required("to")?)))
        }
    }
}

/// A time, or `{ from = "1s", to = "9s" }`.
fn times(node: &Node, key: &str) -> Result<(Duration, Option<Duration>), ScenarioError> {
    match node.get("from").or(node.get("to")) {
        None => typed::read::<Millis>(node)
            .map(|time| (time.0, None))
            .map_err(|error| ScenarioError { sentence: format!("`{key}`: {}", error.sentence), ..error }),
        Some(_) => {
            let range = Section::open(node, "a range", &["from", "to"])?;
            Ok((range.required::<Millis>("from")?.0, Some(range.required::<Millis>("to")?.0)))
        }
    }
}

/// A time in whole milliseconds; files hold no time that overflows.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The values that the fields under `where` must have, sorted by field.
pub(crate) fn fields(section: &Section) -> Result<Vec<(String, String)>, ScenarioError> {
    let Some(node) = section.get("where") else { return Ok(Vec::new()) };
    let table = Section::any(node, "`where`")?;
    let fields = table.keys().map(|key| {
        let value = table.node(key)?;
        let text = match value.plain() {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Boolean(truth) => truth.to_string(),
            Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
                let sentence = format!("`{key}`: expected a string, a whole number, true or false");
                return Err(value.place.error(sentence));
            }
        };
        Ok((key.to_owned(), text))
    });
    fields.collect()
}

/// The table under `where`.
pub(crate) fn written_fields(fields: &[(String, String)]) -> Value {
    Value::Table(fields.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect())
}

/// The keys of a trigger's table, defaults included.
pub(crate) fn keys(when: &When) -> Vec<(&'static str, Value)> {
    let number = |least: u64| ranged(when.most, Value::Integer(clamped(least)), |most| Value::Integer(clamped(most)));
    let time = |least: Duration| ranged(when.most, written(least), |most| written(Duration::from_millis(most)));
    match &when.trigger {
        Trigger::At(least) => vec![("at", time(*least))],
        Trigger::Idle(least) => vec![("idle", time(*least))],
        Trigger::Message { n, direction, edge } => {
            vec![("message", number((*n).into())), ("direction", spelt(direction)), ("edge", spelt(edge))]
        }
        Trigger::Frame { kind, n, direction, edge } => vec![
            ("frame", spelt(kind)),
            ("n", number((*n).into())),
            ("direction", spelt(direction)),
            ("edge", spelt(edge)),
        ],
        Trigger::SseEvent { n, edge } => vec![("sse_event", number((*n).into())), ("edge", spelt(edge))],
        Trigger::Chunk { n, direction, edge } => {
            vec![("chunk", number((*n).into())), ("direction", spelt(direction)), ("edge", spelt(edge))]
        }
        Trigger::Line { n, direction, edge } => {
            vec![("line", number((*n).into())), ("direction", spelt(direction)), ("edge", spelt(edge))]
        }
        Trigger::Bytes { n, direction } => vec![("bytes", number(*n)), ("direction", spelt(direction))],
        Trigger::HttpHead { n, direction, edge } => {
            vec![("http_head", number((*n).into())), ("direction", spelt(direction)), ("edge", spelt(edge))]
        }
        Trigger::Event { message, host, fields, n, after } => {
            let mut keys = vec![("event", Value::String(message.clone()))];
            keys.extend(host.as_ref().map(|host| ("host", spelt(host))));
            if !fields.is_empty() {
                keys.push(("where", written_fields(fields)));
            }
            keys.extend([("n", number((*n).into())), ("after", written(*after))]);
            keys
        }
        Trigger::Connect => vec![("connect", Value::Boolean(true))],
    }
}

fn ranged(most: Option<u64>, least: Value, write: impl Fn(u64) -> Value) -> Value {
    match most {
        None => least,
        Some(most) => Value::Table([("from".to_owned(), least), ("to".to_owned(), write(most))].into_iter().collect()),
    }
}

/// TOML's numbers end at 2^63 - 1, and no run passes as many bytes.
fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
