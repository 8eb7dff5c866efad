//! What became of each case, and the file that remembers it: a line of JSON for each, below one that says of what.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::laws;
use crate::check::Signature;

/// The format of the file.
const FORMAT: u32 = 1;

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The place of the case.
    pub(crate) case: usize,
    /// The laws that were broken, first the one that stands for the run; none for a run that held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) broken: Vec<Signature>,
    /// Why the fault had no effect, if it had none: then nothing was proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) without_effect: Option<String>,
    /// What happened in it but for the fault's own words: equal for two cases that are one run.
    pub(crate) effect: String,
}

/// What a file of entries is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    format: u32,
    /// The version of halfopen.
    pub(crate) halfopen: String,
    /// The scenario's name, and the specimen that is played, if one is.
    pub(crate) scenario: String,
    /// The seed.
    pub(crate) seed: String,
    /// How many cases there are.
    pub(crate) cases: usize,
    /// A number that is another one when the cases are others, or are played by other laws.
    pub(crate) fingerprint: String,
}

impl Subject {
    /// Of this version.
    pub(crate) fn new(scenario: String, seed: String, cases: usize, fingerprint: String) -> Self {
        Self { format: FORMAT, halfopen: env!("CARGO_PKG_VERSION").to_owned(), scenario, seed, cases, fingerprint }
    }
}

impl Entry {
    /// Sorts what a run broke: a fault without effect and a law without a subject are no failures of a service.
    pub(crate) fn new(case: usize, signatures: &[Signature], effect: String) -> Self {
        let is_failure = |signature: &&Signature| !laws::is_vacuous(signature) && !laws::is_without_effect(signature);
        let broken: Vec<_> = signatures.iter().filter(is_failure).cloned().collect();
        let none = signatures.iter().find(|signature| laws::is_without_effect(signature));
        let without_effect = none.filter(|_| broken.is_empty()).map(|signature| signature.clause().to_owned());
        Self { case, broken, without_effect, effect }
    }

    /// The law that stands for the run.
    pub(crate) fn signature(&self) -> Option<&Signature> {
        self.broken.first()
    }
}

/// What became of all cases that were played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    entries: BTreeMap<usize, Entry>,
}

impl Ledger {
    /// Takes an entry in.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.entries.insert(entry.case, entry);
    }

    /// The entries, in the order of the cases.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// What became of a case.
    pub(crate) fn of(&self, case: usize) -> Option<&Entry> {
        self.entries.get(&case)
    }

    /// How many cases were played.
    pub(crate) fn played(&self) -> usize {
        self.entries.len()
    }

    /// How many of them had an effect and broke no law.
    pub(crate) fn held(&self) -> usize {
        self.entries().filter(|entry| entry.broken.is_empty() && entry.without_effect.is_none()).count()
    }

    /// How many of them had an effect.
    pub(crate) fn effective(&self) -> usize {
        self.entries().filter(|entry| entry.without_effect.is_none()).count()
    }

    /// How many different runs those with an effect were.
    pub(crate) fn distinct(&self) -> usize {
        let effective = self.entries().filter(|entry| entry.without_effect.is_none());
        effective.map(|entry| &entry.effect).collect::<BTreeSet<_>>().len()
    }

    /// The failures by what they have in common, each with its cases, in the order of their first cases.
    pub(crate) fn reasons(&self) -> Vec<(&Signature, Vec<usize>)> {
        let mut reasons: Vec<(&Signature, Vec<usize>)> = Vec::new();
        for entry in self.entries() {
            let Some(signature) = entry.signature() else { continue };
            match reasons.iter_mut().find(|(other, _)| *other == signature) {
                Some((_, cases)) => cases.push(entry.case),
                None => reasons.push((signature, vec![entry.case])),
            }
        }
        reasons
    }
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// What it holds.
    pub(crate) ledger: Ledger,
    /// The bytes up to the end of its last whole line.
    pub(crate) whole_bytes: usize,
    /// Whether something stood behind them: the writer was interrupted.
    pub(crate) is_cut: bool,
}

/// The first line of a file.
pub(crate) fn first_line(subject: &Subject) -> String {
    line(subject)
}

/// The line of an entry.
pub(crate) fn line_of(entry: &Entry) -> String {
    line(entry)
}

fn line(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).expect("plain data can be written as JSON");
    line.push('\n');
    line
}

/// Reads a file of this subject.
///
/// # Errors
/// If it is of something else, or a whole line of it cannot be read; a sentence without a full stop.
pub(crate) fn read(text: &str, subject: &Subject) -> Result<Read, String> {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut ledger = Ledger::default();
    let mut lines = text[..whole].lines().enumerate();
    if let Some((_, first)) = lines.next() {
        let of: Subject = serde_json::from_str(first)
            .map_err(|error| format!("its first line does not say of what the results are ({error})"))?;
        same(&of, subject)?;
    }
    for (place, line) in lines {
        let entry: Entry =
            serde_json::from_str(line).map_err(|error| format!("line {} is no result ({error})", place + 1))?;
        if entry.case >= subject.cases {
            return Err(format!("line {} is of case {}, and there are {}", place + 1, entry.case, subject.cases));
        }
        ledger.add(entry);
    }
    Ok(Read { ledger, whole_bytes: whole, is_cut: whole < text.len() })
}

fn same(of: &Subject, subject: &Subject) -> Result<(), String> {
    let differs = [
        ("the format", of.format.to_string(), subject.format.to_string()),
        ("the version", of.halfopen.clone(), subject.halfopen.clone()),
        ("the scenario", of.scenario.clone(), subject.scenario.clone()),
        ("the seed", of.seed.clone(), subject.seed.clone()),
        ("the number of cases", of.cases.to_string(), subject.cases.to_string()),
        ("the cases' fingerprint", of.fingerprint.clone(), subject.fingerprint.clone()),
    ];
    match differs.into_iter().find(|(_, theirs, ours)| theirs != ours) {
        None => Ok(()),
        Some((what, theirs, ours)) => Err(format!(
            "it holds results of something else: {what} is {theirs} there and {ours} here; name another file"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::new("idle".to_owned(), "0x1".to_owned(), 3, "00ff".to_owned())
    }

    fn entry(case: usize, signatures: &[(&str, &str)], effect: &str) -> Entry {
        let signatures: Vec<_> = signatures.iter().map(|(law, clause)| Signature::new(law, clause, [])).collect();
        Entry::new(case, &signatures, effect.to_owned())
    }

    #[test]
    fn a_fault_without_effect_and_a_law_without_a_subject_are_no_failures() {
        let none = entry(0, &[("detect", "undecided"), ("took_effect", "never fired")], "a");
        assert_eq!((none.signature(), none.without_effect.as_deref()), (None, Some("never fired")));
        let held = entry(1, &[("timing", "answer says nothing")], "b");
        assert_eq!((held.signature(), held.without_effect.as_deref()), (None, None));
        let broken = entry(2, &[("delivery", "silent loss"), ("took_effect", "changed nothing")], "c");
        assert_eq!(broken.signature().map(Signature::as_str), Some("delivery: silent loss"));
        assert_eq!(broken.without_effect, None);
    }

    #[test]
    fn equal_runs_are_counted_once_beside_all() {
        let mut ledger = Ledger::default();
        for entry in [entry(0, &[], "a"), entry(1, &[], "a"), entry(2, &[("took_effect", "never fired")], "b")] {
            ledger.add(entry);
        }
        assert_eq!((ledger.played(), ledger.effective(), ledger.held(), ledger.distinct()), (3, 2, 2, 1));
    }

    #[test]
    fn failures_with_one_signature_have_one_reason() {
        let mut ledger = Ledger::default();
        for entry in [entry(2, &[("leaks", "gauge off")], "c"), entry(0, &[("leaks", "gauge off")], "a")] {
            ledger.add(entry);
        }
        let told: Vec<_> = ledger.reasons().into_iter().map(|(of, cases)| (of.to_string(), cases)).collect();
        assert_eq!(told, [("leaks: gauge off".to_owned(), vec![0, 2])]);
    }

    #[test]
    fn an_interrupted_file_is_read_up_to_its_last_whole_line() {
        let whole = [first_line(&subject()), line_of(&entry(1, &[("leaks", "gauge off")], "a"))].concat();
        let cut = format!("{whole}{{\"case\":2,\"eff");
        let read_again = read(&cut, &subject()).expect("its whole lines are in order");
        assert_eq!((read_again.ledger.played(), read_again.whole_bytes, read_again.is_cut), (1, whole.len(), true));
        assert!(!read(&whole, &subject()).expect("it is whole").is_cut);
        let empty = read("", &subject()).expect("nothing was written yet");
        assert_eq!((empty.ledger.played(), empty.is_cut), (0, false));
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_what_differs() {
        let of = |other: Subject| read(&first_line(&other), &subject()).expect_err("it is of something else");
        let sentence = of(Subject { seed: "0x2".to_owned(), ..subject() });
        let expected = "it holds results of something else: the seed is 0x2 there and 0x1 here; name another file";
        assert_eq!(sentence, expected);
        assert!(of(Subject { fingerprint: "0".to_owned(), ..subject() }).contains("the cases' fingerprint"));
        let nonsense = read("what\n", &subject()).expect_err("no JSON");
        assert!(nonsense.starts_with("its first line does not say of what the results are"), "{nonsense}");
        let text = first_line(&subject()) + "{}\n";
        assert!(read(&text, &subject()).expect_err("no entry").starts_with("line 2 is no result"));
        let text = first_line(&subject()) + &line_of(&entry(7, &[], "a"));
        assert_eq!(read(&text, &subject()).expect_err("no such case"), "line 2 is of case 7, and there are 3");
    }
}
