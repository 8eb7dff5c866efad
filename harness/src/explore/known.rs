//! Failures that are known and stay: each with the reason for which it is not mended.
//!
//! ```toml
//! [[known]]
//! signature = "leaks: socket without peer @ model"
//! verbs = ["cut", "half_open"]
//! why = "the model is a stand-in for a server that waits for its client for ever"
//! ```

use glob::Pattern;
use serde::Deserialize;

use super::ledger::{Entry, Ledger};
use crate::check::Signature;

/// The failures that are known.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    #[serde(default)]
    known: Vec<Failure>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    /// What the runs have in common that fail so.
    signature: Signature,
    /// The scenarios in which they do, as a pattern; all without.
    #[serde(default)]
    scenario: Option<String>,
    /// The verbs that have this effect, as the last fault of a plan; all without.
    #[serde(default)]
    verbs: Vec<String>,
    /// Why it is not mended.
    pub(crate) why: String,
}

impl Known {
    /// Reads the failures that are known.
    ///
    /// # Errors
    /// The first mistake in them, as a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let known: Self = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        for failure in &known.known {
            let of = failure.signature.as_str();
            if failure.why.trim().is_empty() {
                return Err(format!("`{of}` is known without a `why`"));
            }
            if let Some(pattern) = &failure.scenario {
                Pattern::new(pattern).map_err(|error| format!("`{pattern}` is no pattern: {}", error.msg))?;
            }
            let words: Vec<_> = crate::fault::Registry::default().words().collect();
            if let Some(verb) = failure.verbs.iter().find(|verb| !words.contains(&verb.as_str())) {
                return Err(format!("`{of}` is known of `{verb}`, and there is no such verb"));
            }
        }
        Ok(known)
    }

    /// The ledger of a scenario without what is known, and how many runs failed for each known reason alone. `verbs_of` names
    /// the verbs of a trial.
    pub(crate) fn taken_from(
        &self,
        ledger: &Ledger,
        scenario: &str,
        verbs_of: impl Fn(usize) -> Vec<&'static str>,
    ) -> (Ledger, Vec<(&Failure, usize)>) {
        let mut rest = Ledger::default();
        let mut counts = vec![0; self.known.len()];
        for entry in ledger.entries() {
            let verbs = if entry.broken.is_empty() { Vec::new() } else { verbs_of(entry.case) };
            let place_of = |signature: &Signature| self.place_of(signature, scenario, &verbs);
            let unknown: Vec<_> = entry.broken.iter().filter(|of| place_of(of).is_none()).cloned().collect();
            if unknown.is_empty() {
                entry.broken.first().and_then(place_of).into_iter().for_each(|place| counts[place] += 1);
            }
            rest.add(Entry { broken: unknown, ..entry.clone() });
        }
        let met = self.known.iter().zip(counts).filter(|(_, count)| *count > 0);
        (rest, met.collect())
    }

    fn place_of(&self, signature: &Signature, scenario: &str, verbs: &[&str]) -> Option<usize> {
        self.known.iter().position(|failure| {
            let is_here = |pattern: &String| Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(scenario));
            failure.signature == *signature
                && failure.scenario.as_ref().is_none_or(is_here)
                && (failure.verbs.is_empty() || verbs.iter().any(|verb| failure.verbs.iter().any(|of| of == verb)))
        })
    }
}

impl Failure {
    /// What the runs have in common.
    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = r#"
        [[known]]
        signature = "leaks: gauge off"
        scenario = "idle_*"
        verbs = ["freeze"]
        why = "it is kept for ten minutes"
    "#;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let [leak, loss] =
            [("leaks", "gauge off"), ("delivery", "lost")].map(|(law, clause)| Signature::new(law, clause, []));
        for (case, broken) in [vec![leak.clone()], vec![leak.clone(), loss], vec![leak], vec![]].into_iter().enumerate()
        {
            ledger.add(Entry::new(case, &broken, String::new()));
        }
        ledger
    }

    fn left(scenario: &str) -> (Vec<String>, Vec<usize>) {
        let known = Known::read(KNOWN).expect("it is in order");
        let verbs = |case| vec![if case == 2 { "reset" } else { "freeze" }];
        let (rest, met) = known.taken_from(&ledger(), scenario, verbs);
        let left = rest.reasons().into_iter().map(|(of, cases)| format!("{of} {cases:?}")).collect();
        (left, met.into_iter().map(|(_, count)| count).collect())
    }

    #[test]
    fn what_is_known_of_a_verb_is_taken_away_and_what_is_new_beside_it_stays() {
        let left = left("idle_close");
        assert_eq!(left, (vec!["delivery: lost [1]".to_owned(), "leaks: gauge off [2]".to_owned()], vec![1]));
    }

    #[test]
    fn what_is_known_of_one_scenario_is_new_in_another() {
        assert_eq!(left("busy"), (vec!["leaks: gauge off [0, 1, 2]".to_owned()], vec![]));
    }

    #[test]
    fn a_known_failure_has_a_reason_a_pattern_and_verbs_that_there_are() {
        let error = |from: &str, to: &str| Known::read(&KNOWN.replace(from, to)).expect_err("it has a mistake");
        assert_eq!(error("it is kept for ten minutes", " "), "`leaks: gauge off` is known without a `why`");
        assert_eq!(
            error("\"freeze\"", "\"frieze\""),
            "`leaks: gauge off` is known of `frieze`, and there is no such verb"
        );
        assert!(error("idle_*", "idle_[").starts_with("`idle_[` is no pattern"));
        assert!(error("why", "because").contains("because"));
    }
}
