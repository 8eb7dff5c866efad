//! The verbs of faults as files write them: a word under `do`, its parameters beside it.

use serde::Serialize;
use toml::Value;

use super::document::{Node, Place};
use super::duration::{Millis, written};
use super::error::{Mistakes, ScenarioError, list, nearest, unknown};
use super::language::Form;
use super::language::verbs::{self, FAULT, VERBS, VerbForm};
use super::names::Names;
use super::section::Section;
use crate::fault::{IoCall, LookupError, Upstream, Verb};
use crate::name::{Direction, Side};

/// The parameters of each kind of `upstream`, beside `kind`.
pub(super) const UPSTREAM: [(&str, &[&str]); 5] = [
    ("status", &["status"]),
    ("slow_head", &["by"]),
    ("missing_done", &[]),
    ("error_event", &["message"]),
    ("stall", &["heal_after"]),
];

/// Reads the verbs of a fault, of which one is drawn.
pub(crate) fn read<'a>(fault: Section<'a>, names: &Names<'a>) -> Result<Vec<Verb>, Mistakes> {
    let beside: Vec<_> = FAULT.keys().map(|key| key.name).collect();
    let node = fault.node("do")?;
    let mut mistakes = Mistakes::default();
    let Some(one_of) = node.get("one_of") else {
        let beside: Vec<_> = beside.into_iter().filter(|key| *key != "do").collect();
        let faults = fault.without(&beside).combinations()?;
        let verbs: Vec<_> = faults.iter().filter_map(|fault| mistakes.keep(one(fault, &beside))).collect();
        return mistakes.unless(verbs);
    };
    mistakes.extend(Section::any(node, "`do`")?.strangers(&["one_of"]));
    mistakes.extend(fault.strangers(&beside));
    let verbs = mistakes.keep(names.choices(one_of)).and_then(|choices| mistakes.keep(read_each(choices)));
    mistakes.unless(verbs.unwrap_or_default())
}

/// Reads tables of verbs, each of which may stand for several.
pub(crate) fn read_each<'a>(choices: impl IntoIterator<Item = &'a Node>) -> Result<Vec<Verb>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut verbs = Vec::new();
    for choice in choices {
        let combinations = Section::any(choice, "a choice").and_then(Section::combinations);
        for choice in mistakes.keep(combinations).unwrap_or_default() {
            verbs.extend(mistakes.keep(one(&choice, &[])));
        }
    }
    mistakes.unless(verbs)
}

fn one(section: &Section, beside: &[&str]) -> Result<Verb, Mistakes> {
    let word: String = section.required("do")?;
    let Some(VerbForm { form, .. }) = verbs::verb(&word) else {
        let error = unknown(format!("there is no verb `{word}`"), &word, VERBS.iter().map(|verb| verb.form.word));
        return Err(section.place_of("do").error_meaning(error).into());
    };
    let quoted = format!("`{word}`");
    let verb = section.called(&quoted, section.place_of("do"));
    let mut mistakes = Mistakes::default();
    mistakes.extend(strangers(section, form, beside));
    mistakes.extend(verb.missing(form.keys.iter()));
    mistakes.extend(verb.misread(form.keys.iter()));
    mistakes.unless(())?;
    Ok(parse(&verb, &word)?)
}

/// One mistake for each key that is neither a parameter of the verb nor a key of the fault.
fn strangers(section: &Section, form: &Form, beside: &[&str]) -> Vec<ScenarioError> {
    let parameters = form.names();
    let known = [&["do"], beside, &parameters[..]].concat();
    let tell = |(key, place): (&str, &Place)| {
        let suggestion = nearest(key, parameters.iter().chain(beside).copied());
        place.error_meaning((format!("`{}` takes no `{key}`; {}", form.word, takes(&parameters)), suggestion))
    };
    section.unknown_keys(&known).into_iter().map(tell).collect()
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
            code: section.optional("code")?,
            reason: section.or("reason", String::new())?,
            to: section.or("to", Default::default())?,
        },
        "half_close" => Verb::HalfClose { by: section.required("by")? },
        "half_open" => Verb::HalfOpen {
            kind: section.required("kind")?,
            direction: section.optional("direction")?,
            heal_after: lasting("heal_after")?,
        },
        "cut" => Verb::Cut { ending: section.or("ending", Default::default())? },
        "truncate_clean" => Verb::TruncateClean,
        "freeze" => Verb::Freeze { thaw_after: lasting("thaw_after")? },
        "partition" => Verb::Partition { one_way: section.or("one_way", false)?, heal_after: lasting("heal_after")? },
        "refuse" => Verb::Refuse { lasting: lasting("lasting")? },
        "connect_hang" => Verb::ConnectHang { lasting: lasting("lasting")? },
        "handshake_stall" => Verb::HandshakeStall { lasting: lasting("lasting")? },
        "accept_then_reset" => Verb::AcceptThenReset { lasting: lasting("lasting")? },
        "illegal" => Verb::Illegal { kind: section.required("kind")?, to: section.or("to", Default::default())? },
        "throttle" => Verb::Throttle {
            bytes_per_second: section.required("bytes_per_second")?,
            direction: section.optional("direction")?,
            lasting: lasting("lasting")?,
        },
        "drip" => Verb::Drip {
            bytes: section.or("bytes", 1)?,
            every: duration("every")?,
            direction: section.optional("direction")?,
            lasting: lasting("lasting")?,
        },
        "split" => Verb::Split {
            bytes: section.required("bytes")?,
            direction: section.optional("direction")?,
            lasting: lasting("lasting")?,
        },
        "corrupt" => Verb::Corrupt,
        "duplicate_message" => Verb::DuplicateMessage { copies: section.or("copies", 1)? },
        "reorder_messages" => Verb::ReorderMessages { by: section.or("by", 1)? },
        "upstream" => Verb::Upstream(upstream(section)?),
        "lookup_fails" => {
            Verb::LookupFails { kind: section.or("kind", LookupError::default())?, lasting: lasting("lasting")? }
        }
        "lookup_moves" => Verb::LookupMoves { to: section.required("to")?, lasting: lasting("lasting")? },
        "buffer" => Verb::Buffer {
            bytes: section.required("bytes")?,
            flush_after: lasting("flush_after")?,
            direction: section.optional("direction")?,
            lasting: lasting("lasting")?,
        },
        "delay" => Verb::Delay { by: duration("by")?, lasting: lasting("lasting")? },
        "jitter" => Verb::Jitter { up_to: duration("up_to")?, lasting: lasting("lasting")? },
        "io_error" => {
            let call = section.required("call")?;
            // Only a listening end accepts, and only a client connects.
            let side = match (section.optional("side")?, call) {
                (Some(side), _) => side,
                (None, IoCall::Accept) => Side::Server,
                (None, IoCall::Connect) => Side::Client,
                (None, IoCall::Read | IoCall::Write | IoCall::Flush | IoCall::Shutdown) => section.required("side")?,
            };
            let (kind, nth) = (section.required("kind")?, section.or("nth", 1)?);
            Verb::IoError { call, kind, nth, side, lasting: lasting("lasting")? }
        }
        "crash" => Verb::Crash { restart_after: lasting("restart_after")? },
        "power_loss" => Verb::PowerLoss { restart_after: lasting("restart_after")? },
        "clock_jump" => clock_jump(section)?,
        "restart" => Verb::Restart { pause: duration("pause")? },
        unlisted => unreachable!("`{unlisted}` is listed as a verb and is not read"),
    })
}

/// Forward or back.
fn clock_jump(section: &Section) -> Result<Verb, ScenarioError> {
    let time = |key| Ok(section.optional::<Millis>(key)?.map(|time: Millis| time.0));
    match (time("forward")?, time("back")?) {
        (Some(by), None) => Ok(Verb::ClockJump { by, back: false }),
        (None, Some(by)) => Ok(Verb::ClockJump { by, back: true }),
        (None, None) => Err(section.place.error("a clock jumps `forward` or `back`: say by how much")),
        (Some(_), Some(_)) => Err(section.place_of("back").error("a clock jumps `forward` or `back`, not both ways")),
    }
}

fn upstream(section: &Section) -> Result<Upstream, ScenarioError> {
    let kind: String = section.required("kind")?;
    let Some((_, parameters)) = UPSTREAM.iter().find(|(known, _)| *known == kind) else {
        let error = unknown(format!("no upstream does `{kind}`"), &kind, UPSTREAM.map(|(kind, _)| kind));
        return Err(section.place_of("kind").error_meaning(error));
    };
    let stranger = UPSTREAM
        .iter()
        .flat_map(|(_, keys)| *keys)
        .find(|key| !parameters.contains(*key) && section.get(key).is_some());
    if let Some(key) = stranger {
        let error = format!("an upstream that does `{kind}` takes no `{key}`; {}", takes(parameters));
        return Err(section.place_of(key).error(error));
    }
    Ok(match kind.as_str() {
        "status" => Upstream::Status { status: section.required("status")? },
        "slow_head" => Upstream::SlowHead { by: section.required::<Millis>("by")?.0 },
        "missing_done" => Upstream::MissingDone,
        "error_event" => Upstream::ErrorEvent { message: section.required("message")? },
        "stall" => Upstream::Stall { heal_after: section.optional::<Millis>("heal_after")?.map(|time| time.0) },
        unlisted => unreachable!("`{unlisted}` is listed and is not read"),
    })
}

/// The verb's parameters, defaults included: what a plan means must not change with a default.
pub(crate) fn parameters(verb: &Verb) -> Vec<(&'static str, Value)> {
    let lasting = |key, time: &Option<_>| time.map(|time| (key, written(time))).into_iter().collect::<Vec<_>>();
    let way = |direction: &Option<Direction>| {
        direction.map(|direction| ("direction", spelt(&direction))).into_iter().collect::<Vec<_>>()
    };
    match verb {
        Verb::Reset { to } | Verb::Drop { to } => vec![("to", spelt(to))],
        Verb::Close { code, reason, to } => {
            // Without a code there is no reason either.
            let words =
                code.map(|code| [("code", Value::Integer(code.into())), ("reason", Value::String(reason.clone()))]);
            words.into_iter().flatten().chain([("to", spelt(to))]).collect()
        }
        Verb::HalfClose { by } => vec![("by", spelt(by))],
        Verb::HalfOpen { kind, direction, heal_after } => [("kind", spelt(kind))]
            .into_iter()
            .chain(direction.map(|direction| ("direction", spelt(&direction))))
            .chain(heal_after.map(|time| ("heal_after", written(time))))
            .collect(),
        Verb::Cut { ending } => vec![("ending", spelt(ending))],
        Verb::TruncateClean => Vec::new(),
        Verb::Freeze { thaw_after } => lasting("thaw_after", thaw_after),
        Verb::Partition { one_way, heal_after } => {
            [vec![("one_way", Value::Boolean(*one_way))], lasting("heal_after", heal_after)].concat()
        }
        Verb::Refuse { lasting: time }
        | Verb::ConnectHang { lasting: time }
        | Verb::HandshakeStall { lasting: time }
        | Verb::AcceptThenReset { lasting: time } => lasting("lasting", time),
        Verb::LookupFails { kind, lasting: time } => [vec![("kind", spelt(kind))], lasting("lasting", time)].concat(),
        Verb::LookupMoves { to, lasting: time } => [vec![("to", spelt(to))], lasting("lasting", time)].concat(),
        Verb::Buffer { bytes, flush_after, direction, lasting: time } => {
            let held = [vec![("bytes", Value::Integer((*bytes).into()))], lasting("flush_after", flush_after)].concat();
            [held, way(direction), lasting("lasting", time)].concat()
        }
        Verb::Illegal { kind, to } => vec![("kind", spelt(kind)), ("to", spelt(to))],
        Verb::Throttle { bytes_per_second, direction, lasting: time } => {
            // TOML's numbers end at 2^63 - 1, and nothing is as fast.
            let rate = i64::try_from(*bytes_per_second).unwrap_or(i64::MAX);
            [vec![("bytes_per_second", Value::Integer(rate))], way(direction), lasting("lasting", time)].concat()
        }
        Verb::Drip { bytes, every, direction, lasting: time } => {
            let drops = vec![("bytes", Value::Integer((*bytes).into())), ("every", written(*every))];
            [drops, way(direction), lasting("lasting", time)].concat()
        }
        Verb::Split { bytes, direction, lasting: time } => {
            [vec![("bytes", Value::Integer((*bytes).into()))], way(direction), lasting("lasting", time)].concat()
        }
        Verb::Corrupt => Vec::new(),
        Verb::DuplicateMessage { copies } => vec![("copies", Value::Integer((*copies).into()))],
        Verb::ReorderMessages { by } => vec![("by", Value::Integer((*by).into()))],
        Verb::Upstream(upstream) => {
            let kind = ("kind", Value::String(upstream.name().to_owned()));
            let more = match upstream {
                Upstream::Status { status } => vec![("status", Value::Integer((*status).into()))],
                Upstream::SlowHead { by } => vec![("by", written(*by))],
                Upstream::MissingDone => Vec::new(),
                Upstream::ErrorEvent { message } => vec![("message", Value::String(message.clone()))],
                Upstream::Stall { heal_after } => lasting("heal_after", heal_after),
            };
            [vec![kind], more].concat()
        }
        Verb::Delay { by, lasting: time } => [vec![("by", written(*by))], lasting("lasting", time)].concat(),
        Verb::Jitter { up_to, lasting: time } => [vec![("up_to", written(*up_to))], lasting("lasting", time)].concat(),
        Verb::IoError { call, kind, nth, side, lasting: time } => {
            let nth = Value::Integer((*nth).into());
            let call = vec![("call", spelt(call)), ("kind", spelt(kind)), ("nth", nth), ("side", spelt(side))];
            [call, lasting("lasting", time)].concat()
        }
        Verb::Crash { restart_after } | Verb::PowerLoss { restart_after } => lasting("restart_after", restart_after),
        Verb::ClockJump { by, back } => vec![(if *back { "back" } else { "forward" }, written(*by))],
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
