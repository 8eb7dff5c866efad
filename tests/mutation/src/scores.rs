//! What it comes to, as tables of a page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::judgement::Judgement;
use crate::records::Record;

/// The judgements of one part, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Score {
    tried: usize,
    unviable: usize,
    convicted: usize,
    ended: usize,
    hung: usize,
    /// Survivors whose runs are all those of the unbroken services.
    unseen: usize,
    survived: usize,
}

impl Score {
    fn count(&mut self, judgement: &Judgement) {
        self.tried += 1;
        match judgement {
            Judgement::Unviable => self.unviable += 1,
            Judgement::Convicted { .. } => self.convicted += 1,
            Judgement::Ended { .. } => self.ended += 1,
            Judgement::Hung { .. } => self.hung += 1,
            Judgement::Survived { different, .. } => {
                self.survived += 1;
                self.unseen += usize::from(*different == 0);
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.tried += other.tried;
        self.unviable += other.unviable;
        self.convicted += other.convicted;
        self.ended += other.ended;
        self.hung += other.hung;
        self.unseen += other.unseen;
        self.survived += other.survived;
    }

    fn row(&self, part: &str, listed: usize) -> String {
        let viable = self.tried - self.unviable;
        let killed = self.convicted + self.ended + self.hung;
        let percent =
            if viable == 0 { "-".to_owned() } else { format!("{:.1} %", 100.0 * killed as f64 / viable as f64) };
        let Self { tried, unviable, convicted, ended, hung, unseen, survived } = self;
        format!(
            "| {part} | {listed} | {tried} | {unviable} | {convicted} | {ended} | {hung} | {survived} | {unseen} | {percent} |\n"
        )
    }
}

const HEAD: &str = "| part | mutants | tried | unviable | convicted by a law | process ended | run did not end | survived | \
                    of these in no run | convicted of the viable |\n|---|---|---|---|---|---|---|---|---|---|\n";

/// The table by parts; with each the number of mutants that there are and the latest judgements.
pub(crate) fn by_part<'a>(parts: impl IntoIterator<Item = (&'a str, usize, Vec<&'a Record>)>) -> String {
    let mut table = HEAD.to_owned();
    let mut sum = Score::default();
    let mut all = 0;
    for (part, listed, records) in parts {
        let mut score = Score::default();
        records.iter().for_each(|record| score.count(&record.judgement));
        table.push_str(&score.row(part, listed));
        sum.add(&score);
        all += listed;
    }
    table.push_str(&sum.row("all", all));
    table
}

/// A row for each judgement.
pub(crate) fn each<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let mut table =
        "| defect | part | the catalogue | runs that come out differently |\n|---|---|---|---|\n".to_owned();
    let (mut convicted, mut viable) = (0, 0);
    for record in records {
        let (judged, different) = words(&record.judgement);
        viable += usize::from(record.judgement != Judgement::Unviable);
        convicted += usize::from(!matches!(record.judgement, Judgement::Unviable | Judgement::Survived { .. }));
        // A string takes whatever is written into it.
        let _ = writeln!(table, "| {} | {} | {judged} | {different} |", record.name, record.part);
    }
    let _ = writeln!(table, "\n{convicted} of {viable} convicted");
    table
}

fn words(judgement: &Judgement) -> (String, String) {
    match judgement {
        Judgement::Unviable => ("does not compile".to_owned(), "-".to_owned()),
        Judgement::Convicted { scenario, seed, laws } => (format!("{laws}: {scenario} {seed:#x}"), "-".to_owned()),
        Judgement::Ended { scenario, seed } => (format!("the process ended: {scenario} {seed:#x}"), "-".to_owned()),
        Judgement::Hung { scenario, seed } => (format!("the run did not end: {scenario} {seed:#x}"), "-".to_owned()),
        Judgement::Survived { runs, different, scenarios } => {
            let few: Vec<_> = scenarios.iter().take(5).map(String::as_str).collect();
            let places = if few.is_empty() { String::new() } else { format!(" ({})", few.join(", ")) };
            ("acquitted".to_owned(), format!("{different} of {runs}{places}"))
        }
    }
}

/// Each survivor with its change.
pub(crate) fn survivors<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let mut text = String::new();
    for record in records {
        if let Judgement::Survived { .. } = record.judgement {
            let _ = writeln!(text, "{}\n  runs that come out differently: {}", record.name, words(&record.judgement).1);
            let changed: BTreeSet<char> = "-+@".chars().collect();
            for line in record.diff.lines().filter(|line| line.starts_with(|c| changed.contains(&c))) {
                let _ = writeln!(text, "  {line}");
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(judgement: Judgement) -> Record {
        let text = String::new;
        Record { commit: text(), key: text(), name: "a".to_owned(), part: "client".to_owned(), judgement, diff: text() }
    }

    #[test]
    fn a_mutant_that_does_not_compile_counts_for_nothing() {
        let convicted = record(Judgement::Convicted { scenario: "calm".to_owned(), seed: 1, laws: "leaks".to_owned() });
        let survived = record(Judgement::Survived { runs: 9, different: 0, scenarios: BTreeSet::new() });
        let unviable = record(Judgement::Unviable);
        let table = by_part([("client", 12, vec![&convicted, &survived, &unviable])]);
        assert!(table.ends_with("| all | 12 | 3 | 1 | 1 | 0 | 0 | 1 | 1 | 50.0 % |\n"), "{table}");
        assert!(each([&convicted, &unviable]).ends_with("\n1 of 1 convicted\n"));
    }
}
