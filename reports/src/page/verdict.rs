//! The verdict: which law was broken, in the sentence of this run.

use halfopen::report::FailedRun;
use halfopen::trace::RunEnd;
use maud::{Markup, html};

use crate::run::Run;
use crate::text::{length, visible};

pub(super) fn header(failed: &FailedRun<'_>, run: &mut Run<'_>) -> Markup {
    let broken = run.broken();
    let sentence = broken.first().map(|first| run.shorten(&first.sentence)).unwrap_or_default();
    let check = broken.first().map_or("", |first| first.check);
    let others: Vec<_> = broken.iter().skip(1).map(|violation| violation.check).collect();
    let ended = match run.outcome.last.ended {
        RunEnd::Finished => None,
        RunEnd::TimeLimit => Some("it used up its virtual time"),
        RunEnd::Livelock => Some("it ended in a livelock"),
        RunEnd::Watchdog => Some("it never came to its end"),
    };
    html! {
        header.verdict {
            p.kicker {
                strong { "Law broken" } " " span.law { (check) }
                @if !others.is_empty() { span.others { " and with it " (others.join(", ")) } }
            }
            h1 { (sentence) }
            ul.facts aria-label="The run" {
                li { span { "scenario" } b { (visible(&run.outcome.scenario)) } }
                @if let Some(defect) = failed.defect { li { span { "specimen" } b { (visible(defect)) } } }
                li { span { "seed" } b { (run.outcome.seed) } }
                li { span { "virtual time" } b { (length(run.outcome.last.at)) } }
                li { span { "faults fired" } b { (run.outcome.fired()) " of " (run.outcome.faults.len()) } }
                li { span { "records" } b { (run.records.len()) } }
                @if let Some(ended) = ended { li { span { "end" } b { (ended) } } }
            }
            p.promise { "The scenario is to prove: " (visible(failed.proves())) "." }
            div.buttons #buttons hidden {}
        }
        nav.sections aria-label="Sections" {
            a href="#scene" { "Scene" }
            a href="#ledger" { "Ledger" }
            a href="#why" { "Why" }
            a href="#waits" { "Who waits" }
            a href="#records" { "Records" }
        }
    }
}
