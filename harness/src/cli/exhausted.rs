//! What is printed when a scenario was exhausted.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use console::style;

use super::arguments::Probe;
use super::probe::Probed;
use super::{BROKEN, CommandError, HELD, artefacts, exhaust, say, shrink};
use crate::check::Signature;
use crate::explore::ledger::Ledger;
use crate::explore::{matrix, pairs};
use crate::plan::Plan;

/// How many other faults of one reason are named.
const OTHERS: usize = 8;

/// A scenario, and what became of its faults.
pub(super) struct Told<'a> {
    pub(super) subject: &'a Probed<'a>,
    pub(super) ledger: &'a Ledger,
    pub(super) pairs: &'a [(usize, usize)],
    /// What is known and was met, a line each.
    pub(super) known: &'a [String],
    pub(super) wall: Duration,
}

impl Told<'_> {
    /// Prints it all, and returns the exit code.
    pub(super) fn tell(&self, probe: &Probe, prints_matrix: bool) -> Result<u8, CommandError> {
        let singles = self.singles();
        let cases_of = |trial| exhaust::cases_of(self.subject, self.pairs, trial);
        let reasons = Reasons { subject: self.subject, ledger: self.ledger, cases_of: &cases_of };
        reasons.heading(self.known);
        let matrix = matrix::of(&self.subject.cases, &singles);
        let path = self.write_matrix(&matrix)?;
        if prints_matrix {
            say(&format!("\n{matrix}"));
        }
        let met = reasons.tell(probe)?;
        let sentence = self.sentence(&singles);
        say(&format!("{}", if singles.reasons().is_empty() { style(sentence).green() } else { style(sentence).red() }));
        self.counts(&singles).iter().for_each(|line| say(&format!("  {line}")));
        say(&format!("  matrix: {}", path.display()));
        Ok(if met == 0 { HELD } else { BROKEN })
    }

    /// What became of the single faults.
    fn singles(&self) -> Ledger {
        let mut singles = Ledger::default();
        let all = self.subject.cases.all.len();
        self.ledger.entries().filter(|entry| entry.case < all).for_each(|entry| singles.add(entry.clone()));
        singles
    }

    fn sentence(&self, singles: &Ledger) -> String {
        let (points, legs) = (self.subject.cases.rows.len(), self.subject.course.legs());
        let (held, effective) = (singles.held(), singles.effective());
        let reasons = singles.reasons().len();
        let at = format!("at {} points of {legs} legs", thousands(points));
        let of = format!("{} of {}", thousands(held), thousands(effective));
        let unplayed = self.subject.cases.all.len() - singles.played();
        match (reasons, unplayed) {
            (0, 0) => {
                format!("no single fault at any of {} points of {legs} legs breaks a law: {of} held", thousands(points))
            }
            (0, unplayed) => {
                let unplayed = thousands(unplayed);
                format!("no single fault that was played {at} breaks a law: {of} held, and {unplayed} were not played")
            }
            (reasons, _) => {
                let broken = thousands(effective - held);
                let reasons = if reasons == 1 { "one reason".to_owned() } else { format!("{reasons} reasons") };
                format!("{broken} of {} single faults {at} break a law, for {reasons}", thousands(effective))
            }
        }
    }

    fn counts(&self, singles: &Ledger) -> Vec<String> {
        let (played, effective) = (singles.played(), singles.effective());
        let mut lines = vec![format!(
            "{} runs in {:.1} s: {} different ones, {} equal to one of them, {} whose fault had no effect",
            thousands(self.ledger.played()),
            self.wall.as_secs_f64(),
            thousands(singles.distinct()),
            thousands(effective - singles.distinct()),
            thousands(played - effective),
        )];
        let same = self.subject.cases.same_point;
        if same > 0 {
            lines.push(format!(
                "{} more faults strike at the byte and the instant of one of these, and were not played",
                thousands(same)
            ));
        }
        if !self.pairs.is_empty() {
            let (all, drawn) = (self.subject.cases.all.len(), self.pairs.len());
            let entries = self.ledger.entries().filter(|entry| entry.case >= all);
            let (held, broken): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.signature().is_none());
            lines.push(format!(
                "pairs: {} of {} drawn ones were played ({:.4} % of {}), {} of them break a law",
                thousands(held.len() + broken.len()),
                thousands(drawn),
                100.0 * (held.len() + broken.len()) as f64 / pairs::all_of(all).max(1) as f64,
                pairs::all_of(all),
                thousands(broken.len()),
            ));
        }
        lines
    }

    fn write_matrix(&self, matrix: &str) -> Result<PathBuf, CommandError> {
        let folder = self.subject.folder();
        let path = folder.join("matrix.txt");
        fs::create_dir_all(&folder).map_err(|source| artefacts::failed("create", &folder, &source))?;
        fs::write(&path, matrix).map_err(|source| artefacts::failed("write", &path, &source))?;
        Ok(path)
    }
}

/// Why runs failed.
pub(super) struct Reasons<'a> {
    pub(super) subject: &'a Probed<'a>,
    pub(super) ledger: &'a Ledger,
    /// The cases of a trial.
    pub(super) cases_of: &'a dyn Fn(usize) -> Vec<usize>,
}

impl Reasons<'_> {
    /// What was played, and by which laws it was judged.
    pub(super) fn heading(&self, known: &[String]) {
        let Plan { scenario, seed, .. } = &self.subject.base;
        say(&format!("{} under seed {seed}", style(&scenario.name).bold()));
        let bench = &self.subject.bench;
        say(&format!("  judged by {}", bench.sits.join(", ")));
        for (law, why) in &bench.left_out {
            say(&format!("  not by {law}: {why}"));
        }
        if !bench.idle.is_empty() {
            let idle: Vec<_> = bench.idle.iter().map(ToString::to_string).collect();
            say(&format!("  without a fault there is nothing to decide for {}", idle.join(", ")));
        }
        known.iter().for_each(|line| say(&format!("  {line}")));
    }

    /// Tells each reason, and returns how many there are.
    pub(super) fn tell(&self, probe: &Probe) -> Result<usize, CommandError> {
        let reasons = self.ledger.reasons();
        for (signature, trials) in &reasons {
            self.reason(signature, trials, probe)?;
        }
        Ok(reasons.len())
    }

    /// Tells one reason: its plan as it was found, the smaller one, and how often it was met.
    fn reason(&self, signature: &Signature, trials: &[usize], probe: &Probe) -> Result<(), CommandError> {
        let subject = self.subject;
        // The smallest plan is the nearest to what it can be made.
        let smallest = trials.iter().min_by_key(|trial| (self.cases_of)(**trial).len()).unwrap_or(&trials[0]);
        let faults = subject.faults(&(self.cases_of)(*smallest));
        let found = subject.plan(faults.clone());
        say(&format!("\n{}  under seed {}", style(signature).red().bold(), found.seed));
        faults.iter().for_each(|fault| say(&format!("  {fault}")));
        let search = shrink::Search { trials: subject.trials(), signature, until: Instant::now() + probe.shrink_for };
        let smaller = search.shrink(found);
        let capsule = subject.folder().join(format!("{}.toml", shrink::file_name(signature)));
        shrink::tell(subject.catalogue, &smaller, signature, probe.isolation.isolate, &capsule)?;
        if trials.len() > 1 {
            say(&format!("the same in {} runs, among them:", thousands(trials.len())));
        }
        for trial in trials.iter().filter(|trial| *trial != smallest).take(OTHERS) {
            let added = subject.faults(&(self.cases_of)(*trial)).split_off(subject.base.faults.len());
            let words: Vec<_> = added.iter().map(ToString::to_string).collect();
            say(&format!("  {}", words.join(", then ")));
        }
        Ok(())
    }
}

/// All scenarios together.
#[derive(Default)]
pub(super) struct Sums {
    scenarios: usize,
    skipped: usize,
    points: usize,
    legs: usize,
    runs: usize,
    held: usize,
    effective: usize,
    reasons: usize,
}

impl Sums {
    pub(super) fn add(&mut self, told: &Told<'_>) {
        let singles = told.singles();
        self.scenarios += 1;
        self.points += told.subject.cases.rows.len();
        self.legs += told.subject.course.legs();
        self.runs += told.ledger.played();
        self.held += singles.held();
        self.effective += singles.effective();
        self.reasons += told.ledger.reasons().len();
    }

    pub(super) fn skip(&mut self) {
        self.skipped += 1;
    }

    pub(super) fn sentence(&self, wall: Duration) -> String {
        let skipped = match self.skipped {
            0 => String::new(),
            n => format!(", {n} could not be exhausted"),
        };
        format!(
            "\n{} scenarios{skipped}: {} points of {} legs, {} runs in {:.1} s, {} of {} single faults held, {} reasons to fail",
            self.scenarios,
            thousands(self.points),
            self.legs,
            thousands(self.runs),
            wall.as_secs_f64(),
            thousands(self.held),
            thousands(self.effective),
            self.reasons,
        )
    }
}

/// `2,412`.
pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn large_numbers_have_commas() {
        assert_eq!([0, 999, 1000, 2_412_000].map(thousands), ["0", "999", "1,000", "2,412,000"]);
    }
}
