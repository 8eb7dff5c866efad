//! Two faults at a time: there are too many pairs to play them all, so some are drawn.

use std::collections::BTreeSet;

use super::cases::Cases;
use crate::seed::{Seed, SeedTree};

/// Pairs of cases, each once, the earlier case first, in the order in which they were drawn: half of them among the first
/// cases of each kind, which differ most.
pub(crate) fn draw(cases: &Cases, wanted: usize, seed: Seed) -> Vec<(usize, usize)> {
    let all = cases.all.len();
    let firsts = cases.firsts();
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX).min(all_of(all));
    let mut draws = SeedTree::new(seed).child("pairs").draws();
    let mut pairs = Vec::new();
    let mut seen = BTreeSet::new();
    // A pair that was drawn is not drawn again; when nearly all were, most draws are of such.
    let mut left = wanted.saturating_mul(20);
    while (pairs.len() as u64) < wanted && left > 0 {
        left -= 1;
        let [one, other] = if pairs.len() % 2 == 0 {
            [(); 2].map(|()| *draws.pick(&firsts))
        } else {
            [(); 2].map(|()| draws.below(all as u64) as usize)
        };
        let pair = (one.min(other), one.max(other));
        if pair.0 != pair.1 && seen.insert(pair) {
            pairs.push(pair);
        }
    }
    pairs
}

/// How many pairs there are of this number of cases.
pub(crate) fn all_of(cases: usize) -> u64 {
    let cases = cases as u64;
    cases.saturating_mul(cases.saturating_sub(1)) / 2
}
