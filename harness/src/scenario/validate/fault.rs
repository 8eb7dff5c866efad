//! What is wrong with a fault: it could never strike, or not there, or not so.

use toml::Value;

use super::{Checked, known, pair, virtual_time};
use crate::fault::{Act, Edge, Holds, Key, Mistake, Target, Trigger};
use crate::plane::Answer;
use crate::scenario::error::{Flaw, unknown};
use crate::scenario::{FaultRule, Scenario, When};

/// Finds the first mistake of a fault rule that stands at `path`.
pub(crate) fn rule(rule: &FaultRule, path: &str, scenario: &Scenario) -> Checked {
    if (rule.when.is_empty() && !rule.anywhere) || rule.acts.is_empty() {
        return Err(Flaw::new(path, "a fault without a trigger or without a verb never strikes"));
    }
    let (at_when, at_do) = (format!("{path}/when"), format!("{path}/do"));
    for act in &rule.acts {
        target(act.target(), path, scenario)?;
        rule.when.iter().try_for_each(|when| aimed(&when.trigger, act.target(), &at_when))?;
    }
    rule.when.iter().try_for_each(|when| trigger(when, &at_when, scenario))?;
    for act in &rule.acts {
        parameters(act, path, scenario)?;
        let refusal = rule.when.iter().find_map(|when| act.verb().refusal(&when.trigger));
        if let Some(sentence) = refusal {
            return Err(Flaw::new(at_do, sentence));
        }
    }
    Ok(())
}

fn target(target: Target, path: &str, scenario: &Scenario) -> Checked {
    match target {
        Target::Link { link, connection } => {
            pair(&link.client, &link.server, &format!("{path}/link"), scenario)?;
            match connection {
                Some(0) => Err(Flaw::new(format!("{path}/connection"), "connections are counted from 1")),
                Some(_) | None => Ok(()),
            }
        }
        Target::Between(one, other) => pair(one, other, &format!("{path}/between"), scenario),
        Target::Host(host) => known(host, &format!("{path}/host"), scenario),
    }
}

fn trigger(when: &When, path: &str, scenario: &Scenario) -> Checked {
    match &when.trigger {
        Trigger::At(time) => virtual_time(*time, path)?,
        Trigger::Idle(time) => {
            virtual_time(*time, path)?;
            if time.is_zero() {
                return Err(Flaw::new(path, "a connection is idle for at least 1ms"));
            }
        }
        Trigger::Event { host, after, .. } => {
            if let Some(host) = host {
                known(host, &format!("{path}/host"), scenario)?;
            }
            virtual_time(*after, path)?;
        }
        Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::SseEvent { .. }
        | Trigger::HttpHead { .. }
        | Trigger::Chunk { .. }
        | Trigger::Line { .. }
        | Trigger::Bytes { .. }
        | Trigger::Connect => {}
    }
    let counts_from_1 = !matches!(when.trigger, Trigger::At(_) | Trigger::Idle(_) | Trigger::Bytes { .. });
    if counts_from_1 && when.trigger.number() == 0 {
        return Err(Flaw::new(path, "units and events are counted from 1: there is no number 0"));
    }
    if when.most.is_some_and(|most| most < when.trigger.number()) {
        return Err(Flaw::new(path, "the range is empty: its end lies before its beginning"));
    }
    if when.trigger.edge() == Some(Edge::Inside(0)) {
        return Err(Flaw::new(path, "inside a unit at least one byte of it has passed: write `edge = \"before\"`"));
    }
    Ok(())
}

/// Units and connections are counted on links.
fn aimed(trigger: &Trigger, target: Target, path: &str) -> Checked {
    let counted = match trigger {
        Trigger::At(_) | Trigger::Event { .. } => return Ok(()),
        Trigger::Connect => "connections",
        Trigger::Idle(_) => "idle connections",
        Trigger::Bytes { .. } => "bytes",
        Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::SseEvent { .. }
        | Trigger::Chunk { .. }
        | Trigger::Line { .. }
        | Trigger::HttpHead { .. } => "units",
    };
    match target {
        Target::Link { .. } => Ok(()),
        Target::Between(..) | Target::Host(_) => {
            let sentence =
                format!("{counted} are counted on a `link`; other targets take the triggers `at` and `event`");
            Err(Flaw::new(path, sentence))
        }
    }
}

/// What the keys of a verb say, by what the verb says of its keys.
fn parameters(act: &Act, path: &str, scenario: &Scenario) -> Checked {
    let verb = act.verb();
    if let Some(Mistake { key, sentence }) = verb.flaw() {
        return Err(Flaw::new(format!("{path}/{key}"), sentence));
    }
    let written = verb.keys();
    for key in verb.takes() {
        let Some((_, value)) = written.iter().find(|(name, _)| *name == key.name) else { continue };
        parameter(key, value, &format!("{path}/{}", key.name), scenario)?;
    }
    let Act::Lookup { link, verb } = act else { return Ok(()) };
    match verb.answer() {
        Answer::AddressOf(host) if host == link.server => {
            Err(Flaw::new(format!("{path}/to"), format!("the name `{host}` leads to `{host}` as it is")))
        }
        Answer::AddressOf(_) | Answer::Failure(_) => Ok(()),
    }
}

fn parameter(key: &Key, value: &Value, path: &str, scenario: &Scenario) -> Checked {
    match (key.holds, value) {
        (Holds::Time, Value::String(text)) => match humantime::parse_duration(text) {
            Ok(time) => virtual_time(time, path),
            Err(_) => Err(Flaw::new(path, format!("`{text}` is no duration"))),
        },
        (Holds::Whole { least, most }, Value::Integer(number)) => {
            let (name, number) = (key.name, u64::try_from(*number).unwrap_or(0));
            match number {
                number if number < least => Err(Flaw::new(path, format!("`{name}` is at least {least}"))),
                number if number > most => Err(Flaw::new(path, format!("`{name}` is at most {most}"))),
                _ => Ok(()),
            }
        }
        (Holds::Host, Value::String(name)) => known(&name.as_str().into(), path, scenario),
        (Holds::Word(words), Value::String(word)) if !words.contains(&word.as_str()) => {
            Err(Flaw::unknown(path, unknown(format!("there is no `{word}` here"), word, words.iter().copied())))
        }
        (Holds::Word(_) | Holds::Text, Value::String(_)) | (Holds::Flag, Value::Boolean(_)) => Ok(()),
        (Holds::Time | Holds::Whole { .. } | Holds::Host | Holds::Word(_) | Holds::Text | Holds::Flag, other) => {
            Err(Flaw::new(path, format!("`{}` cannot be {other}", key.name)))
        }
    }
}
