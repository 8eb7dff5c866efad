//! What is wrong with a fault: it could never strike, or not there, or not so.

use std::time::Duration;

use super::{Checked, known, pair, virtual_time};
use crate::fault::{Edge, IoCall, Target, Trigger, Verb};
use crate::name::{Direction, Side};
use crate::scenario::error::Flaw;
use crate::scenario::verb::word;
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
        strikes(verb, &rule.target, &at_do)?;
        rule.when.iter().try_for_each(|when| agree(verb, &when.trigger, &at_do))?;
    }
    Ok(())
}

fn trigger(when: &When, path: &str, scenario: &Scenario) -> Checked {
    match &when.trigger {
        Trigger::At(time) => virtual_time(*time, path)?,
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
        | Trigger::Bytes { .. }
        | Trigger::Connect => {}
    }
    let counts_from_1 = !matches!(when.trigger, Trigger::At(_) | Trigger::Bytes { .. });
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
        | Trigger::HttpHead { edge: Edge::Inside(0), .. } => {
            Err(Flaw::new(path, "inside a unit at least one byte of it has passed: write `edge = \"before\"`"))
        }
        Trigger::At(_)
        | Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::SseEvent { .. }
        | Trigger::HttpHead { .. }
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
        Trigger::Bytes { .. } => "bytes",
        Trigger::Message { .. } | Trigger::Frame { .. } | Trigger::SseEvent { .. } | Trigger::HttpHead { .. } => {
            "units"
        }
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
    match verb {
        Verb::Close { code, reason, .. } => close(*code, reason, path),
        Verb::IoError { nth: 0, .. } => Err(Flaw::new(format!("{path}/nth"), "calls are counted from 1")),
        Verb::IoError { call: IoCall::Accept, side: Side::Client, .. } => {
            Err(Flaw::new(format!("{path}/side"), "only the server accepts"))
        }
        Verb::HalfOpen { heal_after, .. } | Verb::Partition { heal_after } => time("heal_after", heal_after),
        Verb::Freeze { thaw_after } => time("thaw_after", thaw_after),
        Verb::Refuse { lasting } => time("lasting", lasting),
        Verb::Delay { by, lasting } => time("by", &Some(*by)).and_then(|()| time("lasting", lasting)),
        Verb::Jitter { up_to, lasting } => time("up_to", &Some(*up_to)).and_then(|()| time("lasting", lasting)),
        Verb::Crash { restart_after } | Verb::PowerLoss { restart_after } => time("restart_after", restart_after),
        Verb::Restart { pause } => time("pause", &Some(*pause)),
        Verb::Reset { .. } | Verb::Drop { .. } | Verb::Cut { .. } | Verb::TruncateClean | Verb::IoError { .. } => {
            Ok(())
        }
    }
}

fn close(code: u16, reason: &str, path: &str) -> Checked {
    // RFC 6455, 7.4: 1004 is reserved, 1005 and 1006 never travel, below 1000 and from 1015 to 2999 nothing is assigned
    // that may.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        let legal = "1000 to 1003, 1007 to 1014 and 3000 to 4999";
        let sentence = format!("{code} is no close code that may travel; legal are {legal}");
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
        | Verb::HalfOpen { .. }
        | Verb::Cut { .. }
        | Verb::TruncateClean
        | Verb::Refuse { .. }
        | Verb::Delay { .. }
        | Verb::Jitter { .. }
        | Verb::IoError { .. } => "link",
        Verb::Partition { .. } => "between",
        Verb::Freeze { .. } | Verb::Crash { .. } | Verb::PowerLoss { .. } | Verb::Restart { .. } => "host",
    };
    let given = match target {
        Target::Link { .. } => "link",
        Target::Between(..) => "between",
        Target::Host(_) => "host",
    };
    if wanted == given {
        return Ok(());
    }
    Err(Flaw::new(path, format!("`{}` strikes what `{wanted}` names, and this fault has `{given}`", word(verb))))
}

/// Some verbs need what other triggers than theirs announce.
fn agree(verb: &Verb, trigger: &Trigger, path: &str) -> Checked {
    let is_websocket = matches!(trigger, Trigger::Message { .. } | Trigger::Frame { .. });
    let is_to_server = match trigger {
        Trigger::Bytes { direction, .. } | Trigger::HttpHead { direction, .. } => *direction == Direction::ToServer,
        Trigger::At(_)
        | Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::SseEvent { .. }
        | Trigger::Event { .. }
        | Trigger::Connect => false,
    };
    let sentence = match (verb, trigger) {
        (Verb::TruncateClean, Trigger::Connect) => "`truncate_clean` ends a body, and at `connect` there is none",
        (Verb::TruncateClean, _) if is_websocket => "`truncate_clean` ends a chunked body, and WebSocket has none",
        (Verb::TruncateClean, _) if is_to_server => {
            "`truncate_clean` ends the body of a response: it takes `to_client`"
        }
        (Verb::Close { .. }, Trigger::Connect) => {
            "`close` sends a WebSocket frame, and at `connect` there is no WebSocket"
        }
        (Verb::Close { .. }, Trigger::SseEvent { .. }) => "`close` sends a WebSocket frame, and SSE has none",
        (Verb::Refuse { .. }, Trigger::At(_) | Trigger::Event { .. } | Trigger::Connect) => return Ok(()),
        (Verb::Refuse { .. }, _) => "`refuse` answers attempts to connect: it takes `connect`, `at` or `event`",
        _ => return Ok(()),
    };
    Err(Flaw::new(path, sentence))
}
