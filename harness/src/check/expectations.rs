//! The laws that a scenario is held to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Backoff, Broadcast, Check, CloseCode, Delivery, Detect, Evidence, Figure, Finding, Hygiene, Leaks, Livelock,
    OwnChecks, Recover, RunIntegrity, Sometimes, Stops, Stream, Survival, Terminal, Timing, TookEffect, Truthful,
    Verdict,
};
use crate::fact::FactKind;

/// Which laws a scenario expects to hold, each with what it needs to know.
///
/// ```
/// use halfopen::internals::Expectations;
///
/// let expect: Expectations = toml::from_str(
///     r#"
///     [delivery]
///     law = "exactly_once"
///
///     [detect]
///     within = "40s"
///     observers = ["alice"]
///     "#,
/// )
/// .unwrap();
/// assert_eq!(expect.checks().len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// What is offered arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// What is offered to many arrives at each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Broadcast>,
    /// Claims are true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truthful: Option<Truthful>,
    /// What is accepted reaches one outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// Streams do not lie about their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// Applications see the right close codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<CloseCode>,
    /// Losses are noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<Detect>,
    /// Service is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// Nothing dies but what was struck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survival: Option<Survival>,
    /// Who is told to stop does stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<Stops>,
    /// The log raises no false alarm, and no true one is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hygiene: Option<Hygiene>,
    /// Nothing is left over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaks: Option<Leaks>,
    /// Retries are bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livelock: Option<Livelock>,
    /// What must follow follows in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Who loses a server tries again, ever more slowly, and not for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// States that a sweep reaches. No run is judged by them: see [`Sometimes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sometimes: Option<Sometimes>,
    /// The configurations of the checks that are the catalogue's own, by name: see
    /// [`Catalogue::own_check`](crate::Catalogue::own_check).
    #[serde(skip)]
    pub own: BTreeMap<String, toml::Table>,
}

impl Expectations {
    /// The names of all laws that a scenario can expect, in the order of the fields.
    pub const LAWS: [&'static str; 15] = [
        "delivery",
        "broadcast",
        "truthful",
        "terminal",
        "stream",
        "close_code",
        "detect",
        "recover",
        "survival",
        "stops",
        "hygiene",
        "leaks",
        "livelock",
        "timing",
        "backoff",
    ];

    /// What can stand below `[checks]`, beside the checks of a catalogue's own: the laws, and the states that a sweep reaches.
    pub(crate) const NAMES: [&'static str; Self::LAWS.len() + 1] = {
        let mut names = ["sometimes"; Self::LAWS.len() + 1];
        let mut place = 0;
        while place < Self::LAWS.len() {
            names[place] = Self::LAWS[place];
            place += 1;
        }
        names
    };

    /// The expected checks, in the order of the fields, without those of the catalogue's own.
    pub fn checks(&self) -> Vec<Box<dyn Check>> {
        let all: [Option<Box<dyn Check>>; Self::LAWS.len()] = [
            boxed(&self.delivery),
            boxed(&self.broadcast),
            boxed(&self.truthful),
            boxed(&self.terminal),
            boxed(&self.stream),
            boxed(&self.close_code),
            boxed(&self.detect),
            boxed(&self.recover),
            boxed(&self.survival),
            boxed(&self.stops),
            boxed(&self.hygiene),
            boxed(&self.leaks),
            boxed(&self.livelock),
            boxed(&self.timing),
            boxed(&self.backoff),
        ];
        all.into_iter().flatten().collect()
    }

    /// Each fact that a check needs, with the check's name. A fact without a source is an error of the scenario.
    pub fn needs(&self) -> Vec<(&'static str, FactKind)> {
        let checks = self.checks();
        checks.iter().flat_map(|check| check.needs().into_iter().map(|kind| (check.name(), kind))).collect()
    }

    /// The verdicts on a run: first of `integrity`, then of each expected check, then of `took_effect`. The
    /// first violation in this order stands for the run.
    ///
    /// Survival and stopping are always judged, by their defaults when they are not expected: a script that fails, a
    /// task that panics or a host that will not stop must not pass because the scenario does not mention it.
    pub fn judge(&self, evidence: &Evidence) -> Vec<Verdict> {
        self.judge_with(evidence, &OwnChecks::default())
    }

    /// The same with the checks of a catalogue's own. One that is expected and not there is a violation.
    pub fn judge_with(&self, evidence: &Evidence, own: &OwnChecks) -> Vec<Verdict> {
        let mut verdicts = vec![RunIntegrity.judge(evidence)];
        verdicts.extend(self.checks().iter().map(|check| check.judge(evidence)));
        verdicts.extend(self.own.iter().map(|(name, config)| match own.make(name, config) {
            Ok(check) => check.judge(evidence),
            Err(none) => {
                let finding = Finding::new("no such check", format!("{}.", none.sentence(name)));
                Verdict::Broken(finding.of(RunIntegrity.name(), RunIntegrity.law()))
            }
        }));
        if self.survival.is_none() {
            verdicts.push(Survival::default().judge(evidence));
        }
        if self.stops.is_none() {
            verdicts.push(Stops::default().judge(evidence));
        }
        verdicts.push(TookEffect.judge(evidence));
        verdicts
    }

    /// What the checks count of a run, for a sweep to add up.
    pub(crate) fn figures(&self, evidence: &Evidence, own: &OwnChecks) -> Vec<Figure> {
        let own = self.own.iter().filter_map(|(name, config)| own.make(name, config).ok());
        self.checks().into_iter().chain(own).flat_map(|check| check.figures(evidence)).collect()
    }
}

fn boxed<C: Check + Clone + 'static>(check: &Option<C>) -> Option<Box<dyn Check>> {
    check.clone().map(|check| Box::new(check) as Box<dyn Check>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;

    /// Every check with every key, as a scenario writes them.
    const ALL: &str = r#"
[delivery]
law = "exactly_once"
order = true
within = "5s"

[[delivery.allowed_losses]]
reason = "host_died"
host = "chat"
at_most = 1

[broadcast]
receivers = ["bob", "carol"]
senders = ["alice"]
to_sender = false
law = "at_least_once"
within = "5s"

[[broadcast.allowed_losses]]
reason = "connection_lost"
host = "bob"

[truthful]
deduplicated = true

[terminal]
at = "scheduler"
while_alive = "alice"
timeouts = ["JOB_TIMEOUT"]

[stream]
events = 3
cancelled_within = "1s"

[close_code]
any_of = [1000, 1006]

[close_code.in_order]
alice = [1006, 1000]

[close_code.by_key]
s-1 = 1000

[detect]
within = "40s"
observers = ["alice"]
faults = [0]

[recover]
within = "2s"
observers = ["alice"]
since = "detection"

[survival]
stay_up = ["chat"]
expected_panics = ["bad request"]

[survival.health]
gauge = "health"
good = "200"
within = "5s"

[stops]
within = "10s"

[stops.hosts]
chat = "1m"

[hygiene]
allowed = ["handshake failed"]
unexpected_is_logged = ["upstream truncated"]
hosts = ["chat"]

[leaks]
sockets = "none_without_peer"

[leaks.gauges]
queued = 0
waiting = { at_most = 5, at_rest = 0 }

[leaks.gauges.sessions]
established_on = "chat"
with = "alice"

[livelock]
retries_at_most = 10

[timing.ping_every_20s]
follows = [{ unit = "ws_ping", link = "alice -> chat", where = { "/code" = { present = false } } }, { fault = 0, step = "healed" }]
within = "21s"
at_least = "19s"
same = "connection"
never = true
optional = true

[timing.ping_every_20s.after]
unit = "ws_ping"
link = "alice -> chat"
direction = "to_server"

[[timing.ping_every_20s.unless]]
event = "session lost"
host = "alice"
target = "chat"
where = { by = "!us" }

[[timing.ping_every_20s.unless]]
fact = "detected"
key = "s-1"
value = "1006"

[[timing.ping_every_20s.unless]]
connection = "closed"
at = "client"

[[timing.ping_every_20s.unless]]
process = "started"

[backoff.alice]
link = "alice -> chat"
first = "1s"
longest = "30s"
jitter_percent = 10
attempts = 10
stable_after = "10s"
unless = { process = "ended", host = "alice" }
optional = true

[sometimes.resumed]
event = "session ready"

[sometimes.resumed.where]
resumed = "true"
"#;

    #[test]
    fn every_key_of_every_check_is_read_and_written_back() {
        let all: Expectations = toml::from_str(ALL).expect("the example is well-formed");
        assert_eq!(all.checks().iter().map(|check| check.name()).collect::<Vec<_>>(), Expectations::LAWS);
        let written = toml::to_string(&all).expect("expectations are TOML");
        assert_eq!(toml::from_str::<Expectations>(&written).expect("own TOML is readable"), all);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = toml::from_str::<Expectations>("[survival]\nstay_upp = []").expect_err("there is no such key");
        assert!(error.to_string().contains("stay_upp"), "{error}");
    }

    #[test]
    fn the_needed_facts_name_their_check() {
        let expect: Expectations = toml::from_str("[truthful]\n[survival]").expect("the defaults suffice");
        assert_eq!(expect.needs(), vec![("truthful", FactKind::ClaimedDelivered), ("truthful", FactKind::Received)]);
    }

    #[test]
    fn every_run_is_judged_on_its_conduct_its_survival_its_stopping_and_its_faults() {
        let run = TraceBuilder::new();
        let verdicts = Expectations::default().judge(&run.evidence());
        let names: Vec<_> = verdicts.iter().map(Verdict::check).collect();
        assert_eq!(names, vec!["integrity", "survival", "stops", "took_effect"]);
    }
}
