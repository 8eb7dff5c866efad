//! The verbs of faults as files write them: a word under `do`, its parameters beside it.

use serde::Serialize;
use toml::Value;

use super::duration::{Millis, written};
use super::error::{ScenarioError, list, nearest, unknown};
use super::section::Section;
use crate::fault::{IoCall, Verb};
use crate::name::Side;

/// Every verb with its parameters.
pub(super) const VERBS: [(&str, &[&str]); 15] = [
    ("reset", &["to"]),
    ("drop", &["to"]),
    ("close", &["code", "reason", "to"]),
    ("half_open", &["kind", "direction", "heal_after"]),
    ("cut", &["ending"]),
    ("truncate_clean", &[]),
    ("freeze", &["thaw_after"]),
    ("partition", &["heal_after"]),
    ("refuse", &["lasting"]),
    ("delay", &["by", "lasting"]),
    ("jitter", &["up_to", "lasting"]),
    ("io_error", &["call", "kind", "nth", "side"]),
    ("crash", &["restart_after"]),
    ("power_loss", &["restart_after"]),
    ("restart", &["pause"]),
];

/// The verb's word.
pub(crate) fn word(verb: &Verb) -> &'static str {
    match verb {
        Verb::Reset { .. } => "reset",
        Verb::Drop { .. } => "drop",
        Verb::Close { .. } => "close",
        Verb::HalfOpen { .. } => "half_open",
        Verb::Cut { .. } => "cut",
        Verb::TruncateClean => "truncate_clean",
        Verb::Freeze { .. } => "freeze",
        Verb::Partition { .. } => "partition",
        Verb::Refuse { .. } => "refuse",
        Verb::Delay { .. } => "delay",
        Verb::Jitter { .. } => "jitter",
        Verb::IoError { .. } => "io_error",
        Verb::Crash { .. } => "crash",
        Verb::PowerLoss { .. } => "power_loss",
        Verb::Restart { .. } => "restart",
    }
}

/// Reads the verbs of a fault, of which one is drawn. `beside` are the keys of the fault that are no parameters.
pub(crate) fn read(fault: Section, beside: &[&str]) -> Result<Vec<Verb>, ScenarioError> {
    let node = fault.node("do")?;
    let Some(choices) = Section::choices(node, "`do`")? else {
        return fault.without(beside).combinations()?.iter().map(|fault| one(fault, beside)).collect();
    };
    fault.only(&[beside, &["do"]].concat())?;
    let mut verbs = Vec::new();
    for choice in choices {
        for choice in Section::any(choice, "a choice")?.combinations()? {
            verbs.push(one(&choice, &[])?);
        }
    }
    Ok(verbs)
}

fn one(section: &Section, beside: &[&str]) -> Result<Verb, ScenarioError> {
    let word: String = section.required("do")?;
    let Some((_, parameters)) = VERBS.iter().find(|(verb, _)| *verb == word) else {
        let error = unknown(format!("there is no verb `{word}`"), &word, VERBS.map(|(verb, _)| verb));
        return Err(section.place_of("do").error_meaning(error));
    };
    check_parameters(section, &word, parameters, beside)?;
    let quoted = format!("`{word}`");
    parse(&section.called(&quoted, section.place_of("do")), &word)
}

fn check_parameters(section: &Section, word: &str, parameters: &[&str], beside: &[&str]) -> Result<(), ScenarioError> {
    let is_known = |key: &str| key == "do" || beside.contains(&key) || parameters.contains(&key);
    let Some(key) = section.keys().find(|key| !is_known(key)) else { return Ok(()) };
    let suggestion = nearest(key, parameters.iter().chain(beside).copied());
    let error = (format!("`{word}` takes no `{key}`; {}", takes(parameters)), suggestion);
    Err(section.place_of(key).error_meaning(error))
}

/// The parameters of a verb or trigger, as the second half of a sentence.
pub(crate) fn takes(parameters: &[&str]) -> String {
    match parameters {
        [] => "it has no parameters".to_owned(),
        [only] => format!("its only parameter is `{only}`"),
        several => format!("its parameters are {}", list(several.iter().copied())),
    }
}

fn parse(section: &Section, word: &str) -> Result<Verb, ScenarioError> {
    let duration = |key| Ok(section.required::<Millis>(key)?.0);
    let lasting = |key| Ok(section.optional::<Millis>(key)?.map(|lasting| lasting.0));
    Ok(match word {
        "reset" => Verb::Reset { to: section.or("to", Default::default())? },
        "drop" => Verb::Drop { to: section.or("to", Default::default())? },
        "close" => Verb::Close {
            code: section.required("code")?,
            reason: section.or("reason", String::new())?,
            to: section.or("to", Default::default())?,
        },
        "half_open" => Verb::HalfOpen {
            kind: section.required("kind")?,
            direction: section.optional("direction")?,
            heal_after: lasting("heal_after")?,
        },
        "cut" => Verb::Cut { ending: section.or("ending", Default::default())? },
        "truncate_clean" => Verb::TruncateClean,
        "freeze" => Verb::Freeze { thaw_after: lasting("thaw_after")? },
        "partition" => Verb::Partition { heal_after: lasting("heal_after")? },
        "refuse" => Verb::Refuse { lasting: lasting("lasting")? },
        "delay" => Verb::Delay { by: duration("by")?, lasting: lasting("lasting")? },
        "jitter" => Verb::Jitter { up_to: duration("up_to")?, lasting: lasting("lasting")? },
        "io_error" => {
            let call = section.required("call")?;
            // Only a listening end accepts.
            let side = match (section.optional("side")?, call) {
                (Some(side), _) => side,
                (None, IoCall::Accept) => Side::Server,
                (None, _) => section.required("side")?,
            };
            Verb::IoError { call, kind: section.required("kind")?, nth: section.or("nth", 1)?, side }
        }
        "crash" => Verb::Crash { restart_after: lasting("restart_after")? },
        "power_loss" => Verb::PowerLoss { restart_after: lasting("restart_after")? },
        "restart" => Verb::Restart { pause: duration("pause")? },
        unlisted => unreachable!("`{unlisted}` is listed as a verb and is not read"),
    })
}

/// The verb's parameters, defaults included: what a plan means must not change with a default.
pub(crate) fn parameters(verb: &Verb) -> Vec<(&'static str, Value)> {
    let lasting = |key, time: &Option<_>| time.map(|time| (key, written(time))).into_iter().collect();
    match verb {
        Verb::Reset { to } | Verb::Drop { to } => vec![("to", spelt(to))],
        Verb::Close { code, reason, to } => {
            vec![("code", Value::Integer((*code).into())), ("reason", Value::String(reason.clone())), ("to", spelt(to))]
        }
        Verb::HalfOpen { kind, direction, heal_after } => [("kind", spelt(kind))]
            .into_iter()
            .chain(direction.map(|direction| ("direction", spelt(&direction))))
            .chain(heal_after.map(|time| ("heal_after", written(time))))
            .collect(),
        Verb::Cut { ending } => vec![("ending", spelt(ending))],
        Verb::TruncateClean => Vec::new(),
        Verb::Freeze { thaw_after } => lasting("thaw_after", thaw_after),
        Verb::Partition { heal_after } => lasting("heal_after", heal_after),
        Verb::Refuse { lasting: time } => lasting("lasting", time),
        Verb::Delay { by, lasting: time } => [vec![("by", written(*by))], lasting("lasting", time)].concat(),
        Verb::Jitter { up_to, lasting: time } => [vec![("up_to", written(*up_to))], lasting("lasting", time)].concat(),
        Verb::IoError { call, kind, nth, side } => vec![
            ("call", spelt(call)),
            ("kind", spelt(kind)),
            ("nth", Value::Integer((*nth).into())),
            ("side", spelt(side)),
        ],
        Verb::Crash { restart_after } | Verb::PowerLoss { restart_after } => lasting("restart_after", restart_after),
        Verb::Restart { pause } => vec![("pause", written(*pause))],
    }
}

/// A word of one of the harness's own enums.
///
/// # Panics
///
/// If it is not made of words, strings and numbers, as all of them are.
pub(crate) fn spelt<T: Serialize>(word: &T) -> Value {
    Value::try_from(word).expect("the harness's own words can be written as TOML")
}

/// A word as a string of its own.
pub(crate) fn spelling<T: Serialize>(word: &T) -> String {
    match spelt(word) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
