//! What is wrong with faults together, or with a fault and the clock: it is certain before any run that one of them can
//! do nothing.

use std::time::Duration;

use super::Checked;
use crate::fault::{Ending, Ends, Target, Trigger, Verb};
use crate::name::HostName;
use crate::scenario::error::Flaw;
use crate::scenario::{FaultRule, HostSpec, Scenario};

/// Finds the first fault of a scenario that can do nothing.
pub(super) fn clashes(scenario: &Scenario) -> Checked {
    let rules = &scenario.rules;
    for (place, rule) in rules.iter().enumerate() {
        let path = format!("fault/{place}/when");
        in_time(rule, &path, scenario.time_limit)?;
        after_start(rule, &path, scenario)?;
        for (earlier, other) in rules[..place].iter().enumerate() {
            if let Some(sentence) = clash(other, rule, earlier + 1, place + 1) {
                return Err(Flaw::new(path, sentence));
            }
            if let Some(sentence) = covers(rule, other, place + 1) {
                return Err(Flaw::new(format!("fault/{earlier}/when"), sentence));
            }
        }
    }
    Ok(())
}

/// The times between which a fault certainly or possibly strikes; `None` if it does not strike by the clock alone.
#[derive(Clone, Copy, Debug)]
struct Times {
    first: Duration,
    last: Duration,
}

fn times(rule: &FaultRule) -> Option<Times> {
    let each = rule.when.iter().map(|when| match when.trigger {
        Trigger::At(at) => Some((at, when.most.map_or(at, Duration::from_millis))),
        Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::SseEvent { .. }
        | Trigger::Chunk { .. }
        | Trigger::Line { .. }
        | Trigger::Idle(_)
        | Trigger::Bytes { .. }
        | Trigger::HttpHead { .. }
        | Trigger::Event { .. }
        | Trigger::Connect => None,
    });
    let each: Option<Vec<_>> = each.collect();
    let each = each?;
    let first = each.iter().map(|(first, _)| *first).min()?;
    let last = each.iter().map(|(_, last)| *last).max()?;
    Some(Times { first, last })
}

/// What strikes when the run is over strikes nothing.
fn in_time(rule: &FaultRule, path: &str, limit: Duration) -> Checked {
    for when in &rule.when {
        let (at, what) = match &when.trigger {
            Trigger::At(at) => (when.most.map_or(*at, Duration::from_millis), "at"),
            Trigger::Idle(time) => (when.most.map_or(*time, Duration::from_millis), "idle"),
            Trigger::Event { after, .. } => (*after, "after"),
            Trigger::Message { .. }
            | Trigger::Frame { .. }
            | Trigger::SseEvent { .. }
            | Trigger::Chunk { .. }
            | Trigger::Line { .. }
            | Trigger::Bytes { .. }
            | Trigger::HttpHead { .. }
            | Trigger::Connect => continue,
        };
        if at >= limit {
            let may = if when.most.is_some() { "may be" } else { "is" };
            let sentence = format!(
                "`{what}` {may} {}, and the run is over at {}: let the fault strike earlier, or raise `time_limit`",
                written(at),
                written(limit)
            );
            return Err(Flaw::new(path, sentence));
        }
    }
    Ok(())
}

/// Before a host has started there is nothing of it to strike.
fn after_start(rule: &FaultRule, path: &str, scenario: &Scenario) -> Checked {
    let Some(times) = times(rule) else { return Ok(()) };
    let hosts = match &rule.target {
        Target::Link { link, .. } if rule.verbs.iter().all(needs_connection) => vec![&link.client, &link.server],
        Target::Host(host) if rule.verbs.iter().all(ends_process) => vec![host],
        Target::Link { .. } | Target::Between(..) | Target::Host(_) => return Ok(()),
    };
    let late = |host: &&HostSpec| !host.start.is_zero() && times.last <= host.start;
    let Some(host) = hosts.into_iter().filter_map(|host| scenario.host_named(host)).find(late) else { return Ok(()) };
    let sentence = format!(
        "`{}` starts at {}, so at {} there is nothing of it to strike: let the fault strike later",
        host.name,
        written(host.start),
        written(times.last)
    );
    Err(Flaw::new(path, sentence))
}

/// Why the second of two faults can do nothing, or undoes the first.
fn clash(first: &FaultRule, second: &FaultRule, number: usize, own: usize) -> Option<String> {
    covers(first, second, number)
        .or_else(|| same_host(first, second, number))
        .or_else(|| same_point(first, second, number, own))
}

/// A fault that lies wholly in the time and place of another, which leaves it nothing to do.
fn covers(wide: &FaultRule, narrow: &FaultRule, number: usize) -> Option<String> {
    let (wide_times, narrow_times) = (times(wide)?, times(narrow)?);
    if !holds_all_of(wide, narrow) || narrow_times.first < wide_times.last {
        return None;
    }
    let end = shortest(wide).map(|lasts| wide_times.first + lasts);
    let inside = match end {
        None => true,
        Some(end) => longest(narrow).is_some_and(|lasts| narrow_times.last + lasts <= end),
    };
    inside.then(|| {
        let verb = wide.verbs.first().map_or("a fault", Verb::name);
        let until = end.map_or_else(|| "on for ever".to_owned(), |end| format!("to {}", written(end)));
        format!(
            "this lies inside fault {number} ({verb}), which holds everything there from {} {until}: it can change nothing; \
             let it begin later or last longer, or drop one of the two",
            written(wide_times.last)
        )
    })
}

/// Whether what one fault holds back is all that another would.
fn holds_all_of(wide: &FaultRule, narrow: &FaultRule) -> bool {
    let partitions = |rule: &FaultRule| rule.verbs.iter().all(|verb| matches!(verb, Verb::Partition { .. }));
    let freezes = |rule: &FaultRule| rule.verbs.iter().all(|verb| matches!(verb, Verb::Freeze { .. }));
    let two_way =
        |rule: &FaultRule| rule.verbs.iter().all(|verb| matches!(verb, Verb::Partition { one_way: false, .. }));
    match (&wide.target, &narrow.target) {
        (Target::Between(a, b), Target::Between(c, d)) if partitions(wide) && partitions(narrow) => {
            (a, b) == (c, d) || ((a, b) == (d, c) && two_way(wide))
        }
        (Target::Host(host), Target::Between(one, other)) if freezes(wide) && partitions(narrow) => {
            host == one || host == other
        }
        (Target::Host(host), Target::Host(other)) => freezes(wide) && freezes(narrow) && host == other,
        (Target::Link { .. } | Target::Between(..) | Target::Host(_), _) => false,
    }
}

/// Two faults that end one process.
fn same_host(first: &FaultRule, second: &FaultRule, number: usize) -> Option<String> {
    let (Target::Host(host), Target::Host(other)) = (&first.target, &second.target) else { return None };
    let process = |rule: &FaultRule| rule.verbs.iter().all(ends_process);
    if host != other || !process(first) || !process(second) {
        return None;
    }
    let (one, two) = (times(first)?, times(second)?);
    let verb = first.verbs.first().map_or("a fault", Verb::name);
    if one.first == one.last && two.first == two.last && one.first == two.first {
        return Some(format!(
            "fault {number} ({verb}) strikes `{host}` at {}, too: one of them finds nothing to do; let one strike later",
            written(one.first)
        ));
    }
    let (early, early_times, late_times) = if one.first <= two.first { (first, one, two) } else { (second, two, one) };
    let down_from = early_times.last;
    let up = down_for(early)?.map(|lasts| early_times.first + lasts);
    let certain = late_times.first >= down_from && up.is_none_or(|up| late_times.last <= up);
    certain.then(|| down(host, early, number, down_from, up))
}

fn down(host: &HostName, early: &FaultRule, number: usize, from: Duration, up: Option<Duration>) -> String {
    let verb = early.verbs.first().map_or("a fault", Verb::name);
    let until = up.map_or_else(
        || "on, and nothing starts it again: give it a `restart_after`".to_owned(),
        |up| format!("to {}: let one of them strike after that", written(up)),
    );
    format!(
        "this clashes with fault {number}: after a `{verb}` the process of `{host}` is down from {} {until}",
        written(from)
    )
}

/// A fault that strikes, at one instant, connections that another has just ended.
fn same_point(first: &FaultRule, second: &FaultRule, number: usize, own: usize) -> Option<String> {
    let (Target::Link { link, connection }, Target::Link { link: other, connection: nth }) =
        (&first.target, &second.target)
    else {
        return None;
    };
    let ([when], [same]) = (&first.when[..], &second.when[..]) else { return None };
    let instant = matches!(when.trigger, Trigger::At(_) | Trigger::Event { .. });
    let meets = connection.is_none() || connection == nth;
    let ends = first.verbs.iter().all(ends_connection) && second.verbs.iter().all(needs_connection);
    if link != other || when != same || when.most.is_some() || !instant || !meets || !ends {
        return None;
    }
    let verb = first.verbs.first().map_or("a fault", Verb::name);
    Some(format!(
        "fault {number} ({verb}) has ended these connections at the same instant, so fault {own} finds none: let one of them \
         strike later, or name a `connection` for each"
    ))
}

/// How long a process is down after a fault, at least; `Some(None)` for ever, `None` when that is the host's own affair.
fn down_for(rule: &FaultRule) -> Option<Option<Duration>> {
    let mut shortest: Option<Option<Duration>> = None;
    for verb in &rule.verbs {
        let (Verb::Crash { restart_after } | Verb::PowerLoss { restart_after }) = verb else { return None };
        shortest = Some(match (shortest, restart_after) {
            (None | Some(None), lasts) => *lasts,
            (Some(Some(so_far)), lasts) => Some(lasts.map_or(so_far, |lasts| so_far.min(lasts))),
        });
    }
    shortest
}

/// How long each of a rule's verbs lasts at least; `None` for ever.
fn shortest(rule: &FaultRule) -> Option<Duration> {
    rule.verbs.iter().filter_map(lasting).min()
}

/// How long each of a rule's verbs lasts at most; `None` for ever.
fn longest(rule: &FaultRule) -> Option<Duration> {
    let each: Option<Vec<_>> = rule.verbs.iter().map(lasting).collect();
    each?.into_iter().max()
}

fn lasting(verb: &Verb) -> Option<Duration> {
    if let Verb::Partition { heal_after: time, .. } | Verb::Freeze { thaw_after: time } = verb { *time } else { None }
}

fn ends_process(verb: &Verb) -> bool {
    matches!(verb, Verb::Crash { .. } | Verb::PowerLoss { .. } | Verb::Restart { .. })
}

/// Whether nothing of a connection is left to strike.
fn ends_connection(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Reset { to: Ends::Both }
            | Verb::Drop { to: Ends::Both }
            | Verb::Cut { ending: Ending::Fin | Ending::Rst }
    )
}

/// Whether the verb is done to a connection that is open.
fn needs_connection(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Reset { .. }
            | Verb::Drop { .. }
            | Verb::Close { .. }
            | Verb::HalfOpen { .. }
            | Verb::Illegal { .. }
            | Verb::Cut { .. }
            | Verb::TruncateClean
            | Verb::Delay { .. }
            | Verb::Jitter { .. }
            | Verb::Throttle { .. }
            | Verb::Drip { .. }
            | Verb::Split { .. }
            | Verb::HalfClose { .. }
    )
}

fn written(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
