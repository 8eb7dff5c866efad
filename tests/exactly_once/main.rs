//! Whatever breaks: no job is done twice for its user, no delivery is claimed that was none, and every job has an
//! outcome. Random users and nodes under random faults, judged by the laws of the catalogue.
//!
//! - `case`: who talks, who works, and the plan that comes of it.
//! - `faults`: what breaks.
//!
//! `PROPTEST_CASES` sets how many cases are played (1,000 without it) and `HALFOPEN_TEST_SEED` where their drawing
//! starts. A failure prints the smallest case that was found, as a scenario's file.

mod case;
mod faults;

use std::thread;
use std::time::Duration;

use halfopen::check::{Check as _, Verdict};
use halfopen::internals::Settings;
use halfopen::internals::{Delivery, DeliveryLaw, GaugeLaw, Leaks, SocketLaw};
use halfopen::trace::{FaultEvent, RecordKind};
use halfopen::{FactKind, Outcome, Seed};
use halfopen_scenarios::catalogue;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use case::{Case, any_case};

/// How many cases are played by default.
const CASES: u32 = 1_000;
/// Within this many cases a defective scheduler must be caught once.
const SPECIMEN_CASES: u32 = 100;
/// A little more than the ten minutes after which the scheduler forgets an absent session.
const FORGETTING: Duration = Duration::from_secs(10 * 60 + 45);
/// How many are played at a time.
const THREADS: u32 = 2;

#[test]
fn nothing_is_doubled_or_lost_in_silence_whatever_breaks() {
    let cases = match std::env::var("PROPTEST_CASES") {
        Ok(text) => text.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => CASES,
    };
    let settings = Settings::from_env().expect("HALFOPEN_TEST_SEED is a seed");
    let seed = settings.seed.unwrap_or(Seed(1));
    let failures: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|n| scope.spawn(move || play(cases.div_ceil(THREADS), seed, n))).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("the runner does not panic").err()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The laws can convict: in the same kind of cases, the specimen that counts a send as a
/// delivery is caught lying.
#[test]
fn a_scheduler_that_counts_a_send_as_a_delivery_is_convicted() {
    let catalogue = catalogue();
    let mut runner = TestRunner::deterministic();
    let convicted = (0..SPECIMEN_CASES).any(|_| {
        let case = any_case().new_tree(&mut runner).expect("a case can be drawn").current();
        let plan = case.plan_of("specimen_send_counts_as_delivered");
        let outcome = catalogue.run(&plan).unwrap_or_else(|error| panic!("{error}\n{case}"));
        outcome.violations().any(|violation| violation.check == "truthful")
    });
    assert!(convicted, "it went free in {SPECIMEN_CASES} cases");
}

/// Plays cases one after the other, from a stream of draws that is this thread's own.
fn play(cases: u32, seed: Seed, thread: u32) -> Result<(), String> {
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&seed.0.to_le_bytes());
    entropy[8..12].copy_from_slice(&thread.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &entropy);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let catalogue = catalogue();
    let judged = TestRunner::new_with_rng(config, rng).run(&any_case(), |case| {
        let outcome = catalogue.run(&case.plan()).map_err(|error| TestCaseError::fail(format!("{error}\n{case}")))?;
        match broken(&case, &outcome) {
            None => Ok(()),
            Some(verdict) => Err(TestCaseError::fail(format!("{verdict}\n{case}\n{}", outcome.story()))),
        }
    });
    judged.map_err(|error| error.to_string())
}

/// The first law that the run has broken. That a fault never fires, or changes nothing, is no matter here.
fn broken(case: &Case, outcome: &Outcome) -> Option<String> {
    let mut verdicts: Vec<Verdict> =
        outcome.verdicts.iter().filter(|verdict| verdict.check() != "took_effect").cloned().collect();
    if is_quiet(outcome) {
        let mut leaks = Leaks { sockets: Some(SocketLaw::NoneWithoutPeer), ..Leaks::default() };
        if !case.strikes_scheduler() {
            let quiet = ["connected_sessions", "open_jobs", "undelivered_outcomes", "session_connections"];
            let told = quiet.into_iter().filter(|gauge| is_told(outcome, gauge));
            leaks.gauges = told.map(|gauge| (gauge.to_owned(), GaugeLaw::Value(0))).collect();
        }
        verdicts.push(leaks.judge(&outcome.evidence()));
    }
    if case.excuses_nothing() {
        let strictly = Delivery::of(DeliveryLaw::ExactlyOnce);
        verdicts.push(strictly.judge(&outcome.evidence()));
    }
    let violation = verdicts.iter().find_map(Verdict::violation)?;
    Some(format!("{}: {}", violation.signature, violation.sentence))
}

/// Whether the last fault came and went long enough before the end for the scheduler to have forgotten whom it took.
/// Few do not: those that wait for more bytes than a case has while a client talks.
fn is_quiet(outcome: &Outcome) -> bool {
    let acts = outcome.trace.records.iter().filter(|record| {
        matches!(&record.what, RecordKind::Fault { event: FaultEvent::Fired { .. } | FaultEvent::Healed, .. })
    });
    let last = acts.map(|record| record.at).max().unwrap_or_default();
    outcome.last.at.saturating_sub(last) > FORGETTING
}

/// Whether a gauge ever moved: a case may refuse its talkers before they have a session.
fn is_told(outcome: &Outcome, gauge: &str) -> bool {
    let told =
        |what: &RecordKind| matches!(what, RecordKind::Fact(fact) if fact.kind == FactKind::Gauge && fact.key == gauge);
    outcome.trace.records.iter().any(|record| told(&record.what))
}
