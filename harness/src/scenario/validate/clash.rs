//! What is wrong with faults together, or with a fault and the clock: it is certain before any run that one of them can
//! do nothing.

use std::time::Duration;

use super::Checked;
use crate::fault::{Act, HostBlow, Target, Trigger};
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
    let Some(act) = rule.acts.first() else { return Ok(()) };
    let is_meant = match act.target() {
        Target::Link { .. } => rule.acts.iter().all(Act::needs_connection),
        Target::Host(_) => rule.acts.iter().all(Act::ends_process),
        Target::Between(..) => false,
    };
    let hosts = if is_meant { act.target().hosts() } else { Vec::new() };
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
        let verb = wide.acts.first().map_or("a fault", Act::word);
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
    let [Some(one), Some(other)] = [wide, narrow].map(|rule| rule.acts.first()) else { return false };
    if ![wide, narrow].into_iter().all(|rule| rule.acts.iter().all(is_hold)) {
        return false;
    }
    let two_way = |act: &Act| !matches!(act, Act::Pair { verb, .. } if verb.is_one_way());
    match (one.target(), other.target()) {
        (Target::Between(a, b), Target::Between(c, d)) => {
            (a, b) == (c, d) || ((a, b) == (d, c) && wide.acts.iter().all(two_way))
        }
        (Target::Host(host), Target::Between(one, other)) => host == one || host == other,
        (Target::Host(host), Target::Host(other)) => host == other,
        (Target::Link { .. } | Target::Between(..) | Target::Host(_), _) => false,
    }
}

/// Whether an act holds packets and does nothing else.
fn is_hold(act: &Act) -> bool {
    match act {
        Act::Pair { .. } => true,
        Act::Host { verb, .. } => verb.blow() == HostBlow::Hold,
        Act::Connection { .. } | Act::Path { .. } | Act::Attempt { .. } | Act::Lookup { .. } | Act::Listener { .. } => {
            false
        }
    }
}

/// Two faults that end one process.
fn same_host(first: &FaultRule, second: &FaultRule, number: usize) -> Option<String> {
    let [Some(Target::Host(host)), Some(Target::Host(other))] = [first, second].map(target) else { return None };
    let process = |rule: &FaultRule| rule.acts.iter().all(Act::ends_process);
    if host != other || !process(first) || !process(second) {
        return None;
    }
    let (one, two) = (times(first)?, times(second)?);
    let verb = first.acts.first().map_or("a fault", Act::word);
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
    let verb = early.acts.first().map_or("a fault", Act::word);
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
    let [Some(Target::Link { link, connection }), Some(Target::Link { link: other, connection: nth })] =
        [first, second].map(target)
    else {
        return None;
    };
    let ([when], [same]) = (&first.when[..], &second.when[..]) else { return None };
    let instant = matches!(when.trigger, Trigger::At(_) | Trigger::Event { .. });
    let meets = connection.is_none() || connection == nth;
    let ends = first.acts.iter().all(Act::leaves_nothing) && second.acts.iter().all(Act::needs_connection);
    if link != other || when != same || when.most.is_some() || !instant || !meets || !ends {
        return None;
    }
    let verb = first.acts.first().map_or("a fault", Act::word);
    Some(format!(
        "fault {number} ({verb}) has ended these connections at the same instant, so fault {own} finds none: let one of them \
         strike later, or name a `connection` for each"
    ))
}

/// What a rule strikes.
fn target(rule: &FaultRule) -> Option<Target<'_>> {
    rule.acts.first().map(Act::target)
}

/// How long a process is down after a fault, at least; `Some(None)` for ever, `None` when that is the host's own affair.
fn down_for(rule: &FaultRule) -> Option<Option<Duration>> {
    let mut shortest: Option<Option<Duration>> = None;
    for act in &rule.acts {
        if !act.ends_process() || act.restarts().is_some() {
            return None;
        }
        shortest = Some(match (shortest, act.lasts()) {
            (None | Some(None), lasts) => lasts,
            (Some(Some(so_far)), lasts) => Some(lasts.map_or(so_far, |lasts| so_far.min(lasts))),
        });
    }
    shortest
}

/// How long each of a rule's verbs lasts at least; `None` for ever.
fn shortest(rule: &FaultRule) -> Option<Duration> {
    rule.acts.iter().filter_map(Act::lasts).min()
}

/// How long each of a rule's verbs lasts at most; `None` for ever.
fn longest(rule: &FaultRule) -> Option<Duration> {
    let each: Option<Vec<_>> = rule.acts.iter().map(Act::lasts).collect();
    each?.into_iter().max()
}

fn written(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
