//! The verbs of faults as files write them: a word under `do`, its parameters beside it.

use serde::Serialize;
use toml::Value;

use super::document::{LocatedValue, Place, Value as Written};
use super::error::{Mistakes, ScenarioError, list, nearest, unknown};
use super::language::verbs::{self, FAULT};
use super::names::Names;
use super::section::Section;
use crate::fault::{Act, Entry, Registry, Target};

/// Reads what a fault may do at its target; one of these is drawn.
pub(crate) fn read<'a>(fault: Section<'a>, target: Target, names: &Names<'a>) -> Result<Vec<Act>, Mistakes> {
    let beside: Vec<_> = FAULT.keys().map(|key| key.name).collect();
    let node = fault.node("do")?;
    let mut mistakes = Mistakes::default();
    let mut acts = Vec::new();
    let Some(one_of) = node.get("one_of") else {
        let beside: Vec<_> = beside.into_iter().filter(|key| *key != "do").collect();
        for fault in fault.without(&beside).combinations()? {
            acts.extend(mistakes.keep(act(&fault, &beside, target, names.registry())));
        }
        return mistakes.unless(acts);
    };
    mistakes.extend(Section::any(node, "`do`")?.strangers(&["one_of"]));
    mistakes.extend(fault.strangers(&beside));
    for choice in mistakes.keep(names.choices(one_of)).unwrap_or_default() {
        let combinations = Section::any(choice, "a choice").and_then(Section::combinations);
        for choice in mistakes.keep(combinations).unwrap_or_default() {
            acts.extend(mistakes.keep(act(&choice, &[], target, names.registry())));
        }
    }
    mistakes.unless(acts)
}

/// Finds the mistakes in what a fault may do, where it is not known what it strikes.
pub(crate) fn check<'a>(fault: &Section<'a>, names: &Names<'a>) -> Result<(), Mistakes> {
    let node = fault.node("do")?;
    let mut mistakes = Mistakes::default();
    let beside: Vec<_> = FAULT.keys().map(|key| key.name).collect();
    if let Some(one_of) = node.get("one_of") {
        mistakes.extend(fault.strangers(&beside));
        let choices: Vec<_> = names.choices(one_of)?.into_iter().cloned().collect();
        mistakes.keep(check_each(&choices, names.registry()));
        return mistakes.unless(());
    }
    let beside: Vec<_> = beside.into_iter().filter(|key| *key != "do").collect();
    for fault in fault.clone().without(&beside).combinations()? {
        let Some(entry) = mistakes.keep(entry(&fault, &beside, names.registry())) else { continue };
        let quoted = format!("`{}`", entry.word());
        mistakes.keep(entry.check(&fault.called(&quoted, fault.place_of("do"))));
    }
    mistakes.unless(())
}

/// Finds the mistakes in tables of verbs that strike nothing yet.
pub(crate) fn check_each(choices: &[LocatedValue], registry: &Registry) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    for choice in choices {
        let combinations = Section::any(choice, "a choice").and_then(Section::combinations);
        for choice in mistakes.keep(combinations).unwrap_or_default() {
            let Some(entry) = mistakes.keep(entry(&choice, &[], registry)) else { continue };
            let quoted = format!("`{}`", entry.word());
            mistakes.keep(entry.check(&choice.called(&quoted, choice.place_of("do"))));
        }
    }
    mistakes.unless(())
}

fn act(section: &Section, beside: &[&str], target: Target, registry: &Registry) -> Result<Act, Mistakes> {
    let entry = entry(section, beside, registry)?;
    let (word, place) = (entry.word(), section.place_of("do"));
    let quoted = format!("`{word}`");
    let act = entry.read(&section.called(&quoted, place), target)?;
    let (wanted, given) = (entry.place(), target.key());
    let sentence = || format!("`{word}` strikes what `{wanted}` names, and this fault has `{given}`");
    act.ok_or_else(|| place.error(sentence()).into())
}

fn missing_verb(section: &Section) -> ScenarioError {
    section.place.error(format!("{} needs `do`", section.what()))
}

/// What is to be written instead of a table under `do`.
fn as_word(section: &Section, named: Option<&str>) -> ScenarioError {
    let word = named.unwrap_or("reset");
    let sentence = format!(
        "`do` is a word, not a table: write `do = \"{word}\"`, with the keys of the verb beside it in the `[[fault]]`"
    );
    section.place_of("do").error_meaning((sentence, nearest(word, ["one_of"])))
}

/// The verb that a table names, if its keys are those that the verb takes.
fn entry<'r>(section: &Section, beside: &[&str], registry: &'r Registry) -> Result<&'r Entry, Mistakes> {
    let word: String = match section.get("do").map(|node| &node.value) {
        Some(Written::Table(entries)) => {
            return Err(as_word(section, entries.first().map(|entry| entry.key.as_str())).into());
        }
        Some(Written::Scalar(_) | Written::Array(_)) => section.required("do")?,
        None => {
            let misspelt = section.keys().find_map(|key| nearest(key, ["do"]));
            return Err(ScenarioError { suggestion: misspelt, ..missing_verb(section) }.into());
        }
    };
    let place = section.place_of("do");
    let Some(entry) = registry.entry(&word) else {
        let error = unknown(format!("there is no verb `{word}`"), &word, registry.words());
        return Err(place.error_meaning(error).into());
    };
    let mut mistakes = Mistakes::default();
    mistakes.extend(strangers(section, entry, beside));
    let form = verbs::form(entry);
    let quoted = format!("`{word}`");
    let verb = section.called(&quoted, place);
    mistakes.extend(verb.missing(form.keys.iter()));
    mistakes.extend(verb.misread(form.keys.iter()));
    mistakes.unless(entry)
}

/// One mistake for each key that is neither a parameter of the verb nor a key of the fault.
fn strangers(section: &Section, entry: &Entry, beside: &[&str]) -> Vec<ScenarioError> {
    let parameters: Vec<_> = entry.keys().iter().map(|key| key.name).collect();
    let known = [&["do"], beside, &parameters[..]].concat();
    let tell = |(key, place): (&str, &Place)| {
        let suggestion = nearest(key, parameters.iter().chain(beside).copied());
        let takes = list_parameters(&parameters);
        place.error_meaning((format!("`{}` takes no `{key}`; {takes}", entry.word()), suggestion))
    };
    section.unknown_keys(&known).into_iter().map(tell).collect()
}

/// The parameters of a verb or trigger, as the second half of a sentence.
pub(crate) fn list_parameters(parameters: &[&str]) -> String {
    match parameters {
        [] => "it has no parameters".to_owned(),
        [only] => format!("its only parameter is `{only}`"),
        several => format!("its parameters are {}", list(several.iter().copied())),
    }
}

/// A word of one of the harness's own enums.
///
/// # Panics
///
/// If it is not made of words, strings and numbers, as all of them are.
pub(crate) fn as_toml<T: Serialize>(word: &T) -> Value {
    Value::try_from(word).expect("the harness's own words can be written as TOML")
}
