//! Makes a plan that fails smaller: fewer faults, then earlier and simpler ones, and keeps the reason for which it fails.
//!
//! Fewer is Zeller's and Hildebrandt's ddmin (2002) over the faults of the plan, in which their order stays. What is tried
//! afterwards of each fault is strictly smaller than it, so that the search ends. A candidate is kept when it breaks the law
//! with the same signature: one that breaks another law is another failure, and following it would lose the first.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::Value;

use crate::fault::{Act, AnyVerb, Connections, Crash, Drop, Edge, Ends, Fault, Reset, Target, Trigger};

#[cfg(test)]
mod tests;

/// What a run of a candidate showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// It fails for the same reason.
    Same,
    /// It holds, or fails for another reason.
    Other,
    /// It was not played: the time is up.
    OutOfTime,
}

/// The smallest plan that was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shrunk {
    /// Its faults.
    pub(crate) faults: Vec<Fault>,
    /// How many candidates were played.
    pub(crate) played: usize,
    /// Whether the time was up before everything smaller had been tried.
    pub(crate) is_cut_short: bool,
}

/// Shrinks the faults of a plan that is known to fail. `play` plays a candidate; `read` makes a fault of a `[[fault]]` table,
/// or nothing if it is none that could be planned.
pub(crate) fn shrink(
    faults: Vec<Fault>,
    mut play: impl FnMut(&[Fault]) -> Tried,
    read: impl Fn(&str) -> Option<Fault>,
) -> Shrunk {
    let mut search = Search { faults, seen: BTreeSet::new(), played: 0, is_cut_short: false, play: &mut play };
    loop {
        let before = search.faults.clone();
        search.fewer();
        for place in 0..search.faults.len() {
            search.smaller(place, &read);
        }
        if search.is_cut_short || search.faults == before {
            break;
        }
    }
    let Search { faults, played, is_cut_short, .. } = search;
    Shrunk { faults, played, is_cut_short }
}

struct Search<'a> {
    faults: Vec<Fault>,
    /// Candidates that were played, in words.
    seen: BTreeSet<String>,
    played: usize,
    is_cut_short: bool,
    play: &'a mut dyn FnMut(&[Fault]) -> Tried,
}

impl Search<'_> {
    /// Plays a candidate, unless it was played before, and takes it if it fails for the same reason.
    fn takes(&mut self, candidate: Vec<Fault>) -> bool {
        let words = candidate.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        if self.is_cut_short || !self.seen.insert(words) {
            return false;
        }
        match (self.play)(&candidate) {
            Tried::Same => {
                self.played += 1;
                self.faults = candidate;
                true
            }
            Tried::Other => {
                self.played += 1;
                false
            }
            Tried::OutOfTime => {
                self.is_cut_short = true;
                false
            }
        }
    }

    /// Leaves out ever smaller parts of the plan, until no single fault can be left out.
    fn fewer(&mut self) {
        let mut parts = 2;
        while !self.faults.is_empty() && !self.is_cut_short {
            let parts_now = parts.min(self.faults.len());
            let size = self.faults.len().div_ceil(parts_now);
            let starts: Vec<usize> = (0..self.faults.len()).step_by(size).collect();
            // The later faults first: what came after the failure is left out at once.
            let smaller = starts.iter().rev().any(|start| {
                let rest = self.faults.iter().enumerate();
                let rest = rest.filter(|(place, _)| !(*start..*start + size).contains(place));
                let rest = rest.map(|(_, fault)| fault.clone()).collect();
                self.takes(rest)
            });
            match smaller {
                true => parts = parts_now.saturating_sub(1).max(2),
                false if size == 1 => break,
                false => parts = parts_now * 2,
            }
        }
    }

    /// Puts smaller faults in the place of one, as long as one of them will do.
    fn smaller(&mut self, place: usize, read: &impl Fn(&str) -> Option<Fault>) {
        while place < self.faults.len() && !self.is_cut_short {
            let candidates = smaller_than(&self.faults[place], read);
            let taken = candidates.into_iter().any(|fault| {
                let mut faults = self.faults.clone();
                faults[place] = fault;
                self.takes(faults)
            });
            if !taken {
                return;
            }
        }
    }
}

/// What is smaller than a fault, the smallest first.
fn smaller_than(fault: &Fault, read: &impl Fn(&str) -> Option<Fault>) -> Vec<Fault> {
    let plainer = plainer(&fault.act).into_iter().map(|act| Fault { trigger: fault.trigger.clone(), act });
    let earlier = earlier(&fault.trigger).into_iter().map(|trigger| Fault { trigger, act: fault.act.clone() });
    let mut candidates: Vec<Fault> = plainer.chain(earlier).collect();
    candidates.extend(with_less(fault).iter().filter_map(|table| read(table)));
    candidates.retain(|candidate| candidate.act.verb().refusal(&candidate.trigger).is_none() && candidate != fault);
    candidates
}

/// How plain a verb is; what ends a connection or process at once is the plainest.
fn plainness(verb: &dyn AnyVerb) -> usize {
    match verb.word() {
        "reset" | "crash" => 0,
        "drop" => 1,
        _ => 2,
    }
}

/// Plainer verbs of the same target.
fn plainer(act: &Act) -> Vec<Act> {
    let on = || match act {
        Act::Connection { on, .. } | Act::Path { on, .. } => Some(on.clone()),
        Act::Attempt { .. } | Act::Lookup { .. } | Act::Listener { .. } | Act::Pair { .. } | Act::Host { .. } => None,
    };
    let connection = |on: Connections| {
        let trigger = Trigger::Connect;
        let both = Ends::Both;
        [
            Fault::new(on.clone(), trigger.clone(), Reset { to: both }).act,
            Fault::new(on, trigger, Drop { to: both }).act,
        ]
    };
    let crash = match act.target() {
        Target::Host(host) if act.ends_process() => {
            Some(Fault::new(host.clone(), Trigger::Connect, Crash { restart_after: act.lasts() }).act)
        }
        Target::Host(_) | Target::Link { .. } | Target::Between(..) => None,
    };
    let mut plainer: Vec<Act> = on().map(connection).into_iter().flatten().chain(crash).collect();
    plainer.retain(|other| plainness(other.verb()) < plainness(act.verb()));
    plainer
}

/// Earlier triggers of the same kind, and those at a plainer edge.
fn earlier(trigger: &Trigger) -> Vec<Trigger> {
    let number = trigger.number();
    let mut smaller = match trigger {
        Trigger::At(_) => {
            // A round time that is near, then half the time.
            let mut times = vec![number / 2];
            times.extend([60_000, 10_000, 1000].map(|unit| number / unit * unit));
            times.sort_unstable();
            times
        }
        Trigger::Connect | Trigger::Idle(_) => Vec::new(),
        Trigger::Bytes { .. }
        | Trigger::Message { .. }
        | Trigger::Frame { .. }
        | Trigger::SseEvent { .. }
        | Trigger::Chunk { .. }
        | Trigger::Line { .. }
        | Trigger::HttpHead { .. }
        | Trigger::Event { .. } => {
            let mut numbers = vec![1, number / 2, number.saturating_sub(1)];
            numbers.retain(|smaller| *smaller >= 1);
            numbers
        }
    };
    smaller.retain(|smaller| *smaller < number);
    smaller.dedup();
    let mut earlier: Vec<_> = smaller.into_iter().map(|number| trigger.clone().with_number(number)).collect();
    if let Some(edge) = trigger.edge() {
        let plainer = match edge {
            Edge::After => Vec::new(),
            Edge::Before => vec![Edge::After],
            Edge::Inside(1) => vec![Edge::After, Edge::Before],
            Edge::Inside(_) => vec![Edge::After, Edge::Before, Edge::Inside(1)],
        };
        earlier.extend(plainer.into_iter().map(|edge| trigger.clone().at_edge(edge)));
    }
    earlier
}

/// The fault's table with one of the verb's arguments shorter or smaller: times by half (whole seconds), numbers as 1.
fn with_less(fault: &Fault) -> Vec<String> {
    let table = crate::scenario::fault_tables(std::slice::from_ref(fault));
    let with = |key: &str, value: &Value, smaller: Value| {
        let (old, new) = (format!("\n{key} = {value}\n"), format!("\n{key} = {smaller}\n"));
        // The last line has its end where another follows.
        let ended = format!("{}\n", table.trim_end());
        ended.contains(&old).then(|| ended.replacen(&old, &new, 1))
    };
    let smaller = |value: &Value| match value {
        Value::String(text) => {
            let time = humantime::parse_duration(text).ok()?;
            let half = Duration::from_secs(time.as_secs() / 2);
            (!half.is_zero()).then(|| Value::String(humantime::format_duration(half).to_string()))
        }
        Value::Integer(2..) => Some(Value::Integer(1)),
        _ => None,
    };
    let keys = fault.act.verb().keys();
    keys.iter().filter_map(|(key, value)| with(key, value, smaller(value)?)).collect()
}
