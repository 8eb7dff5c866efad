//! What is wrong with a rule about reconnecting, as a file writes it.

use super::document::{Entry, LocatedValue, Value};
use super::duration::Millis;
use super::error::{Mistakes, ScenarioError};
use super::language::timing::BACKOFF;
use super::section::Section;
use super::timing::occurrences;

/// Finds the mistakes in `[checks.backoff]`.
pub(super) fn check(entry: &Entry) -> Result<(), Mistakes> {
    let Value::Table(rules) = &entry.node.value else {
        let sentence = "`backoff` holds a table for each rule: write [checks.backoff.NAME]";
        return Err(entry.node.place.error(sentence).into());
    };
    let mut mistakes = Mistakes::default();
    for named in rules {
        mistakes.keep(rule(&named.node));
    }
    mistakes.unless(())
}

fn rule(node: &LocatedValue) -> Result<(), Mistakes> {
    let section = Section::open(node, &BACKOFF)?;
    let mut mistakes = Mistakes::default();
    if let Some(node) = section.get("unless") {
        mistakes.keep(occurrences(node, "unless"));
    }
    mistakes.keep(numbers(&section));
    mistakes.unless(())
}

fn numbers(section: &Section) -> Result<(), ScenarioError> {
    let (first, longest) = (section.required::<Millis>("first")?.0, section.required::<Millis>("longest")?.0);
    if first.is_zero() {
        return Err(section.place_of("first").error("a pause of no time is none"));
    }
    if first > longest {
        return Err(section.place_of("longest").error("`longest` is shorter than `first`"));
    }
    if section.or("jitter_percent", 0_u32)? > 100 {
        return Err(section.place_of("jitter_percent").error("a jitter is at most 100 percent of its pause"));
    }
    if section.optional::<u32>("attempts")? == Some(0) {
        return Err(section.place_of("attempts").error("an outage has at least one attempt"));
    }
    Ok(())
}
