//! Law of a sweep: what should sometimes happen has happened.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Evidence;
use crate::fact::FactKind;
use crate::fault::{Act, Target};
use crate::name::HostName;
use crate::trace::{FaultEvent, Record, RecordKind};

/// Named states. Some run of a sweep must reach each of them: a sweep that never saw a resumed session has proved
/// nothing about resuming.
///
/// One run reaches some ([`Sometimes::reached`]); the sweep joins them and asks what is [missing](Sometimes::missing).
///
/// ```
/// use halfopen::internals::Sometimes;
///
/// let states: Sometimes = toml::from_str(
///     r#"
///     resumed = { event = "session ready", where = { resumed = "true" } }
///     came_back = { fact = "recovered", host = "alice" }
///     "#,
/// )
/// .unwrap();
/// let reached = ["resumed"].map(String::from).into_iter().collect();
/// assert_eq!(states.missing(&reached), ["came_back"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sometimes(pub BTreeMap<String, Sign>);

/// By what a state is known: a record for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// A tracing event with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Fields that the event must have with these values; `!x` is any other than `x`.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// A fact of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<FactKind>,
    /// With this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// On this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// A fault by this verb that has fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// On this link (`alice -> chat`, whichever of its connections) or host, or `between alice and chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
}

impl Sometimes {
    /// The states that a run reached.
    pub fn reached(&self, evidence: &Evidence) -> BTreeSet<String> {
        let shown = |sign: &Sign| evidence.records.iter().any(|record| sign.is_shown_by(record));
        self.0.iter().filter(|(_, sign)| shown(sign)).map(|(name, _)| name.clone()).collect()
    }

    /// The states that are not among those that the runs of a sweep reached.
    pub fn missing(&self, reached: &BTreeSet<String>) -> Vec<&str> {
        self.0.keys().filter(|name| !reached.contains(*name)).map(String::as_str).collect()
    }
}

impl Sign {
    /// That an act has struck its target, under a name that says so: `reset on alice -> chat`.
    pub(crate) fn of(act: &Act) -> (String, Self) {
        let on = match act.target() {
            Target::Link { link, .. } => format!("{} -> {}", link.client, link.server),
            Target::Host(host) => host.to_string(),
            Target::Between(one, other) => match act {
                Act::Pair { verb, .. } if verb.is_one_way() => format!("from {one} to {other}"),
                _ => format!("between {one} and {other}"),
            },
        };
        let sign = Self { fault: Some(act.word().to_owned()), on: Some(on.clone()), ..Self::default() };
        (format!("{} on {on}", act.word()), sign)
    }

    /// A sign that names neither an event nor a fact nor a fault is shown by nothing.
    fn is_shown_by(&self, record: &Record) -> bool {
        if self.host.is_some() && self.host != record.host {
            return false;
        }
        match &record.what {
            RecordKind::Event(event) => {
                self.event.as_ref() == Some(&event.message)
                    && self.fields.iter().all(|(name, value)| event.has(name, value))
            }
            RecordKind::Fact(fact) => {
                self.fact == Some(fact.kind) && (self.value.is_none() || self.value == fact.value)
            }
            RecordKind::Fault { event: FaultEvent::Fired { on, verb }, .. } => {
                self.fault.as_deref() == verb.split('(').next() && self.is_on(on)
            }
            RecordKind::Connection { .. }
            | RecordKind::Unit { .. }
            | RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => false,
        }
    }

    /// Whether a fault's place, as a trace writes it (`alice->chat#2`, `host chat`), is the one that is meant.
    fn is_on(&self, place: &str) -> bool {
        let Some(on) = &self.on else { return true };
        if let Some((server, client)) = place.strip_prefix("lookups of ").and_then(|pair| pair.split_once(" by ")) {
            return on.split("->").map(str::trim).eq([client, server]);
        }
        let link = place.split('#').next().unwrap_or(place);
        let link = link.strip_prefix("host ").unwrap_or(link);
        link.split("->").map(str::trim).eq(on.split("->").map(str::trim))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fault::{Crash, Fault, Freeze, LookupError, LookupFails, Partition, Trigger};
    use crate::name::Link;
    use crate::plane::{Effect, Plane};
    use crate::trace::Level;

    #[test]
    fn a_state_is_reached_when_a_record_shows_its_sign() {
        let states: Sometimes = toml::from_str(
            r#"
            ready = { event = "session ready" }
            resumed = { event = "session ready", where = { resumed = "true" } }
            abnormal = { fact = "detected", value = "1006", host = "alice" }
            normal = { fact = "detected", value = "1000" }
            elsewhere = { fact = "detected", host = "bob" }
            nothing = {}
            "#,
        )
        .expect("well-formed");
        let run = TraceBuilder::new().event(1000, "alice", Level::Info, "session ready").value(
            2000,
            "alice",
            FactKind::Detected,
            "s-1",
            "1006",
        );
        let reached = states.reached(&run.evidence());
        assert_eq!(reached.iter().collect::<Vec<_>>(), ["abnormal", "ready"]);
        assert_eq!(states.missing(&reached), ["elsewhere", "normal", "nothing", "resumed"]);
    }
    #[test]
    fn a_fault_shows_the_sign_of_its_verb_and_place() {
        let states: Sometimes = toml::from_str(
            r#"
            reset = { fault = "reset" }
            there = { fault = "close", on = "alice -> chat" }
            elsewhere = { fault = "close", on = "bob -> chat" }
            other = { fault = "drop", on = "alice -> chat" }
            host = { fault = "restart", on = "chat" }
            "#,
        )
        .expect("well-formed");
        let run = TraceBuilder::new()
            .fault(1000, 0, FaultEvent::Fired { on: "alice->chat#2".to_owned(), verb: "close(1000)".to_owned() })
            .fault(2000, 1, FaultEvent::Fired { on: "bob->chat#1".to_owned(), verb: "reset".to_owned() })
            .fault(
                3000,
                2,
                FaultEvent::Fired { on: "host chat".to_owned(), verb: "restart(starts after 1s)".to_owned() },
            );
        let reached = states.reached(&run.evidence());
        assert_eq!(reached.iter().collect::<Vec<_>>(), ["host", "reset", "there"]);
    }

    #[test]
    fn each_fault_that_fires_shows_the_sign_that_stands_for_it_and_no_other() {
        let at = || Trigger::At(Duration::ZERO);
        let pair = |one: &str, other: &str| (one.into(), other.into());
        let link = Link { client: "alice".into(), server: "chat".into() };
        let faults = [
            Fault::new(link, at(), LookupFails { kind: LookupError::NoAnswer, lasting: None }),
            Fault::new(pair("alice", "chat"), at(), Partition { one_way: false, heal_after: None }),
            Fault::new(pair("chat", "alice"), at(), Partition { one_way: true, heal_after: None }),
            Fault::new("chat", at(), Freeze { thaw_after: None }),
            Fault::new("alice", at(), Crash { restart_after: None }),
        ];
        let (mut plane, mut effects) = (Plane::new(&faults), Vec::new());
        plane.timeout(Duration::ZERO, &mut effects);
        let fired = effects.iter().filter_map(|effect| match effect {
            Effect::Fired { fault, on, .. } => Some((fault.0 as usize, on.as_str())),
            _ => None,
        });
        let fired: Vec<_> = fired.collect();
        assert_eq!(fired.len(), faults.len());
        for (nth, fault) in faults.iter().enumerate() {
            let (name, sign) = Sign::of(&fault.act);
            for (other, on) in &fired {
                assert_eq!(sign.is_on(on), *other == nth, "{name}: {on}");
            }
        }
    }
}
