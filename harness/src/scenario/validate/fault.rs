//! What is wrong with a fault: it could never strike, or not there, or not so.

use std::time::Duration;

use super::{Checked, known, pair, virtual_time};
use crate::fault::{Edge, IoCall, Target, Trigger, Upstream, Verb};
use crate::name::{Direction, Side};
use crate::scenario::error::Flaw;
use crate::scenario::{FaultRule, Scenario, When};

/// RFC 6455, 5.5: a control frame has at most 125 bytes, of which the code takes two.
const REASON_BYTES_AT_MOST: usize = 123;

/// Finds the first mistake of a fault rule that stands at `path`.
pub(crate) fn rule(rule: &FaultRule, path: &str, scenario: &Scenario) -> Checked {
    match &rule.target {
        Target::Link { link, .. } => pair(&link.client, &link.server, &format!("{path}/link"), scenario)?,
        Target::Between(one, other) => pair(one, other, &format!("{path}/between"), scenario)?,
        Target::Host(host) => known(host, &format!("{path}/host"), scenario)?,
    }
    if let Target::Link { connection: Some(0), .. } = rule.target {
        return Err(Flaw::new(format!("{path}/connection"), "connections are counted from 1"));
    }
    if rule.when.is_empty() || rule.verbs.is_empty() {
        return Err(Flaw::new(path, "a fault without a trigger or without a verb never strikes"));
    }
    let (at_when, at_do) = (format!("{path}/when"), format!("{path}/do"));
    for when in &rule.when {
        trigger(when, &at_when, scenario)?;
        aimed(&when.trigger, &rule.target, &at_when)?;
    }
    for verb in &rule.verbs {
        parameters(verb, path)?;
        lookup(verb, &rule.target, path, scenario)?;
        strikes(verb, &rule.target, &at_do)?;
        rule.when.iter().try_for_each(|when| agree(verb, &when.trigger, &at_do))?;
    }
    Ok(())
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
    if counts_from_1 && when.number() == 0 {
        return Err(Flaw::new(path, "units and events are counted from 1: there is no number 0"));
    }
    if when.most.is_some_and(|most| most < when.number()) {
        return Err(Flaw::new(path, "the range is empty: its end lies before its beginning"));
    }
    match &when.trigger {
        Trigger::Message { edge: Edge::Inside(0), .. }
        | Trigger::Frame { edge: Edge::Inside(0), .. }
        | Trigger::SseEvent { edge: Edge::Inside(0), .. }
        | Trigger::Chunk { edge: Edge::Inside(0), .. }
        | Trigger::Line { edge: Edge::Inside(0), .. }
        | Trigger::HttpHead { edge: Edge::Inside(0), .. } => {
            Err(Flaw::new(path, "inside a unit at least one byte of it has passed: write `edge = \"before\"`"))
        }
        Trigger::At(_)
        | Trigger::Idle(_)
        | Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::SseEvent { .. }
        | Trigger::HttpHead { .. }
        | Trigger::Chunk { .. }
        | Trigger::Line { .. }
        | Trigger::Bytes { .. }
        | Trigger::Event { .. }
        | Trigger::Connect => Ok(()),
    }
}

/// Units and connections are counted on links.
fn aimed(trigger: &Trigger, target: &Target, path: &str) -> Checked {
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

fn parameters(verb: &Verb, path: &str) -> Checked {
    let time =
        |key: &str, time: &Option<Duration>| time.map_or(Ok(()), |time| virtual_time(time, &format!("{path}/{key}")));
    let at_least_1 = |key: &str, n: u64| match n {
        0 => Err(Flaw::new(format!("{path}/{key}"), format!("`{key}` is at least 1"))),
        _ => Ok(()),
    };
    match verb {
        Verb::Close { code, reason, .. } => close(*code, reason, path),
        Verb::IoError { nth: 0, .. } => Err(Flaw::new(format!("{path}/nth"), "calls are counted from 1")),
        Verb::IoError { call: IoCall::Accept, side: Side::Client, .. } => {
            Err(Flaw::new(format!("{path}/side"), "only the server accepts"))
        }
        Verb::IoError { call: IoCall::Connect, side: Side::Server, .. } => {
            Err(Flaw::new(format!("{path}/side"), "only the client connects"))
        }
        Verb::IoError { lasting, .. } => time("lasting", lasting),
        Verb::LookupFails { lasting, .. } | Verb::LookupMoves { lasting, .. } => time("lasting", lasting),
        Verb::Buffer { bytes, flush_after, lasting, .. } => {
            at_least_1("bytes", (*bytes).into())?;
            time("flush_after", flush_after).and_then(|()| time("lasting", lasting))
        }
        Verb::HalfOpen { heal_after, .. }
        | Verb::Partition { heal_after, .. }
        | Verb::Upstream(Upstream::Stall { heal_after }) => time("heal_after", heal_after),
        Verb::Freeze { thaw_after } => time("thaw_after", thaw_after),
        Verb::Refuse { lasting }
        | Verb::ConnectHang { lasting }
        | Verb::HandshakeStall { lasting }
        | Verb::AcceptThenReset { lasting } => time("lasting", lasting),
        Verb::Throttle { bytes_per_second: rate, lasting, .. } => {
            at_least_1("bytes_per_second", *rate)?;
            time("lasting", lasting)
        }
        Verb::Drip { bytes, every, lasting, .. } => {
            at_least_1("bytes", (*bytes).into())?;
            time("every", &Some(*every)).and_then(|()| time("lasting", lasting))
        }
        Verb::Split { bytes, lasting, .. } => {
            at_least_1("bytes", (*bytes).into())?;
            time("lasting", lasting)
        }
        Verb::DuplicateMessage { copies: n } => at_least_1("copies", (*n).into()),
        Verb::ReorderMessages { by: n } => at_least_1("by", (*n).into()),
        Verb::Upstream(Upstream::SlowHead { by }) => time("by", &Some(*by)),
        Verb::Upstream(Upstream::Status { status }) if !matches!(status, 429 | 500..=599) => {
            let sentence = format!("an upstream that fails answers 429 or 500 to 599, not {status}");
            Err(Flaw::new(format!("{path}/status"), sentence))
        }
        Verb::Delay { by, lasting } => time("by", &Some(*by)).and_then(|()| time("lasting", lasting)),
        Verb::Jitter { up_to, lasting } => time("up_to", &Some(*up_to)).and_then(|()| time("lasting", lasting)),
        Verb::Crash { restart_after } | Verb::PowerLoss { restart_after } => time("restart_after", restart_after),
        Verb::Restart { pause } => time("pause", &Some(*pause)),
        Verb::ClockJump { by, back } => {
            let key = if *back { "back" } else { "forward" };
            at_least_1(key, u64::try_from(by.as_millis()).unwrap_or(u64::MAX))?;
            time(key, &Some(*by))
        }
        Verb::Reset { .. }
        | Verb::Drop { .. }
        | Verb::Illegal { .. }
        | Verb::Cut { .. }
        | Verb::TruncateClean
        | Verb::Corrupt
        | Verb::HalfClose { .. }
        | Verb::Upstream(Upstream::Status { .. } | Upstream::MissingDone | Upstream::ErrorEvent { .. }) => Ok(()),
    }
}

/// A lookup belongs to two hosts and to no connection of theirs; where it moves to there is a third host.
fn lookup(verb: &Verb, target: &Target, path: &str, scenario: &Scenario) -> Checked {
    let Target::Link { link, connection } = target else { return Ok(()) };
    if let (Verb::LookupFails { .. } | Verb::LookupMoves { .. }, Some(_)) = (verb, connection) {
        let sentence = format!("`{}` strikes lookups, which are of no `connection`", verb.name());
        return Err(Flaw::new(format!("{path}/connection"), sentence));
    }
    let Verb::LookupMoves { to, .. } = verb else { return Ok(()) };
    let at = format!("{path}/to");
    known(to, &at, scenario)?;
    if *to == link.server {
        return Err(Flaw::new(at, format!("the name `{to}` leads to `{to}` as it is")));
    }
    Ok(())
}

fn close(code: Option<u16>, reason: &str, path: &str) -> Checked {
    let Some(code) = code else {
        let sentence = "a reason stands behind a code: a Close frame without a `code` has none";
        return if reason.is_empty() { Ok(()) } else { Err(Flaw::new(format!("{path}/reason"), sentence)) };
    };
    // RFC 6455, 7.4: 1004 is reserved, 1005 and 1006 never travel, below 1000 and from 1015 to 2999 nothing is assigned
    // that may.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        let legal = "1000 to 1003, 1007 to 1014 and 3000 to 4999";
        let mut sentence = format!("{code} is no close code that may travel; legal are {legal}");
        if code == 1005 {
            sentence.push_str(", and a frame that is read as 1005 has no `code` at all");
        }
        return Err(Flaw::new(format!("{path}/code"), sentence));
    }
    if reason.len() > REASON_BYTES_AT_MOST {
        let sentence =
            format!("a close reason has at most {REASON_BYTES_AT_MOST} bytes, and this has {}", reason.len());
        return Err(Flaw::new(format!("{path}/reason"), sentence));
    }
    Ok(())
}

fn strikes(verb: &Verb, target: &Target, path: &str) -> Checked {
    let wanted = match verb {
        Verb::Reset { .. }
        | Verb::Drop { .. }
        | Verb::Close { .. }
        | Verb::HalfClose { .. }
        | Verb::HalfOpen { .. }
        | Verb::LookupFails { .. }
        | Verb::LookupMoves { .. }
        | Verb::Buffer { .. }
        | Verb::Illegal { .. }
        | Verb::Cut { .. }
        | Verb::TruncateClean
        | Verb::Refuse { .. }
        | Verb::ConnectHang { .. }
        | Verb::HandshakeStall { .. }
        | Verb::AcceptThenReset { .. }
        | Verb::Delay { .. }
        | Verb::Jitter { .. }
        | Verb::Throttle { .. }
        | Verb::Drip { .. }
        | Verb::Split { .. }
        | Verb::Corrupt
        | Verb::DuplicateMessage { .. }
        | Verb::ReorderMessages { .. }
        | Verb::Upstream(_)
        | Verb::IoError { .. } => "link",
        Verb::Partition { .. } => "between",
        Verb::Freeze { .. }
        | Verb::Crash { .. }
        | Verb::PowerLoss { .. }
        | Verb::ClockJump { .. }
        | Verb::Restart { .. } => "host",
    };
    let given = match target {
        Target::Link { .. } => "link",
        Target::Between(..) => "between",
        Target::Host(_) => "host",
    };
    if wanted == given {
        return Ok(());
    }
    Err(Flaw::new(path, format!("`{}` strikes what `{wanted}` names, and this fault has `{given}`", verb.name())))
}

/// Some verbs need what other triggers than theirs announce.
fn agree(verb: &Verb, trigger: &Trigger, path: &str) -> Checked {
    let sentence = match verb {
        Verb::TruncateClean => truncates(trigger),
        Verb::Close { .. } | Verb::Illegal { .. } => sends_frames(verb, trigger),
        Verb::Refuse { .. } | Verb::ConnectHang { .. } | Verb::HandshakeStall { .. } | Verb::AcceptThenReset { .. } => {
            let fits = matches!(trigger, Trigger::At(_) | Trigger::Event { .. } | Trigger::Connect);
            let name = verb.name();
            (!fits).then(|| format!("`{name}` strikes attempts to connect: it takes `connect`, `at` or `event`"))
        }
        Verb::IoError { call: IoCall::Connect, .. } => {
            let fits = matches!(trigger, Trigger::At(_) | Trigger::Event { .. } | Trigger::Connect);
            (!fits).then(|| "a `connect` that fails carries nothing: it takes `connect`, `at` or `event`".to_owned())
        }
        Verb::LookupFails { .. } | Verb::LookupMoves { .. } => {
            let fits = matches!(trigger, Trigger::At(_) | Trigger::Event { .. });
            let name = verb.name();
            (!fits).then(|| {
                format!("`{name}` strikes lookups, which come before any connection: it takes `at` or `event`")
            })
        }
        Verb::Corrupt | Verb::DuplicateMessage { .. } | Verb::ReorderMessages { .. } => one_unit(verb, trigger),
        Verb::Upstream(upstream) => response(upstream, trigger),
        Verb::Reset { .. }
        | Verb::Drop { .. }
        | Verb::HalfClose { .. }
        | Verb::HalfOpen { .. }
        | Verb::Buffer { .. }
        | Verb::Cut { .. }
        | Verb::Freeze { .. }
        | Verb::Partition { .. }
        | Verb::Delay { .. }
        | Verb::Jitter { .. }
        | Verb::Throttle { .. }
        | Verb::Drip { .. }
        | Verb::Split { .. }
        | Verb::IoError { .. }
        | Verb::Crash { .. }
        | Verb::PowerLoss { .. }
        | Verb::ClockJump { .. }
        | Verb::Restart { .. } => None,
    };
    sentence.map_or(Ok(()), |sentence| Err(Flaw::new(path, sentence)))
}

fn truncates(trigger: &Trigger) -> Option<String> {
    let sentence = match trigger {
        Trigger::Connect => "`truncate_clean` ends a body, and at `connect` there is none",
        Trigger::Message { .. } | Trigger::Frame { .. } => {
            "`truncate_clean` ends a chunked body, and WebSocket has none"
        }
        Trigger::Bytes { direction: Direction::ToServer, .. }
        | Trigger::Chunk { direction: Direction::ToServer, .. }
        | Trigger::Line { direction: Direction::ToServer, .. }
        | Trigger::HttpHead { direction: Direction::ToServer, .. } => {
            "`truncate_clean` ends the body of a response: it takes `to_client`"
        }
        Trigger::At(_)
        | Trigger::Event { .. }
        | Trigger::Idle(_)
        | Trigger::SseEvent { .. }
        | Trigger::Chunk { direction: Direction::ToClient, .. }
        | Trigger::Line { direction: Direction::ToClient, .. }
        | Trigger::Bytes { direction: Direction::ToClient, .. }
        | Trigger::HttpHead { direction: Direction::ToClient, .. } => return None,
    };
    Some(sentence.to_owned())
}

fn sends_frames(verb: &Verb, trigger: &Trigger) -> Option<String> {
    let lacks = match trigger {
        Trigger::Connect => "at `connect` there is no WebSocket",
        Trigger::SseEvent { .. } => "SSE has none",
        Trigger::Chunk { .. } | Trigger::Line { .. } => "in an HTTP body there is none",
        Trigger::At(_)
        | Trigger::Idle(_)
        | Trigger::Event { .. }
        | Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::Bytes { .. }
        | Trigger::HttpHead { .. } => return None,
    };
    Some(format!("`{}` sends a WebSocket frame, and {lacks}", verb.name()))
}

/// What changes a message changes one that a trigger names, and all of it.
fn one_unit(verb: &Verb, trigger: &Trigger) -> Option<String> {
    let name = verb.name();
    match trigger {
        Trigger::Message { edge: Edge::After, .. } | Trigger::SseEvent { edge: Edge::After, .. } => None,
        Trigger::Message { .. } | Trigger::SseEvent { .. } => {
            Some(format!("`{name}` changes a whole message or event: its trigger has no `edge`"))
        }
        Trigger::At(_)
        | Trigger::Idle(_)
        | Trigger::Event { .. }
        | Trigger::Frame { .. }
        | Trigger::Chunk { .. }
        | Trigger::Line { .. }
        | Trigger::Bytes { .. }
        | Trigger::HttpHead { .. }
        | Trigger::Connect => Some(format!("`{name}` changes one message or event: it takes `message` or `sse_event`")),
    }
}

fn response(upstream: &Upstream, trigger: &Trigger) -> Option<String> {
    let name = upstream.name();
    match (upstream, trigger) {
        (
            Upstream::Status { .. } | Upstream::SlowHead { .. } | Upstream::MissingDone,
            Trigger::HttpHead { direction: Direction::ToClient, edge: Edge::After, .. },
        )
        | (Upstream::ErrorEvent { .. } | Upstream::Stall { .. }, Trigger::SseEvent { edge: Edge::After, .. }) => None,
        (Upstream::Status { .. } | Upstream::SlowHead { .. } | Upstream::MissingDone, _) => {
            Some(format!("`{name}` is about one response: it takes `http_head`, `to_client`, without an `edge`"))
        }
        (Upstream::ErrorEvent { .. } | Upstream::Stall { .. }, _) => {
            Some(format!("`{name}` comes behind an event: it takes `sse_event`, without an `edge`"))
        }
    }
}
