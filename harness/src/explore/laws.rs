//! Which laws of a scenario judge a run with another fault than its own.
//!
//! A scenario says two kinds of things: what holds whatever happens (what is accepted has one outcome, nothing is left over),
//! and what its own faults lead to (a client that is closed with 1000 sees 1000). Only the first can judge another fault.
//! Of the second kind is a law that says so of itself ([`withstands_any_fault`](crate::check::Check::withstands_any_fault)), one that names a fault of the scenario,
//! and one that a run without any fault breaks. What arrives exactly once where the scenario's own faults are is, where
//! another part of the system may break, told to have failed at worst: `delivery` lets a loss be that is told.

use std::collections::BTreeSet;

use super::learn::Course;
use crate::check::{DeliveryLaw, Expectations, OwnChecks, Signature};
use crate::occurrence::Occurrence;
use crate::scenario::Scenario;

/// The laws by which single faults are judged.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    /// The scenario with those laws only, and without faults of its own unless they are kept.
    pub(crate) scenario: Scenario,
    /// Their names, in the order in which they judge; a rule of `timing` or `backoff` has its own.
    pub(crate) sits: Vec<String>,
    /// The laws that do not judge, with the reason of each.
    pub(crate) left_out: Vec<(String, &'static str)>,
    /// What the base run decided nothing about: it needs a fault.
    pub(crate) idle: Vec<Signature>,
}

/// What a scenario's laws are to judge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// The scenario's own faults stay, and all its laws with them.
    pub(crate) keeps_faults: bool,
    /// All laws judge that a run without a fault keeps, whatever they say of themselves.
    pub(crate) is_strict: bool,
    /// Laws and rules that are not to judge.
    pub(crate) without: &'a [String],
}

/// Why a law does not judge.
const OF_ITS_FAULTS: &str = "it speaks of the scenario's own faults";
/// Another reason.
const BOUNDED: &str = "it bounds what other faults may stretch";
/// Another reason.
const TOLD: &str = "a loss that is told is none";
/// Another reason.
const BROKEN_WITHOUT: &str = "it does not hold without the scenario's own faults";
/// Another reason.
const ASKED: &str = "as asked";

impl Bench {
    /// Leaves out the faults of a scenario, the laws that speak of them, and those that are not wanted.
    ///
    /// # Errors
    /// If the scenario has no law that is not wanted; the sentence says which it has.
    pub(crate) fn of(scenario: &Scenario, own: &OwnChecks, wanted: Wanted<'_>) -> Result<Self, String> {
        let (scenario, sits) = (scenario.clone(), Vec::new());
        let mut bench = Self { scenario, sits, left_out: Vec::new(), idle: Vec::new() };
        bench.scenario.specimens.clear();
        bench.scenario.opposites.clear();
        bench.scenario.checks.sometimes = None;
        let laws = names(&bench.scenario.checks);
        let is_unwanted = |law: &str, name: &String| law == name || law.starts_with(&format!("{name}."));
        if let Some(name) = wanted.without.iter().find(|name| !laws.iter().any(|law| is_unwanted(law, name))) {
            let known = laws.join("`, `");
            let scenario = &bench.scenario.name;
            return Err(format!("{scenario} has no law `{name}` that could be left out; it has `{known}`"));
        }
        for law in laws {
            if wanted.without.iter().any(|name| is_unwanted(&law, name)) {
                bench.leave_out(&law, ASKED);
            } else if !wanted.keeps_faults && speaks_of_faults(&bench.scenario.checks, &law) {
                bench.leave_out(&law, OF_ITS_FAULTS);
            } else if !wanted.keeps_faults && !wanted.is_strict && !withstands(&bench.scenario.checks, own, &law) {
                bench.leave_out(&law, BOUNDED);
            }
        }
        if !wanted.keeps_faults {
            bench.lose_faults(wanted.is_strict);
        }
        bench.sits = names(&bench.scenario.checks);
        Ok(bench)
    }

    /// Takes the scenario's own faults away, and what its laws say of them.
    fn lose_faults(&mut self, is_strict: bool) {
        self.scenario.rules.clear();
        let checks = &mut self.scenario.checks;
        if let Some(hygiene) = checks.hygiene.as_mut().filter(|law| !law.unexpected_is_logged.is_empty()) {
            hygiene.unexpected_is_logged.clear();
            self.left_out.push(("hygiene.unexpected_is_logged".to_owned(), OF_ITS_FAULTS));
        }
        if is_strict {
            return;
        }
        if let Some(delivery) = checks.delivery.as_mut().filter(|law| law.law == DeliveryLaw::ExactlyOnce) {
            delivery.law = DeliveryLaw::AtMostOnce;
            self.left_out.push(("delivery.exactly_once".to_owned(), TOLD));
        }
        if checks.delivery.as_mut().and_then(|law| law.within.take()).is_some() {
            self.left_out.push(("delivery.within".to_owned(), BOUNDED));
        }
        if checks.stream.as_mut().and_then(|law| law.cancelled_within.take()).is_some() {
            self.left_out.push(("stream.cancelled_within".to_owned(), BOUNDED));
        }
    }

    /// Leaves out what the base run breaks. `broken` judges that run by some laws alone.
    ///
    /// # Errors
    /// The law that every run is judged by and that the base run breaks: then nothing can be learned from it.
    pub(crate) fn settle(&mut self, broken: impl Fn(&Expectations) -> Vec<Signature>) -> Result<(), Signature> {
        for law in self.sits.clone() {
            let alone = only(&self.scenario.checks, &law);
            if broken(&alone).iter().any(|signature| is_of(signature, &law) && !is_vacuous(signature)) {
                self.leave_out(&law, BROKEN_WITHOUT);
            }
        }
        self.sits = names(&self.scenario.checks);
        let (idle, broken): (Vec<_>, Vec<_>) = broken(&self.scenario.checks).into_iter().partition(is_vacuous);
        self.idle = idle;
        // What the base run has told need not be told by a run in which a fault has kept it from happening.
        self.scenario.facts.iter_mut().for_each(|source| source.optional = true);
        broken.into_iter().next().map_or(Ok(()), Err)
    }

    fn leave_out(&mut self, law: &str, why: &'static str) {
        remove(&mut self.scenario.checks, law);
        self.left_out.push((law.to_owned(), why));
    }
}

/// Whether a law was broken only because the run decided nothing about it, or a fact of it was never told. A fault that keeps
/// something from happening takes a law's subject away; that is no failure of a service.
pub(crate) fn is_vacuous(signature: &Signature) -> bool {
    let clause = signature.clause();
    if law_of(signature) == "integrity" {
        return clause == "silent source";
    }
    let has = |word: &str| clause == word || clause.strip_suffix(word).is_some_and(|rule| rule.ends_with(' '));
    ["says nothing", "undecided", "nothing seen"].into_iter().any(has)
}

/// Whether a violation says that a fault did not do what it was planned to do.
pub(crate) fn is_without_effect(signature: &Signature) -> bool {
    law_of(signature) == "took_effect"
}

/// The check that a signature is of.
fn law_of(signature: &Signature) -> &str {
    signature.as_str().split_once(": ").map_or("", |(law, _)| law)
}

/// Whether a signature is of this law or rule.
fn is_of(signature: &Signature, law: &str) -> bool {
    law_of(signature) == law.split_once('.').map_or(law, |(law, _)| law)
}

/// The names of a scenario's laws. A rule is `timing.NAME` or `backoff.NAME`.
fn names(checks: &Expectations) -> Vec<String> {
    let rules = |law: &str| -> Option<Vec<String>> {
        let names: Vec<&String> = match law {
            "timing" => checks.timing.as_ref()?.0.keys().collect(),
            "backoff" => checks.backoff.as_ref()?.0.keys().collect(),
            _ => return None,
        };
        Some(names.into_iter().map(|name| format!("{law}.{name}")).collect())
    };
    let laws = checks.checks();
    let ours = laws.iter().flat_map(|check| rules(check.name()).unwrap_or_else(|| vec![check.name().to_owned()]));
    ours.chain(checks.own.keys().cloned()).collect()
}

/// The same laws without one.
fn remove(checks: &mut Expectations, law: &str) {
    match law.split_once('.') {
        Some(("timing", rule)) => {
            checks.timing.iter_mut().for_each(|timing| _ = timing.0.remove(rule));
            checks.timing = checks.timing.take().filter(|timing| !timing.0.is_empty());
        }
        Some(("backoff", rule)) => {
            checks.backoff.iter_mut().for_each(|backoff| _ = backoff.0.remove(rule));
            checks.backoff = checks.backoff.take().filter(|backoff| !backoff.0.is_empty());
        }
        _ => match law {
            "delivery" => checks.delivery = None,
            "broadcast" => checks.broadcast = None,
            "truthful" => checks.truthful = None,
            "terminal" => checks.terminal = None,
            "stream" => checks.stream = None,
            "close_code" => checks.close_code = None,
            "detect" => checks.detect = None,
            "recover" => checks.recover = None,
            "survival" => checks.survival = None,
            "stops" => checks.stops = None,
            "hygiene" => checks.hygiene = None,
            "leaks" => checks.leaks = None,
            "livelock" => checks.livelock = None,
            own => _ = checks.own.remove(own),
        },
    }
}

/// One law of several.
fn only(checks: &Expectations, law: &str) -> Expectations {
    let mut alone = checks.clone();
    let others: BTreeSet<String> = names(checks).into_iter().filter(|name| name != law).collect();
    others.iter().for_each(|other| remove(&mut alone, other));
    alone
}

/// Whether a law names a fault of its scenario, or the way in which a connection ends because of it.
fn speaks_of_faults(checks: &Expectations, law: &str) -> bool {
    let names_one = |of: &[Occurrence]| of.iter().any(|occurrence| occurrence.fault.is_some());
    match law.split_once('.') {
        Some(("timing", rule)) => {
            checks.timing.as_ref().and_then(|timing| timing.0.get(rule)).is_some_and(|rule| {
                [&rule.after.0, &rule.follows.0, &rule.unless.0].into_iter().any(|of| names_one(of))
            })
        }
        Some(_) => false,
        None => match law {
            "detect" => checks.detect.as_ref().is_some_and(|detect| !detect.faults.is_empty()),
            _ => false,
        },
    }
}

/// Whether a law says of itself that it holds whatever breaks.
fn withstands(checks: &Expectations, own: &OwnChecks, law: &str) -> bool {
    let name = law.split_once('.').map_or(law, |(law, _)| law);
    let ours = checks.checks().iter().find(|check| check.name() == name).map(|check| check.withstands_any_fault());
    // A check that cannot be made is convicted by the base run.
    let theirs = || checks.own.get(name).and_then(|config| Some(own.make(name, config).ok()?.withstands_any_fault()));
    ours.or_else(theirs).unwrap_or(true)
}

/// A sentence for a course in which nothing can be broken.
pub(crate) fn nothing_to_break(course: &Course) -> Option<&'static str> {
    (course.units.is_empty() && course.attempts.is_empty() && course.moments.is_empty())
        .then_some("nothing passes on any connection and no host says anything, so there is nothing to break")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HostName;

    fn scenario(checks: &str) -> Scenario {
        let mut scenario = Scenario::new("s", "x");
        scenario.checks = toml::from_str(checks).expect("these are expectations");
        scenario
    }

    const CHECKS: &str = r#"
        [delivery]
        law = "exactly_once"
        [close_code]
        any_of = [1000]
        [detect]
        within = "40s"
        observers = ["alice"]
        [livelock]
        retries_at_most = 0
        [timing.late]
        after = { fault = 0 }
        follows = { event = "session lost" }
        within = "1s"
        [timing.answer]
        after = { fact = "offered" }
        follows = { fact = "received" }
        within = "1s"
    "#;

    fn bench(wanted: Wanted<'_>) -> Bench {
        Bench::of(&scenario(CHECKS), &OwnChecks::default(), wanted).expect("what is unwanted is there")
    }

    #[test]
    fn what_speaks_of_the_scenarios_own_faults_does_not_judge_others() {
        let out = |bench: &Bench| bench.left_out.iter().map(|(law, _)| law.clone()).collect::<Vec<_>>();
        let lenient = bench(Wanted::default());
        assert_eq!(lenient.sits, ["delivery", "livelock"]);
        assert_eq!(out(&lenient), ["close_code", "detect", "timing.answer", "timing.late", "delivery.exactly_once"]);
        let strict = bench(Wanted { is_strict: true, ..Wanted::default() });
        assert_eq!(strict.sits, ["delivery", "close_code", "detect", "livelock", "timing.answer"]);
        assert_eq!(out(&strict), ["timing.late"]);
        let law = |bench: &Bench| bench.scenario.checks.delivery.as_ref().map(|delivery| delivery.law);
        assert_eq!((law(&lenient), law(&strict)), (Some(DeliveryLaw::AtMostOnce), Some(DeliveryLaw::ExactlyOnce)));
        assert_eq!(bench(Wanted { keeps_faults: true, ..Wanted::default() }).left_out, []);
    }

    #[test]
    fn what_is_not_wanted_is_left_out_and_must_be_there() {
        let two = ["timing".to_owned(), "detect".to_owned()];
        let strict = Wanted { is_strict: true, without: &two, ..Wanted::default() };
        assert_eq!(bench(strict).sits, ["delivery", "close_code", "livelock"]);
        let order = Wanted { without: &["order".to_owned()], ..Wanted::default() };
        let none = Bench::of(&scenario(CHECKS), &OwnChecks::default(), order).expect_err("there is none");
        assert!(
            none.starts_with("s has no law `order` that could be left out; it has `delivery`, `close_code`"),
            "{none}"
        );
    }

    #[test]
    fn what_a_run_without_faults_breaks_does_not_judge() {
        let mut bench = bench(Wanted { is_strict: true, ..Wanted::default() });
        let alice = HostName::from("alice");
        let broken = |checks: &Expectations| {
            let livelock = checks.livelock.is_some().then(|| Signature::new("livelock", "too many retries", [&alice]));
            // It has nothing to decide about, which excludes it from nothing.
            let detect = checks.detect.is_some().then(|| Signature::new("detect", "undecided", []));
            livelock.into_iter().chain(detect).collect()
        };
        bench.settle(broken).expect("the rest holds");
        assert_eq!(bench.idle.iter().map(Signature::as_str).collect::<Vec<_>>(), ["detect: undecided"]);
        assert_eq!(bench.sits, ["delivery", "close_code", "detect", "timing.answer"]);
        let always = |_: &Expectations| vec![Signature::new("survival", "panic", [&alice])];
        let survival = bench.settle(always).expect_err("no run may panic");
        assert_eq!(survival.as_str(), "survival: panic @ alice");
    }

    #[test]
    fn a_law_that_decides_nothing_is_not_broken() {
        let vacuous = |clause: &str| is_vacuous(&Signature::new("timing", clause, []));
        assert!(vacuous("says nothing") && vacuous("answer says nothing") && vacuous("answer undecided"));
        assert!(!vacuous("late") && !vacuous("no outcome"));
        assert!(is_vacuous(&Signature::new("integrity", "silent source", [])));
        assert!(!is_vacuous(&Signature::new("integrity", "watchdog", [])));
    }
}
