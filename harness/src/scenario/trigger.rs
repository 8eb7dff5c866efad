//! The triggers of faults as files write them: a table under `when` with one key that names the trigger.

use std::time::Duration;

use toml::Value;

use super::document::{LocatedValue, Place, Value as Written};
use super::duration::{Millis, written};
use super::error::{Mistakes, ScenarioError, list, nearest, unknown};
use super::language::triggers::{NUMBERS, TIMES, TRIGGERS};
use super::language::{Form, Table};
use super::names::Names;
use super::pattern;
use super::rule::When;
use super::section::Section;
use super::typed;
use super::verb::{as_toml, list_parameters};
use crate::fault::{Edge, Trigger, millis};
use crate::name::{Direction, HostName, Link};
use crate::pattern::Pattern;

/// Reads the triggers of a fault; one of them is drawn. `link` is what the fault strikes, if that is a link; a string is
/// a moment's name.
pub(crate) fn read(node: &LocatedValue, link: Option<&Link>, names: &Names) -> Result<Vec<When>, Mistakes> {
    let choices = Section::choices(node, "`when`")?.unwrap_or(std::slice::from_ref(node));
    let mut mistakes = Mistakes::default();
    let mut whens = Vec::new();
    for choice in choices {
        if let Written::Scalar(Value::String(name)) = &choice.value {
            let moment = mistakes.keep(names.trigger(name, &choice.place));
            let read = moment.and_then(|moment| mistakes.keep(read_section(moment, link)));
            whens.extend(read.into_iter().flatten());
            continue;
        }
        let combinations = Section::any(choice, "`when`").and_then(Section::combinations);
        for section in mistakes.keep(combinations).unwrap_or_default() {
            let resolved = mistakes.keep(names.resolved(section));
            let read = resolved.and_then(|section| mistakes.keep(read_section(section, link)));
            whens.extend(read.into_iter().flatten());
        }
    }
    mistakes.unless(whens)
}

/// Reads the triggers of one table.
pub(crate) fn read_section(section: Section, link: Option<&Link>) -> Result<Vec<When>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let sections = section.combinations()?;
    let whens: Vec<_> = sections.iter().filter_map(|section| mistakes.keep(one(section, link))).collect();
    mistakes.unless(whens)
}

fn one(section: &Section, link: Option<&Link>) -> Result<When, Mistakes> {
    let names = TRIGGERS.iter().map(|trigger| trigger.word);
    let named: Vec<_> = TRIGGERS.iter().filter(|trigger| section.get(trigger.word).is_some()).collect();
    let form = match named[..] {
        [form] => form,
        [one, other, ..] => {
            let sentence = format!("a trigger is one thing, not `{}` and `{}`", one.word, other.word);
            return Err(section.place_of(other.word).error(sentence).into());
        }
        [] => {
            let instead = || section.keys().find_map(|key| nearest(key, ["one_of", "moment"]));
            let suggestion = section.misspelt_word(&TRIGGERS).or_else(instead);
            let error = (format!("{} names no trigger; there are {}", section.what(), list(names)), suggestion);
            return Err(section.place.error_meaning(error).into());
        }
    };
    let mut mistakes = Mistakes::default();
    mistakes.extend(strangers(section, form));
    mistakes.extend(section.missing(form.keys.iter()));
    mistakes.extend(section.misread(form.keys.iter()));
    mistakes.unless(())?;
    Ok(parse(section, form.word, link)?)
}

/// One mistake for each key that is no parameter of the trigger.
fn strangers(section: &Section, form: &Form) -> Vec<ScenarioError> {
    let known = form.names();
    let parameters: Vec<_> = known.iter().copied().filter(|key| *key != form.word).collect();
    let tell = |(key, place): (&str, &Place)| {
        let suggestion = nearest(key, parameters.iter().copied());
        let sentence = format!("the trigger `{}` takes no `{key}`; {}", form.word, list_parameters(&parameters));
        place.error_meaning((sentence, suggestion))
    };
    section.unknown_keys(&known).into_iter().map(tell).collect()
}

fn parse(section: &Section, name: &str, link: Option<&Link>) -> Result<When, ScenarioError> {
    let edge = || section.or("edge", Edge::default());
    let direction = |usual| direction(section, link, usual);
    if let "at" | "idle" = name {
        let (least, most) = times(section.node(name)?, name)?;
        let trigger = if name == "at" { Trigger::At(least) } else { Trigger::Idle(least) };
        return Ok(When { trigger, most: most.map(millis) });
    }
    let Counted { content, counter, least, most } = counted(section, name)?;
    let n = || count(section, counter, least);
    if let Some(most) = most.filter(|_| name != "bytes") {
        count(section, counter, most)?;
    }
    let trigger = match name {
        "message" => Trigger::Message { n: n()?, direction: direction(None)?, edge: edge()?, content },
        "frame" => {
            let kind = section.required("frame")?;
            Trigger::Frame { kind, n: n()?, direction: direction(None)?, edge: edge()? }
        }
        "sse_event" => {
            if direction(Some(Direction::ToClient))? == Direction::ToServer {
                let key = if section.get("to").is_some() { "to" } else { "direction" };
                return Err(section.place_of(key).error("SSE events travel to the client, never to the server"));
            }
            Trigger::SseEvent { n: n()?, edge: edge()?, content }
        }
        "chunk" => Trigger::Chunk { n: n()?, direction: direction(Some(Direction::ToClient))?, edge: edge()? },
        "line" => Trigger::Line { n: n()?, direction: direction(Some(Direction::ToClient))?, edge: edge()? },
        "bytes" => Trigger::Bytes { n: least, direction: direction(None)? },
        "http_head" => Trigger::HttpHead { n: n()?, direction: direction(None)?, edge: edge()? },
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

/// What a trigger counts, and up to which number.
struct Counted<'a> {
    content: Pattern,
    /// The key that holds the number.
    counter: &'a str,
    least: u64,
    most: Option<u64>,
}

fn counted<'a>(section: &Section, name: &'a str) -> Result<Counted<'a>, ScenarioError> {
    let content = match (name, section.get(name)) {
        ("message" | "sse_event", Some(node)) if says(node) => pattern::read(node, &format!("`{name}`"))?,
        _ => Pattern::default(),
    };
    let is_content = !content.is_any();
    if let ("message" | "sse_event", Some(node)) = (name, section.get(name)) {
        range_of_numbers(node, name)?;
    }
    if let ("message" | "sse_event", false, Some(_)) = (name, is_content, section.get("n")) {
        let sentence = format!("`{name}` is a number here; `n` counts those that are meant by what they say");
        return Err(section.place_of("n").error(sentence));
    }
    let counter = if is_content || matches!(name, "frame" | "event") { "n" } else { name };
    let (least, most) = match section.get(counter) {
        Some(node) if name != "connect" => numbers(node, counter)?,
        _ => (1, None),
    };
    Ok(Counted { content, counter, least, most })
}

/// Whether a value describes what a message says: a table that is no range of numbers.
fn says(node: &LocatedValue) -> bool {
    matches!(&node.value, Written::Table(fields) if !fields.is_empty()) && !is_range(node)
}

fn is_range(node: &LocatedValue) -> bool {
    node.get("from").or(node.get("to")).is_some()
}

/// A table with `from` and `to` is a range, though messages have fields of these names, too.
fn range_of_numbers(node: &LocatedValue, name: &str) -> Result<(), ScenarioError> {
    let text = |key| node.get(key).filter(|node| matches!(node.value, Written::Scalar(Value::String(_))));
    if let Some(text) = text("from").or(text("to")) {
        let sentence = format!("`{name}`: `from` and `to` are numbers here; a field of that name is written `/from`");
        return Err(text.place.error(sentence));
    }
    if let Written::Table(fields) = &node.value
        && fields.is_empty()
    {
        return Err(node
            .place
            .error(format!("`{name}` names no field: a message is known by its number or its fields")));
    }
    Ok(())
}

/// Which way the units travel that are counted: `direction`, or `to` with the host that receives them.
fn direction(section: &Section, link: Option<&Link>, usual: Option<Direction>) -> Result<Direction, ScenarioError> {
    match (section.get("direction"), section.get("to"), usual) {
        (Some(_), Some(_), _) => {
            Err(section.place_of("to").error("`direction` and `to` say the same: leave one of them out"))
        }
        (Some(_), None, _) => section.required("direction"),
        (None, Some(_), _) => receiver(section, link),
        (None, None, Some(usual)) => Ok(usual),
        (None, None, None) => {
            let what = section.what();
            Err(section.place.error(format!("{what} needs `direction`, or `to` with the host that receives")))
        }
    }
}

fn receiver(section: &Section, link: Option<&Link>) -> Result<Direction, ScenarioError> {
    let host: HostName = section.required("to")?;
    let place = section.place_of("to");
    let Some(link) = link else {
        return Err(place.error("`to` names the receiving end of a `link`, and none is struck here"));
    };
    if host == link.client {
        Ok(Direction::ToClient)
    } else if host == link.server {
        Ok(Direction::ToServer)
    } else {
        let ends = [link.client.as_str(), link.server.as_str()];
        let sentence = format!("`{host}` is no end of {} -> {}", link.client, link.server);
        Err(place.error_meaning(unknown(sentence, host.as_str(), ends)))
    }
}

fn count(section: &Section, key: &str, number: u64) -> Result<u32, ScenarioError> {
    u32::try_from(number)
        .map_err(|_| section.place_of(key).error(format!("`{key}`: {number} is more than ever passes")))
}

/// A number, or `{ from = 1, to = 9 }`.
fn numbers(node: &LocatedValue, key: &str) -> Result<(u64, Option<u64>), ScenarioError> {
    match node.get("from").or(node.get("to")) {
        None => typed::read::<u64>(node).map(|number| (number, None)).map_err(|error| {
            let sentence = match range_in_quotes(node) {
                Some(form) => format!("`{key}`: a range is a table here: write {{ {form} }}"),
                None => format!("`{key}`: {}", error.sentence),
            };
            ScenarioError { sentence, ..error }
        }),
        Some(_) => {
            let range = range(node, &NUMBERS)?;
            Ok((range.required("from")?, Some(range.required("to")?)))
        }
    }
}

/// What is to be written instead of `"1..5"`, `"1..=5"` or `"1-5"`.
fn range_in_quotes(node: &LocatedValue) -> Option<String> {
    let Written::Scalar(Value::String(text)) = &node.value else { return None };
    let (first, last) = ["..=", "..", "-"].into_iter().find_map(|separator| text.split_once(separator))?;
    let (first, last) = (first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
    Some(format!("from = {first}, to = {last}"))
}

/// A time, or `{ from = "1s", to = "9s" }`.
fn times(node: &LocatedValue, key: &str) -> Result<(Duration, Option<Duration>), ScenarioError> {
    match node.get("from").or(node.get("to")) {
        None => typed::read::<Millis>(node)
            .map(|time| (time.0, None))
            .map_err(|error| ScenarioError { sentence: format!("`{key}`: {}", error.sentence), ..error }),
        Some(_) => {
            let range = range(node, &TIMES)?;
            Ok((range.required::<Millis>("from")?.0, Some(range.required::<Millis>("to")?.0)))
        }
    }
}

fn range<'a>(node: &'a LocatedValue, table: &Table) -> Result<Section<'a>, ScenarioError> {
    Section::open(node, table).map_err(|mistakes| mistakes.first(&node.place.file))
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
        Trigger::Message { n, direction, edge, content } => [
            unit("message", content, number((*n).into())),
            vec![("direction", as_toml(direction)), ("edge", as_toml(edge))],
        ]
        .concat(),
        Trigger::Frame { kind, n, direction, edge } => vec![
            ("frame", as_toml(kind)),
            ("n", number((*n).into())),
            ("direction", as_toml(direction)),
            ("edge", as_toml(edge)),
        ],
        Trigger::SseEvent { n, edge, content } => {
            [unit("sse_event", content, number((*n).into())), vec![("edge", as_toml(edge))]].concat()
        }
        Trigger::Chunk { n, direction, edge } => {
            vec![("chunk", number((*n).into())), ("direction", as_toml(direction)), ("edge", as_toml(edge))]
        }
        Trigger::Line { n, direction, edge } => {
            vec![("line", number((*n).into())), ("direction", as_toml(direction)), ("edge", as_toml(edge))]
        }
        Trigger::Bytes { n, direction } => vec![("bytes", number(*n)), ("direction", as_toml(direction))],
        Trigger::HttpHead { n, direction, edge } => {
            vec![("http_head", number((*n).into())), ("direction", as_toml(direction)), ("edge", as_toml(edge))]
        }
        Trigger::Event { message, host, fields, n, after } => {
            let mut keys = vec![("event", Value::String(message.clone()))];
            keys.extend(host.as_ref().map(|host| ("host", as_toml(host))));
            if !fields.is_empty() {
                keys.push(("where", written_fields(fields)));
            }
            keys.extend([("n", number((*n).into())), ("after", written(*after))]);
            keys
        }
        Trigger::Connect => vec![("connect", Value::Boolean(true))],
    }
}

/// A number alone, or what is meant and its number.
fn unit(key: &'static str, content: &Pattern, number: Value) -> Vec<(&'static str, Value)> {
    if content.is_any() { vec![(key, number)] } else { vec![(key, pattern::written(content)), ("n", number)] }
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
