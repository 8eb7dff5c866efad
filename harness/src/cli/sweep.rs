//! Random plans of several faults each, anywhere in a scenario.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::arguments::Sweep;
use super::exhausted::{Reasons, thousands};
use super::probe::Round;
use super::{BROKEN, CommandError, HELD, say};
use crate::catalogue::Catalogue;
use crate::explore::ledger::Ledger;
use crate::explore::swarm;
use crate::seed::Seed;

/// How many plans of a scenario are played when neither their number nor a time is given.
const RUNS: u32 = 1000;

pub(super) fn sweep(catalogue: &Catalogue, arguments: &Sweep) -> Result<u8, CommandError> {
    let round = Round::of(catalogue, &arguments.probe)?;
    let mut code = HELD;
    for (place, scenario) in round.scenarios.iter().enumerate() {
        let deadline = round.deadline(place);
        let Some(probed) = round.learn(catalogue, scenario, &arguments.probe)? else { continue };
        let runs = arguments.runs.or(deadline.is_none().then_some(RUNS)).map_or(usize::MAX, |runs| runs as usize);
        // The plans of one seed and those of the next have none in common.
        let first = arguments.probe.seed.0.wrapping_mul(1 << 32);
        let seed = |trial: usize| Seed(first.wrapping_add(trial as u64));
        let cases_of = |trial: usize| swarm::draw(&probed.cases, seed(trial), arguments.faults);
        let trial = AtomicUsize::new(0);
        let next = || Some(trial.fetch_add(1, Ordering::Relaxed)).filter(|trial| *trial < runs);
        let total = if runs == usize::MAX { 0 } else { runs };
        let started = Instant::now();
        let ledger = probed.play((round.jobs, deadline), total, next, cases_of, (Ledger::default(), None))?;
        let wall = started.elapsed().as_secs_f64();
        let (ledger, known) = probed.news(&ledger, cases_of);
        let reasons = Reasons { subject: &probed, ledger: &ledger, cases_of: &cases_of };
        reasons.heading(&known);
        let met = reasons.tell(&arguments.probe)?;
        let broken = ledger.entries().filter(|entry| entry.signature().is_some()).count();
        let faults = match arguments.faults {
            1 => "one fault".to_owned(),
            most => format!("one to {most} faults"),
        };
        say(&format!(
            "{} plans of {faults} in {wall:.1} s: {} held, {} broke a law for {met} reasons, {} had a fault without effect",
            thousands(ledger.played()),
            thousands(ledger.held()),
            thousands(broken),
            thousands(ledger.played() - ledger.effective()),
        ));
        code = code.max(if met == 0 { HELD } else { BROKEN });
    }
    Ok(code)
}
