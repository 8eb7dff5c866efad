//! The index of a sweep: what failed first, then every scenario with its defects, then what the faults strike.

use std::collections::{BTreeMap, BTreeSet};

use halfopen::report::{SeriesReport, SignatureReport, SweepReport};
use maud::{DOCTYPE, Markup, html};

use super::name;
use crate::page::head;
use crate::text::{length, visible};

/// As many of the slowest series as a reader looks at.
const SLOWEST: usize = 12;

pub(super) fn of(sweep: &SweepReport) -> String {
    let failed = sweep.series.iter().filter(|series| !series.passed).count();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head("halfopen: a sweep"))
            body {
                (header(sweep, failed))
                main {
                    (failures(sweep))
                    (scenarios(sweep))
                    (coverage(sweep))
                    (slowest(sweep))
                }
            }
        }
    };
    page.into_string()
}

fn header(sweep: &SweepReport, failed: usize) -> Markup {
    let runs: usize = sweep.series.iter().map(|series| series.runs).sum();
    let scenarios = sweep.series.iter().filter(|series| series.defect.is_none()).count();
    let simulated = sweep.series.iter().map(|series| series.simulated).sum();
    html! {
        header.verdict.held[failed == 0] {
            h1 {
                @match failed {
                    0 => "Every law held, and every defect was convicted.",
                    1 => "One scenario or defect did not come out as it must.",
                    _ => { (failed) " scenarios and defects did not come out as they must." }
                }
            }
            ul.facts aria-label="The sweep" {
                li { span { "scenarios" } b { (scenarios) } }
                li { span { "defects" } b { (sweep.series.len() - scenarios) } }
                li { span { "runs" } b { (runs) } }
                li { span { "virtual time" } b { (length(simulated)) } }
            }
        }
        nav.sections aria-label="Sections" {
            @if failed > 0 { a href="#failures" { "Failures" } }
            a href="#scenarios" { "Scenarios" }
            a href="#coverage" { "Coverage" }
            a href="#slowest" { "Slowest" }
        }
    }
}

/// Failures by signature: seventy scenarios that fail for one reason are one row.
fn failures(sweep: &SweepReport) -> Markup {
    let mut order: Vec<&str> = Vec::new();
    let mut by_signature: BTreeMap<&str, Vec<(&SeriesReport, &SignatureReport)>> = BTreeMap::new();
    for series in &sweep.series {
        for one in &series.signatures {
            let known = by_signature.entry(&one.signature).or_insert_with(|| {
                order.push(&one.signature);
                Vec::new()
            });
            known.push((series, one));
        }
    }
    let complaints: Vec<_> =
        sweep.series.iter().filter_map(|series| Some((series, series.complaint.as_ref()?))).collect();
    if order.is_empty() && complaints.is_empty() {
        return html! {};
    }
    html! {
        section #failures aria-labelledby="failures-title" {
            h2 #failures-title { "Failures" }
            div.wide tabindex="0" role="region" aria-label="Failures" {
                table.ledger {
                    thead { tr { th scope="col" { "signature" } th scope="col" { "how it was broken first" } th scope="col" { "where" } } }
                    tbody {
                        @for signature in &order { (signature_row(signature, &by_signature[signature])) }
                        @for (series, complaint) in &complaints {
                            tr { th scope="row" { (series.verdict) } td { (visible(complaint)) } td { (visible(&name(series))) } }
                        }
                    }
                }
            }
        }
    }
}

fn signature_row(signature: &str, failures: &[(&SeriesReport, &SignatureReport)]) -> Markup {
    let first = failures.first();
    let page = failures.iter().find_map(|(_, one)| one.page.as_deref());
    html! {
        tr.subject {
            th scope="row" { @match page { Some(page) => a href=(page) { (visible(signature)) }, None => (visible(signature)) } }
            td { @if let Some((_, one)) = first { (visible(&one.sentence)) } }
            td {
                @if let Some((series, one)) = first {
                    (visible(&name(series))) ", seed " (one.seed)
                    @if failures.len() > 1 { span.who { "and " (failures.len() - 1) " more" } }
                }
            }
        }
    }
}

fn scenarios(sweep: &SweepReport) -> Markup {
    html! {
        section #scenarios aria-labelledby="scenarios-title" {
            h2 #scenarios-title { "Scenarios" }
            p.hint { "Below each scenario stand the defects that its laws must convict, each with the seed at which a law first did." }
            div.wide tabindex="0" role="region" aria-label="Scenarios" {
                table.ledger {
                    thead { tr {
                        th scope="col" { "scenario" } th scope="col" { "verdict" } th scope="col" { "runs" }
                        th scope="col" { "faults fired" } th scope="col" { "virtual time" } th scope="col" { "what it proves" }
                    } }
                    tbody { @for series in &sweep.series { (series_row(series)) } }
                }
            }
        }
    }
}

fn series_row(series: &SeriesReport) -> Markup {
    let convictions: Vec<_> = series.convictions.iter().map(|(law, seed)| format!("{law} at seed {seed}")).collect();
    html! {
        tr.defect[series.defect.is_some()].subject[!series.passed] {
            th scope="row" {
                @match &series.defect {
                    None => span.key { (visible(&series.scenario)) },
                    Some(defect) => {
                        span.times { (defect.kind) " " }
                        @match &series.page { Some(page) => a.key href=(page) { (visible(&defect.name)) }, None => span.key { (visible(&defect.name)) } }
                    }
                }
            }
            td.wrong[!series.passed] { (series.verdict) }
            td { (series.runs) }
            td { (series.fired) " of " (series.planned) }
            td { (length(series.simulated)) }
            td {
                @match series.defect { None => (visible(&series.proves)), Some(_) => (convictions.join(", ")) }
                @if series.defect.is_none() && !series.figures.is_empty() { span.who { "in all: " (visible(&series.figures.join(", "))) } }
            }
        }
    }
}

/// Which verbs strike on which legs, over the scenarios.
fn coverage(sweep: &SweepReport) -> Markup {
    let mut cells: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for series in sweep.series.iter().filter(|series| series.defect.is_none()) {
        for (leg, verb) in &series.faults {
            cells.entry((leg, verb)).or_default().insert(&series.scenario);
        }
    }
    let legs: BTreeSet<&str> = cells.keys().map(|(leg, _)| *leg).collect();
    let verbs: BTreeSet<&str> = cells.keys().map(|(_, verb)| *verb).collect();
    html! {
        section #coverage aria-labelledby="coverage-title" {
            h2 #coverage-title { "Coverage" }
            p.hint { "How many scenarios have a verb strike in a place. An empty cell is a fault that no scenario of this sweep has there." }
            div.wide tabindex="0" role="region" aria-label="Coverage" {
                table.ledger.matrix {
                    thead { tr { th scope="col" { "verb" } @for leg in &legs { th scope="col" { (visible(leg)) } } } }
                    tbody {
                        @for verb in &verbs {
                            tr {
                                th scope="row" { span.key { (visible(verb)) } }
                                @for leg in &legs {
                                    @match cells.get(&(*leg, *verb)) {
                                        Some(scenarios) => td.some title=(scenarios.iter().copied().collect::<Vec<_>>().join(", ")) { (scenarios.len()) },
                                        None => td {},
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn slowest(sweep: &SweepReport) -> Markup {
    let mut series: Vec<_> = sweep.series.iter().filter(|series| series.runs > 0).collect();
    let a_run = |series: &SeriesReport| series.wall.as_secs_f64() / series.runs as f64;
    series.sort_by(|one, other| a_run(other).total_cmp(&a_run(one)));
    html! {
        section #slowest aria-labelledby="slowest-title" {
            h2 #slowest-title { "Slowest" }
            p.hint { "By the wall time of a run: the only figures here that differ between two equal sweeps." }
            div.wide tabindex="0" role="region" aria-label="Slowest" {
                table.ledger {
                    thead { tr { th scope="col" { "what" } th scope="col" { "wall time of a run" } th scope="col" { "virtual time of a run" } } }
                    tbody {
                        @for series in series.iter().take(SLOWEST) {
                            tr {
                                th scope="row" { (visible(&name(series))) }
                                td { (format!("{:.1} ms", 1000.0 * a_run(series))) }
                                td { (length(series.simulated / u32::try_from(series.runs).unwrap_or(u32::MAX))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_for_one_reason_are_one_row_with_a_count() {
        let failed = |scenario: usize| SeriesReport {
            scenario: format!("scenario_{scenario}"),
            verdict: "LAW BROKEN".to_owned(),
            runs: 1,
            signatures: vec![SignatureReport {
                signature: "delivery: silent loss @ alice".to_owned(),
                sentence: "<b>job-1</b> was lost".to_owned(),
                page: (scenario == 0).then(|| "scenario_0-0x1.html".to_owned()),
                ..SignatureReport::default()
            }],
            ..SeriesReport::default()
        };
        let page = of(&SweepReport { series: (0..70).map(failed).collect() });
        assert_eq!(page.matches("delivery: silent loss @ alice").count(), 1);
        assert!(page.contains("<a href=\"scenario_0-0x1.html\">delivery: silent loss @ alice</a>"), "{page}");
        assert!(page.contains("and 69 more") && page.contains("&lt;b&gt;job-1&lt;/b&gt; was lost"));
        assert!(page.contains("70 scenarios and defects did not come out as they must."));
    }
}
