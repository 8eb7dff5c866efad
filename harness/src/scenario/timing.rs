//! What is wrong with a rule about time, as a file writes it.

use std::time::Duration;

use super::document::{Entry, LocatedValue, Value};
use super::duration::Millis;
use super::error::{Mistakes, ScenarioError, list, unknown};
use super::language::timing::{OCCURRENCES, RULE};
use super::language::values::words;
use super::pattern;
use super::rule::link;
use super::section::Section;
use super::typed;
use crate::mapping::{ConnectionMoment, UnitKind};
use crate::occurrence::{FaultStep, ProcessMoment};

/// Finds the mistakes in `[checks.timing]`.
pub(super) fn check(entry: &Entry) -> Result<(), Mistakes> {
    let Value::Table(rules) = &entry.node.value else {
        return Err(entry.node.place.error("`timing` holds a table for each rule: write [checks.timing.NAME]").into());
    };
    let mut mistakes = Mistakes::default();
    for named in rules {
        mistakes.keep(rule(&named.node));
    }
    mistakes.unless(())
}

fn rule(node: &LocatedValue) -> Result<(), Mistakes> {
    let section = Section::open(node, &RULE)?;
    let mut mistakes = Mistakes::default();
    for key in ["after", "follows", "unless"] {
        if let Some(node) = section.get(key) {
            mistakes.keep(occurrences(node, key));
        }
    }
    mistakes.keep(bounds(&section));
    mistakes.unless(())
}

/// A rule bounds something.
fn bounds(section: &Section) -> Result<(), ScenarioError> {
    let time = |key| section.optional::<Millis>(key).map(|time| time.map(|time: Millis| time.0));
    let (within, at_least) = (time("within")?, time("at_least")?);
    match (within, at_least, section.or("never", false)?) {
        (_, Some(_), true) => {
            let sentence = "what must never follow has no shortest time: `never` and `at_least` exclude each other";
            Err(section.place_of("at_least").error(sentence))
        }
        (None, None, false) => {
            let keys = list(["within", "at_least", "never"]);
            Err(section.place.error(format!("a rule of `timing` bounds a time: it needs one of {keys}")))
        }
        (Some(within), Some(at_least), false) if at_least > within => {
            let sentence = "`at_least` is longer than `within`: nothing could keep the rule";
            Err(section.place_of("at_least").error(sentence))
        }
        (Some(Duration::ZERO), _, true) | (_, Some(Duration::ZERO), false) => {
            Err(section.place.error("a bound of no time is always kept"))
        }
        (_, _, _) => Ok(()),
    }
}

/// Finds the mistakes in the occurrences under a key.
pub(super) fn occurrences(node: &LocatedValue, key: &str) -> Result<(), Mistakes> {
    let Value::Array(items) = &node.value else { return occurrence(node, key) };
    if items.is_empty() {
        return Err(node.place.error(format!("`{key}` lists nothing")).into());
    }
    let mut mistakes = Mistakes::default();
    for item in items {
        mistakes.keep(occurrence(item, key));
    }
    mistakes.unless(())
}

fn occurrence(node: &LocatedValue, key: &str) -> Result<(), Mistakes> {
    let what = format!("what `{key}` names");
    let section = Section::any(node, &what)?;
    let given: Vec<_> = OCCURRENCES.iter().filter(|form| section.get(form.word).is_some()).collect();
    let form = match given[..] {
        [form] => form,
        [first, second, ..] => {
            let sentence = format!("an occurrence is one thing, not a `{}` and a `{}`", first.word, second.word);
            return Err(section.place_of(second.word).error(sentence).into());
        }
        [] => {
            let words = list(OCCURRENCES.iter().map(|form| form.word));
            let sentence = format!("{what} is one of {words}");
            return Err(section.place.error_meaning((sentence, section.misspelt_word(&OCCURRENCES))).into());
        }
    };
    let mut mistakes = section.check(form.keys.iter());
    for (key, known) in [
        ("unit", words::<UnitKind>()),
        ("connection", words::<ConnectionMoment>()),
        ("process", words::<ProcessMoment>()),
        ("step", words::<FaultStep>()),
    ] {
        if let Some(node) = section.get(key) {
            mistakes.keep(word(node, key, known));
        }
    }
    if section.get("link").is_some() {
        mistakes.keep(link(&section));
    }
    if let Some(node) = section.get("where") {
        mistakes.keep(pattern::read(node, "`where`"));
    }
    mistakes.unless(())
}

fn word(node: &LocatedValue, key: &str, known: &[&'static str]) -> Result<(), ScenarioError> {
    let word: String = typed::read(node)?;
    if known.contains(&word.as_str()) {
        return Ok(());
    }
    let sentence = format!("`{word}` is no `{key}` of an occurrence");
    Err(node.place.error_meaning(unknown(sentence, &word, known.iter().copied())))
}
