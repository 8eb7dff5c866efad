//! The records around the moments that matter: what proves that laws were broken, the firing of faults, and the last that is known
//! of the lost key.

use std::collections::BTreeSet;

use super::super::alias::Aliases;
use super::key::Life;
use super::lines::{Lines, has_fired};
use crate::check::{Evidence, Violation};

/// As many lines as fit a screen beside the rest.
const SHOWN: usize = 16;
/// How far from a moment lines are still of interest.
const BEFORE: usize = 4;
const AFTER: usize = 6;
/// Witnesses of one law that are looked at, from its first and from its last.
const WITNESSES: usize = 2;

pub(super) fn told(
    evidence: &Evidence,
    broken: &[&Violation],
    life: Option<&Life>,
    lines: &Lines,
    aliases: &mut Aliases,
) -> String {
    let proofs: BTreeSet<usize> = broken.iter().flat_map(|violation| violation.witness.iter().copied()).collect();
    let places = around(&moments(evidence, broken, life, lines), lines);
    if places.is_empty() {
        return String::new();
    }
    let rows = lines.render(&places, true, &|index| proofs.contains(&index), evidence, aliases);
    format!("around it (> proves it)\n{rows}")
}

/// The moments, what matters most first.
fn moments(evidence: &Evidence, broken: &[&Violation], life: Option<&Life>, lines: &Lines) -> Vec<usize> {
    let mut moments = Vec::new();
    let firsts = |violation: &&Violation| violation.witness.iter().copied().take(WITNESSES).collect::<Vec<_>>();
    let lasts = |violation: &&Violation| violation.witness.iter().copied().rev().take(WITNESSES).collect::<Vec<_>>();
    moments.extend(broken.first().map(firsts).unwrap_or_default());
    moments.extend(broken.first().map(lasts).unwrap_or_default());
    moments.extend(firing(evidence, moments.iter().max().copied()));
    moments.extend(life.and_then(|life| life.end(lines)));
    moments.extend(broken.iter().skip(1).flat_map(firsts));
    moments
}

/// The latest fault that had fired by the time of a record, or the first that fires after it.
fn firing(evidence: &Evidence, by: Option<usize>) -> Option<usize> {
    let fired = evidence.records.iter().enumerate().filter(|(_, record)| has_fired(record));
    let fired: Vec<usize> = fired.map(|(index, _)| index).collect();
    let before = fired.iter().copied().rfind(|index| by.is_some_and(|by| *index <= by));
    before.or_else(|| fired.first().copied())
}

/// The lines around the moments, as many as there is room for: all of them grow together.
fn around(moments: &[usize], lines: &Lines) -> Vec<usize> {
    let centres: Vec<usize> = moments.iter().filter_map(|index| lines.place_of(*index)).collect();
    let mut chosen = BTreeSet::new();
    for distance in 0..=BEFORE.max(AFTER) {
        for centre in &centres {
            let before = centre.checked_sub(distance).filter(|_| distance <= BEFORE);
            let after = Some(centre + distance).filter(|place| distance <= AFTER && *place < lines.len());
            for place in after.into_iter().chain(before) {
                if chosen.len() < SHOWN {
                    chosen.insert(place);
                }
            }
        }
    }
    chosen.into_iter().collect()
}
