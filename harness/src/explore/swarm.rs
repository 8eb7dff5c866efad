//! Plans of several faults, drawn.
//!
//! Each plan has a profile of its own, as in swarm testing (Groce and others, 2012): it first decides which verbs there are at
//! all, then draws faults with those only. A plan that may use every verb rarely has three of one kind; a swarm of profiles
//! has such plans, too. Everything is drawn before the run, from the points that a run without faults has passed.

use std::collections::BTreeSet;

use super::cases::Cases;
use crate::seed::{Seed, SeedTree};

/// The cases of the plan of a seed: one fault to `most`, in the order of the course.
pub(crate) fn draw(cases: &Cases, seed: Seed, most: u32) -> Vec<usize> {
    let seeds = SeedTree::new(seed).child("swarm");
    let mut verbs = seeds.child("profile").draws();
    let words: BTreeSet<&'static str> = cases.all.iter().map(|case| case.fault.act.word()).collect();
    let words: Vec<&'static str> = words.into_iter().collect();
    let mut profile: BTreeSet<&'static str> = words.iter().copied().filter(|_| verbs.below(2) == 0).collect();
    if profile.is_empty() {
        let only: &&'static str = verbs.pick(&words);
        profile.insert(*only);
    }
    let mut draws = seeds.child("faults").draws();
    let wanted = draws.range(1..=u64::from(most.max(1)));
    let mut chosen = BTreeSet::new();
    for _ in 0..wanted {
        // First the verb, so that one with many cases is no likelier than one with few.
        let profile: Vec<_> = profile.iter().copied().collect();
        let word = *draws.pick(&profile);
        let of_verb: Vec<usize> =
            (0..cases.all.len()).filter(|place| cases.all[*place].fault.act.word() == word).collect();
        chosen.insert(*draws.pick(&of_verb));
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::{TraceBuilder, connection};
    use crate::explore::learn::Course;
    use crate::fault::FrameKind;
    use crate::name::Direction;
    use crate::trace::{RecordKind, Unit};

    fn cases() -> Cases {
        let text = Unit::WsMessage { kind: FrameKind::Text, text: None, bytes: 10 };
        let text = RecordKind::Unit {
            connection: connection("alice", "chat", 1),
            direction: Direction::ToServer,
            unit: text,
            arrived: None,
        };
        let run = TraceBuilder::new().record(1, None, text.clone()).record(9, None, text);
        Cases::of(&Course::of(&run.records, run.last.at), &["alice".into(), "chat".into()], &[])
    }

    #[test]
    fn a_seed_draws_the_same_plan_each_time_and_other_seeds_others() {
        let cases = cases();
        let plans: BTreeSet<_> = (1..=100).map(|seed| draw(&cases, Seed(seed), 3)).collect();
        assert!(plans.len() > 80, "{}", plans.len());
        assert!(plans.iter().all(|plan| (1..=3).contains(&plan.len())));
        assert_eq!(draw(&cases, Seed(7), 3), draw(&cases, Seed(7), 3));
        assert!((1..=100).all(|seed| draw(&cases, Seed(seed), 1).len() == 1));
    }

    #[test]
    fn profiles_leave_out_verbs_and_all_of_them_together_leave_out_none() {
        let cases = cases();
        let words =
            |plan: &[usize]| plan.iter().map(|place| cases.all[*place].fault.act.word()).collect::<BTreeSet<_>>();
        let plans: Vec<_> = (1..=500).map(|seed| draw(&cases, Seed(seed), 6)).collect();
        let all: BTreeSet<_> = plans.iter().flat_map(|plan| words(plan)).collect();
        let there: BTreeSet<_> = cases.all.iter().map(|case| case.fault.act.word()).collect();
        assert_eq!(all, there);
        let rare = plans.iter().filter(|plan| words(plan).len() <= 2 && plan.len() >= 3).count();
        assert!(rare > 0, "some plans have few verbs, and each of them several times");
    }
}
