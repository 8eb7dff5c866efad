//! Sources of facts as files write them.

use toml::Value;

use super::document::LocatedValue;
use super::error::{Mistakes, ScenarioError, unknown};
use super::language::facts::ORIGINS;
use super::pattern;
use super::rule::link;
use super::section::Section;
use super::trigger::{fields, written_fields};
use super::verb::as_toml;
use crate::mapping::{ConnectionMoment, ConnectionOrigin, EventOrigin, FactSource, Origin, UnitKind, UnitOrigin};
use crate::name::{Link, Side};
use crate::pattern::Pattern;

/// The words of the units.
pub(super) fn unit_words() -> Vec<&'static str> {
    UnitKind::ALL.map(UnitKind::word).to_vec()
}

/// Reads a `[[facts]]`.
pub(crate) fn read(node: &LocatedValue) -> Result<FactSource, Mistakes> {
    let section = Section::any(node, "a source of facts")?;
    let given: Vec<_> = ORIGINS.iter().filter(|origin| section.get(origin.word).is_some()).collect();
    let origin = match given[..] {
        [origin] => origin,
        [first, second, ..] => {
            let sentence = format!("a fact is read from one thing, not from `{}` and `{}`", first.word, second.word);
            return Err(section.place_of(second.word).error(sentence).into());
        }
        [] => {
            let sentence = "a fact is read from an `event`, a `unit` or a `connection`".to_owned();
            return Err(section.place.error_meaning((sentence, section.misspelt_word(&ORIGINS))).into());
        }
    };
    section.check(origin.keys.iter()).unless(())?;
    let from = match origin.word {
        "event" => Origin::Event(event(&section)?),
        "unit" => Origin::Unit(unit(&section)?),
        "connection" => Origin::Connection(connection(&section)?),
        unlisted => unreachable!("`{unlisted}` is listed as an origin of facts and is not read"),
    };
    Ok(FactSource { kind: section.required("fact")?, from, optional: section.or("optional", false)? })
}

fn event(section: &Section) -> Result<EventOrigin, ScenarioError> {
    let key = match section.optional::<Value>("key")? {
        None => Vec::new(),
        Some(Value::String(name)) => vec![name],
        Some(_) => section.required("key")?,
    };
    if key.is_empty() && section.get("key").is_some() {
        return Err(section.place_of("key").error("`key` names no field: leave it out, and the message is the key"));
    }
    if section.get("key").is_some() && section.get("as").is_some() {
        return Err(section.place_of("as").error("a key is read from fields (`key`) or given (`as`), not both"));
    }
    Ok(EventOrigin {
        message: section.required("event")?,
        host: section.optional("host")?,
        target: section.optional("target")?,
        fields: fields(section)?,
        key,
        named: section.optional("as")?,
        numbered: section.or("numbered", false)?,
        value: section.optional("value")?,
        from: section.optional("from")?,
        to: section.optional("to")?,
    })
}

fn connection(section: &Section) -> Result<ConnectionOrigin, ScenarioError> {
    let wanted: String = section.required("connection")?;
    let words = ConnectionMoment::ALL.map(ConnectionMoment::word);
    let Some(event) = ConnectionMoment::ALL.into_iter().find(|happening| happening.word() == wanted) else {
        let error = unknown(format!("no connection is `{wanted}`"), &wanted, words);
        return Err(section.place_of("connection").error_meaning(error));
    };
    let at: Option<Side> = section.optional("at")?;
    let attempt = matches!(
        event,
        ConnectionMoment::Attempted
            | ConnectionMoment::Established
            | ConnectionMoment::Refused
            | ConnectionMoment::TimedOut
    );
    if attempt && at == Some(Side::Server) {
        let sentence = format!("an attempt is the client's: that it is `{wanted}` never happens at the server");
        return Err(section.place_of("at").error(sentence));
    }
    let link = section.get("link").map(|_| link(section)).transpose()?;
    let (named, numbered) = (section.optional("as")?, section.or("numbered", false)?);
    Ok(ConnectionOrigin { event, link, at, named, numbered })
}

fn unit(section: &Section) -> Result<UnitOrigin, ScenarioError> {
    let wanted: String = section.required("unit")?;
    let Some(unit) = UnitKind::ALL.into_iter().find(|unit| unit.word() == wanted) else {
        let error = unknown(format!("there is no unit `{wanted}`"), &wanted, unit_words());
        return Err(section.place_of("unit").error_meaning(error));
    };
    let matching = section.get("where").map_or(Ok(Pattern::default()), |node| pattern::read(node, "`where`"))?;
    let pointer = |key| section.optional::<String>(key);
    let (key, value, from, to) = (pointer("key")?, pointer("value")?, pointer("from")?, pointer("to")?);
    let single = [("key", &key), ("value", &value), ("from", &from), ("to", &to)];
    let single = single.into_iter().filter_map(|(name, pointer)| Some((name, pointer.as_ref()?)));
    for (name, pointer) in single {
        check_pointer(pointer).map_err(|sentence| section.place_of(name).error(sentence))?;
    }
    let link = section.get("link").map(|_| link(section)).transpose()?;
    Ok(UnitOrigin {
        unit,
        link,
        direction: section.optional("direction")?,
        matching,
        key,
        value,
        from,
        to,
        at: section.optional("at")?,
    })
}

/// A JSON pointer (RFC 6901) is empty or begins with a slash.
fn check_pointer(pointer: &str) -> Result<(), String> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    Err(format!("`{pointer}` is no JSON pointer into the unit: they begin with a slash, as in `/{pointer}`"))
}

/// The keys of a source.
pub(crate) fn keys(source: &FactSource) -> Vec<(&'static str, Value)> {
    let text = |text: &String| Value::String(text.clone());
    let mut keys = vec![("fact", as_toml(&source.kind))];
    match &source.from {
        Origin::Event(event) => {
            keys.push(("event", text(&event.message)));
            keys.extend(event.host.as_ref().map(|host| ("host", as_toml(host))));
            keys.extend(event.target.as_ref().map(|target| ("target", text(target))));
            if !event.fields.is_empty() {
                keys.push(("where", written_fields(&event.fields)));
            }
            match &event.key[..] {
                [] => {}
                [only] => keys.push(("key", text(only))),
                several => keys.push(("key", Value::Array(several.iter().map(text).collect()))),
            }
            keys.extend(event.named.as_ref().map(|named| ("as", text(named))));
            keys.extend(event.numbered.then_some(("numbered", Value::Boolean(true))));
            keys.extend(event.value.as_ref().map(|value| ("value", text(value))));
            keys.extend(event.from.as_ref().map(|from| ("from", text(from))));
            keys.extend(event.to.as_ref().map(|to| ("to", text(to))));
        }
        Origin::Unit(unit) => {
            keys.push(("unit", Value::String(unit.unit.word().to_owned())));
            keys.extend(unit.link.as_ref().map(|link| ("link", written_link(link))));
            keys.extend(unit.direction.as_ref().map(|direction| ("direction", as_toml(direction))));
            keys.extend(unit.at.as_ref().map(|side| ("at", as_toml(side))));
            if !unit.matching.is_any() {
                keys.push(("where", pattern::written(&unit.matching)));
            }
            keys.extend(unit.key.as_ref().map(|key| ("key", text(key))));
            keys.extend(unit.value.as_ref().map(|value| ("value", text(value))));
            keys.extend(unit.from.as_ref().map(|from| ("from", text(from))));
            keys.extend(unit.to.as_ref().map(|to| ("to", text(to))));
        }
        Origin::Connection(connection) => {
            keys.push(("connection", Value::String(connection.event.word().to_owned())));
            keys.extend(connection.link.as_ref().map(|link| ("link", written_link(link))));
            keys.extend(connection.at.as_ref().map(|side| ("at", as_toml(side))));
            keys.extend(connection.named.as_ref().map(|named| ("as", text(named))));
            keys.extend(connection.numbered.then_some(("numbered", Value::Boolean(true))));
        }
    }
    if source.optional {
        keys.push(("optional", Value::Boolean(true)));
    }
    keys
}

/// A link as files write it.
pub(crate) fn written_link(link: &Link) -> Value {
    Value::String(format!("{} -> {}", link.client, link.server))
}
