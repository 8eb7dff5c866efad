//! The story of a broken law.

use super::alias::Aliases;
use super::headline;
use super::phrase::numbered;
use super::table::Table;
use crate::check::{Evidence, Verdict, Violation};
use crate::trace::Seconds;

/// One broken law: what it says, how it was broken here, the records that prove it, who was waiting for what, and the
/// socket table of each host.
#[cfg(test)]
pub(crate) fn failure(evidence: &Evidence, violation: &Violation) -> String {
    let mut aliases = Aliases::of(evidence.records);
    let mut text = format!("LAW BROKEN: {}\n", violation.check);
    text.push_str(&broken_law(evidence, violation, &mut aliases));
    text.push_str(&end_of_run(evidence, &mut aliases));
    text
}

/// What a failing run prints: every broken law, the seed, the line that replays it, the plan, and the last records.
pub(crate) fn report(
    scenario: &str,
    seed: &str,
    replay_line: &str,
    evidence: &Evidence,
    verdicts: &[Verdict],
) -> String {
    let mut aliases = Aliases::of(evidence.records);
    let mut text = headline(scenario, verdicts);
    text.push_str(&failures(evidence, verdicts, &mut aliases));
    text.push_str(&format!("seed {seed}, at {} of virtual time\nreplay\n  {replay_line}\n", Seconds(evidence.last.at)));
    text.push_str("plan\n");
    for (number, fault) in (1..).zip(evidence.faults) {
        text.push_str(&format!("  {number}. {}\n", fault));
    }
    if evidence.faults.is_empty() {
        text.push_str("  no fault\n");
    }
    text.push_str("last records\n");
    let first = evidence.records.len().saturating_sub(LAST_RECORDS);
    let last = evidence.records.iter().enumerate().skip(first);
    text.push_str(&numbered(last, &mut aliases).render());
    text
}

/// How many records a failure prints: as many as fit a terminal beside the rest. The trace has them all.
const LAST_RECORDS: usize = 20;

/// Every broken law, and then, once, the state at the end.
pub(super) fn failures(evidence: &Evidence, verdicts: &[Verdict], aliases: &mut Aliases) -> String {
    let mut text = String::new();
    for violation in verdicts.iter().filter_map(Verdict::violation) {
        text.push_str(&format!("{}\n", violation.check));
        text.push_str(&broken_law(evidence, violation, aliases));
    }
    text.push_str(&end_of_run(evidence, aliases));
    text
}

fn broken_law(evidence: &Evidence, violation: &Violation, aliases: &mut Aliases) -> String {
    let mut table = Table::default();
    table.row(["law".to_owned(), format!("{}.", violation.law)]);
    table.row(["broken".to_owned(), aliases.shorten(&violation.sentence)]);
    table.row(["known as".to_owned(), violation.signature.to_string()]);
    let mut text = table.render();
    let witness: Vec<_> = violation
        .witness
        .iter()
        .filter_map(|&index| evidence.records.get(index).map(|record| (index, record)))
        .collect();
    if !witness.is_empty() {
        text.push_str("witness\n");
        text.push_str(&numbered(witness, aliases).render());
    }
    text
}

fn end_of_run(evidence: &Evidence, aliases: &mut Aliases) -> String {
    let mut text = String::new();
    if !evidence.last.pending.is_empty() {
        let mut table = Table::default();
        for pending in &evidence.last.pending {
            table.row([pending.host.to_string(), aliases.shorten(&pending.on)]);
        }
        text.push_str("still waiting\n");
        text.push_str(&table.render());
    }
    if !evidence.last.sockets.is_empty() {
        let mut rows: Vec<_> = evidence.last.sockets.iter().collect();
        rows.sort_by_key(|row| (&row.host, row.incarnation, &row.connection, row.side));
        let mut table = Table::default();
        for row in rows {
            let connection = row.connection.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            let queues = format!("recv-q {}, send-q {}", row.recv_q, row.send_q);
            table.row([row.host.to_string(), connection, row.side.to_string(), row.state.clone(), queues]);
        }
        text.push_str("sockets\n");
        text.push_str(&table.render());
    }
    text
}
