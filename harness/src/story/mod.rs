//! What a person reads of a run. Pure rendering: evidence and verdicts in, plain text out.
//!
//! - [`tell`]: the story of a run, for review: the verdict, then a timeline of faults, connections, processes,
//!   delivery facts and warnings. Under a fixed plan it changes only when behaviour does, and is made to be a snapshot.
//! - [`report`]: what a failing run prints first, on one screen: the broken laws, the plan and what it struck, the life of the lost
//!   key, the records around the proofs, and how to replay the run.
//! - [`life`]: every record about one key.
//! - [`Telling`]: the words of both, record by record, for pages.
//! - [`exactly`]: one record, for telling two runs apart.
//!
//! Times have two significant digits ([`Seconds`](crate::trace::Seconds)), ids that are made at random become ordinals
//! (`job-1`, `s-1`, `node-1`) in the order in which they appear, and no address is shown.

mod alias;
mod failure;
mod phrase;
mod table;
mod telling;
mod timeline;

#[cfg(test)]
pub(crate) use failure::failure;
pub(crate) use failure::{Asked, life, report};
pub(crate) use phrase::exactly;
pub use telling::{Said, Telling};

use crate::check::{Evidence, Verdict};

use alias::Aliases;
use table::Table;

/// The story of a run. A run that broke a law ends with the `failure` of each.
pub(crate) fn tell(scenario: &str, evidence: &Evidence, verdicts: &[Verdict]) -> String {
    let mut aliases = Aliases::of(evidence.records);
    let mut text = headline(scenario, verdicts);
    text.push_str(&verdict_table(verdicts, &mut aliases).render());
    let timeline = timeline::timeline(evidence, &mut aliases).render();
    if !timeline.is_empty() {
        text.push('\n');
        text.push_str(&timeline);
    }
    if verdicts.iter().any(|verdict| verdict.violation().is_some()) {
        text.push('\n');
        text.push_str(&failure::failures(evidence, verdicts, &mut aliases));
    }
    text
}

/// `HELD` or `LAW BROKEN`, the scenario, and which laws were broken.
fn headline(scenario: &str, verdicts: &[Verdict]) -> String {
    let broken: Vec<_> = verdicts.iter().filter_map(Verdict::violation).map(|violation| violation.check).collect();
    if broken.is_empty() {
        format!("HELD {scenario}\n")
    } else {
        format!("LAW BROKEN {scenario}: {}\n", broken.join(", "))
    }
}

fn verdict_table(verdicts: &[Verdict], aliases: &mut Aliases) -> Table {
    let mut table = Table::default();
    for verdict in verdicts {
        let (mark, word) = match verdict {
            Verdict::Held { summary, .. } => ("held", aliases.shorten(summary)),
            Verdict::Broken(violation) => ("BROKEN", aliases.shorten(&violation.sentence)),
        };
        table.row([mark.to_owned(), verdict.check().to_owned(), word]);
    }
    table
}
