//! The report of a failure: what a person reads first, on one screen.
//!
//! - [`report`] (here): the verdict, the broken laws, the line that replays the run, and what stands between them.
//! - `plan`: what was to break, what was struck, and who felt it.
//! - `key`: the life of one key, from its offer to its outcome.
//! - `moments`: the records around the proofs and the firing of faults.
//! - `lines`: records as lines of one width.
//! - `unreached`: ports that hosts tried and on which no process ever listened.
//! - `rest`: who was still waiting, and which sockets say something.
//!
//! Nothing here shows the number of a record: a log line more changes only what it stands in.

pub(super) mod key;
mod lines;
mod moments;
mod plan;
mod rest;
mod unreached;

use std::time::Duration;

use super::alias::Aliases;
use super::table::Table;
use crate::check::{Evidence, Verdict, Violation};
use crate::trace::{RecordKind, Seconds};

pub(super) use key::speaks_of;
pub(super) use lines::Lines;
use lines::{has_fired, wrapped};

/// One broken law: what it says, how it was broken here, the records that prove it, who was waiting for what, and the
/// socket table of each host.
#[cfg(test)]
pub(crate) fn failure(evidence: &Evidence, violation: &Violation) -> String {
    let mut aliases = Aliases::of(evidence.records);
    let mut text = format!("LAW BROKEN: {}\n", violation.check);
    text.push_str(&broken_law(evidence, violation, &mut aliases));
    text.push_str(&rest::all(evidence, &mut aliases));
    text
}

/// Which run a report is about, and how much of it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The scenario, with what its plan says of its network.
    pub(crate) title: &'a str,
    pub(crate) seed: &'a str,
    /// The command that replays the run.
    pub(crate) replay_line: &'a str,
    /// The key whose life is told; without, that of the law that was broken first.
    pub(crate) key: Option<&'a str>,
}

/// What a failing run prints: the broken laws, the first one first, the plan and what it struck, the life of the key that
/// was lost, the records around the proofs, who still waits, and the line that replays it.
pub(crate) fn report(asked: Asked<'_>, evidence: &Evidence, verdicts: &[Verdict]) -> String {
    let mut aliases = Aliases::of(evidence.records);
    let broken = in_order(evidence, verdicts);
    let lines = Lines::of(evidence);
    let mut text = headline(asked, evidence, &broken);
    text.push_str(&laws(evidence, &broken, &mut aliases));
    text.push_str(&unreached::told(evidence));
    text.push_str(&plan::told(evidence));
    let key = match asked.key {
        Some(asked) => key::named(asked, evidence, &mut aliases),
        None => key::of(evidence, &broken),
    };
    let life = key.map(|key| key::Life::of(key, evidence, &lines));
    if let (Some(asked), None) = (asked.key, &life) {
        text.push_str(&format!("\nno record speaks of {asked}\n"));
    }
    text.extend(life.as_ref().map(|life| life.told(evidence, &lines, &mut aliases)));
    text.push_str(&moments::told(evidence, &broken, life.as_ref(), &lines, &mut aliases));
    text.push_str(&rest::telling(evidence, &mut aliases));
    text.push_str(&format!("\nreplay\n  {}\n", asked.replay_line));
    text.push_str("  (--full adds the whole story, --key KEY tells the life of another key)\n");
    text
}

/// The life of a key in any run; `None` when no record speaks of it.
pub(crate) fn life(key: &str, evidence: &Evidence) -> Option<String> {
    let mut aliases = Aliases::of(evidence.records);
    let lines = Lines::of(evidence);
    let key = key::named(key, evidence, &mut aliases)?;
    Some(key::Life::of(key, evidence, &lines).told(evidence, &lines, &mut aliases))
}

/// The broken laws in the order in which they were broken. What follows from another comes behind it; a law that says only that
/// something did not happen at all comes last.
pub(super) fn in_order<'a>(evidence: &Evidence, verdicts: &'a [Verdict]) -> Vec<&'a Violation> {
    let mut broken: Vec<_> = verdicts.iter().filter_map(Verdict::violation).collect();
    broken.sort_by_key(|violation| {
        let says_nothing = matches!(violation.signature.clause(), "says nothing" | "silent source");
        (says_nothing, moment(evidence, violation.witness.first()))
    });
    broken
}

/// When a record was made; never, without one.
fn moment(evidence: &Evidence, index: Option<&usize>) -> Duration {
    index.and_then(|index| evidence.records.get(*index)).map_or(Duration::MAX, |record| record.at)
}

fn headline(asked: Asked<'_>, evidence: &Evidence, broken: &[&Violation]) -> String {
    let checks: Vec<_> = broken.iter().map(|violation| violation.check).collect();
    let Asked { title, seed, .. } = asked;
    let length = Seconds(evidence.last.at);
    format!("LAW BROKEN {title}: {} (seed {seed}, {length} of virtual time)\n", checks.join(", "))
}

/// Each broken law in its sentence, and the first in general words too.
fn laws(evidence: &Evidence, broken: &[&Violation], aliases: &mut Aliases) -> String {
    let width = broken.iter().map(|violation| violation.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (place, violation) in broken.iter().enumerate() {
        let indent = " ".repeat(width + 4);
        let sentence = aliases.shorten(&violation.sentence);
        let first = format!("  {:width$}  ", violation.check);
        text.push_str(&wrapped(&first, &indent, &sentence));
        if place == 0 {
            text.push_str(&wrapped(&indent, &indent, &format!("(law: {})", violation.law)));
            text.extend(before_faults(evidence, violation).map(|note| wrapped(&indent, &indent, &note)));
        }
    }
    text
}

/// Whether the law was broken before any fault fired: then the faults are not to blame. A proof that consists of an offer alone
/// says nothing about when the thing was lost.
fn before_faults(evidence: &Evidence, violation: &Violation) -> Option<String> {
    let fired = evidence.records.iter().find(|record| has_fired(record));
    let proof: Vec<_> = violation.witness.iter().filter_map(|index| evidence.records.get(*index)).collect();
    let last = proof.last()?;
    let Some(fired) = fired else {
        return Some("No fault fired in this run.".to_owned());
    };
    let is_whole = proof.len() > 1 || !matches!(last.what, RecordKind::Fact(_));
    if last.at < fired.at && is_whole {
        return Some(format!("It was broken before any fault fired (the first did at {}).", Seconds(fired.at)));
    }
    None
}

/// Every broken law with its proof, and then, once, the state at the end.
pub(super) fn failures(evidence: &Evidence, verdicts: &[Verdict], aliases: &mut Aliases) -> String {
    let mut text = String::new();
    for violation in in_order(evidence, verdicts) {
        text.push_str(&format!("{}\n", violation.check));
        text.push_str(&broken_law(evidence, violation, aliases));
    }
    text.push_str(&rest::all(evidence, aliases));
    text
}

fn broken_law(evidence: &Evidence, violation: &Violation, aliases: &mut Aliases) -> String {
    let mut table = Table::default();
    table.row(["law".to_owned(), format!("{}.", violation.law)]);
    table.row(["broken".to_owned(), aliases.shorten(&violation.sentence)]);
    table.row(["known as".to_owned(), violation.signature.to_string()]);
    let mut text = table.render();
    let witness: Vec<_> = violation.witness.iter().filter_map(|&index| evidence.records.get(index)).collect();
    if !witness.is_empty() {
        let mut table = Table::default();
        for record in witness {
            let super::phrase::Phrase { who, text } = super::phrase::phrase(record, aliases);
            table.row([format!("{:>7}", Seconds(record.at).to_string()), who, text]);
        }
        text.push_str("witness\n");
        text.push_str(&table.render());
    }
    text
}

#[cfg(test)]
mod tests;
