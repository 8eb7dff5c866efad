//! Beside the scene: the laws, the life of the key, the plan, and how to play the run again.

use std::collections::BTreeSet;

use halfopen::FactKind;
use halfopen::report::FailedRun;
use halfopen::trace::{FaultEvent, RecordKind};
use maud::{Markup, html};

use super::to_record;
use crate::run::{Run, faults, ledger};
use crate::text::{moment, visible};

/// As many facts of a key as its card shows, from its beginning and from its end.
const LIFE: usize = 8;

pub(super) fn all(failed: &FailedRun<'_>, run: &mut Run<'_>, twin: Option<&mut Run<'_>>) -> Markup {
    html! {
        (life(run))
        (laws(run))
        (plan(run))
        (why_in_short(failed, run, twin))
        section.card {
            h3 { "Play it again" }
            code.line #replay { (visible(failed.replay_line)) }
        }
    }
}

fn laws(run: &mut Run<'_>) -> Markup {
    let broken = run.broken();
    let others: Vec<_> =
        broken.iter().skip(1).map(|violation| (violation.check, run.shorten(&violation.sentence), violation)).collect();
    html! {
        section.card {
            h3 { "The law" }
            @if let Some(first) = broken.first() { p { (sentence_case(first.law)) "." } }
            @if !others.is_empty() {
                h4 { "Also broken" }
                dl.laws {
                    @for (check, sentence, violation) in &others {
                        dt { (check) }
                        dd {
                            (sentence)
                            @if let Some(first) = violation.witness.first() { " " (to_record(*first, "show")) }
                        }
                    }
                }
            }
        }
    }
}

fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// One line of a life.
enum Line {
    Told { record: usize, text: String, who: String, is_fault: bool, proves: bool },
    Never(&'static str),
    More(usize),
}

/// The key of the broken law, as the facts tell it, and the faults that fired meanwhile.
fn life(run: &mut Run<'_>) -> Markup {
    let Some(key) = run.key.clone() else { return html! {} };
    let lines = lines(run, &key);
    let key = run.shorten(&key);
    html! {
        section.card.life {
            h3 { (key) ", as the facts tell it" }
            table {
                tbody {
                    @for line in &lines {
                        @match line {
                            Line::Told { record, text, who, is_fault, proves } => {
                                tr.fault[*is_fault].proves[*proves] {
                                    td { (to_record(*record, &moment(run.records[*record].at))) }
                                    td { (who) }
                                    td { (text) }
                                }
                            }
                            Line::Never(what) => tr.never { td { "—" } td {} td { "never " (what) } },
                            Line::More(count) => tr.more { td {} td colspan="2" { "… " (count) " more" } },
                        }
                    }
                }
            }
        }
    }
}

fn lines(run: &mut Run<'_>, key: &str) -> Vec<Line> {
    let is_of_key = |what: &RecordKind| matches!(what, RecordKind::Fact(fact) if fact.key == key);
    let facts: Vec<usize> = (0..run.records.len()).filter(|index| is_of_key(&run.records[*index].what)).collect();
    let is_firing = |what: &RecordKind| matches!(what, RecordKind::Fault { event: FaultEvent::Fired { .. }, .. });
    let (first, last) = (facts.first().copied().unwrap_or(0), facts.last().copied().unwrap_or(0));
    let firing = (first..=last).filter(|index| run.records.get(*index).is_some_and(|record| is_firing(&record.what)));
    let mut places: Vec<usize> = facts.iter().copied().chain(firing).collect();
    places.sort_unstable();
    let left = places.len().saturating_sub(2 * LIFE);
    let mut lines = Vec::new();
    for (place, index) in places.iter().enumerate() {
        if left > 0 && (LIFE..LIFE + left).contains(&place) {
            if place == LIFE {
                lines.push(Line::More(left));
            }
            continue;
        }
        lines.push(told(run, *index));
    }
    lines.extend(missing(run, key).into_iter().map(Line::Never));
    lines
}

fn told(run: &mut Run<'_>, index: usize) -> Line {
    let proves = run.proofs.contains(&index);
    let said = run.brief(index);
    match &run.records[index].what {
        RecordKind::Fact(fact) => {
            let who = run.records[index].host.as_ref().map(ToString::to_string).unwrap_or_default();
            let value = fact.value.clone().filter(|value| !value.is_empty()).map(|value| run.shorten(&value));
            let word = ledger::heading(fact.kind);
            let text = value.map_or(word.to_owned(), |value| format!("{word}: {value}"));
            Line::Told { record: index, text, who, is_fault: false, proves }
        }
        _ => {
            let text = said.text.strip_prefix("FIRED ").unwrap_or(&said.text).to_owned();
            Line::Told { record: index, text: format!("⚡ {text}"), who: said.who, is_fault: true, proves }
        }
    }
}

/// What other keys of this run reached and this one did not.
fn missing(run: &Run<'_>, key: &str) -> Vec<&'static str> {
    const STAGES: [FactKind; 7] = [
        FactKind::Offered,
        FactKind::Accepted,
        FactKind::Received,
        FactKind::Outcome,
        FactKind::StreamTerminator,
        FactKind::StreamEnded,
        FactKind::Recovered,
    ];
    let (mut told, mut reached) = (BTreeSet::new(), BTreeSet::new());
    for record in run.records {
        if let RecordKind::Fact(fact) = &record.what {
            told.insert(fact.kind);
            if fact.key == key {
                reached.insert(fact.kind);
            }
        }
    }
    let of_family = |kind: &FactKind| match kind {
        FactKind::StreamTerminator | FactKind::StreamEnded => reached.contains(&FactKind::StreamOpened),
        FactKind::Recovered => reached.contains(&FactKind::Detected),
        _ => reached.contains(&FactKind::Offered) || reached.contains(&FactKind::Accepted),
    };
    let missing = STAGES.into_iter().filter(|kind| told.contains(kind) && !reached.contains(kind) && of_family(kind));
    missing.map(ledger::heading).collect()
}

fn plan(run: &Run<'_>) -> Markup {
    let faults = faults::of(run);
    html! {
        section.card {
            h3 { "The plan" }
            @if faults.is_empty() { p.quiet { "No fault was planned." } }
            ol.plan {
                @for fault in &faults {
                    li.unfired[!fault.fired] {
                        code { (fault.what) }
                        ul {
                            @for (place, part) in fault.became.iter().enumerate() {
                                li {
                                    @match fault.record.filter(|_| place == 0) {
                                        Some(record) => (to_record(record, part)),
                                        None => (part),
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

fn why_in_short(failed: &FailedRun<'_>, run: &Run<'_>, twin: Option<&mut Run<'_>>) -> Markup {
    let (Some(twin), Some(told)) = (twin, failed.twin) else { return html! {} };
    let still: Vec<_> = twin.broken().iter().map(|violation| violation.check).collect();
    let healed: Vec<_> =
        run.broken().iter().map(|violation| violation.check).filter(|check| !still.contains(check)).collect();
    html! {
        section.card {
            h3 { "Why" }
            p {
                "The same plan " b { (visible(&told.differs_by)) } ": "
                @if still.is_empty() { "every law holds." } @else { (healed.join(", ")) " holds; " (still.join(", ")) " does not." }
                " " a href="#why" { "Where the two part" }
            }
        }
    }
}
