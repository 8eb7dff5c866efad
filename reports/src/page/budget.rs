//! The budget: how the time from a fault to the recovery is made up, where a scenario bounds it.

use std::time::Duration;

use halfopen::report::FailedRun;
use maud::{Markup, html};

use crate::run::Run;
use crate::run::budget::{self, Span};
use crate::text::length;

/// As many spans as a reader compares.
const SHOWN: usize = 12;

pub(super) fn section(failed: &FailedRun<'_>, run: &Run<'_>) -> Markup {
    let spans = budget::of(run);
    if spans.is_empty() || (failed.detect_within().is_none() && failed.recover_within().is_none()) {
        return html! {};
    }
    let bounds = [("notice", failed.detect_within()), ("recover", failed.recover_within())];
    let ends = spans
        .iter()
        .flat_map(|span| [span.noticed, span.back].into_iter().flatten().map(|at| at.saturating_sub(span.fired)));
    let longest =
        ends.chain(bounds.iter().filter_map(|(_, bound)| *bound)).max().unwrap_or(Duration::ZERO).mul_f64(1.05);
    let percent = |time: Duration| 100.0 * time.as_secs_f64() / longest.as_secs_f64().max(f64::MIN_POSITIVE);
    html! {
        section #budget aria-labelledby="budget-title" {
            h2 #budget-title { "Budget" }
            p.hint {
                "From the firing of a fault to its notice to the service being back."
                @for (word, bound) in bounds {
                    @if let Some(bound) = bound { " Bound to " (word) ": " b { (length(bound)) } "." }
                }
            }
            ul.budget {
                @for span in spans.iter().take(SHOWN) { li { (bar(span, &percent, &bounds)) } }
            }
        }
    }
}

fn bar(span: &Span, percent: &impl Fn(Duration) -> f64, bounds: &[(&str, Option<Duration>); 2]) -> Markup {
    let since = |at: Option<Duration>| at.map(|at| at.saturating_sub(span.fired));
    let (felt, noticed, back) = (since(span.felt), since(span.noticed), since(span.back));
    let from = noticed.unwrap_or_default();
    let part = |class: &str, from: Duration, to: Duration| {
        let (left, width) = (percent(from), percent(to.saturating_sub(from)).max(0.4));
        html! { i class=(class) style=(format!("left:{left:.2}%;width:{width:.2}%")) {} }
    };
    html! {
        span.name { "fault " (span.fault) ", " (span.host.to_string()) }
        span.track aria-hidden="true" {
            @if let Some(noticed) = noticed { (part("unnoticed", Duration::ZERO, noticed)) }
            @if let Some(back) = back { (part("away", from.min(back), back)) }
            @for (word, bound) in bounds {
                @if let Some(bound) = bound { i class={ "bound " (word) } style=(format!("left:{:.2}%", percent(*bound))) {} }
            }
        }
        span.told {
            @if let Some(felt) = felt { "felt after " (length(felt)) ", " }
            @match noticed { Some(noticed) => { "noticed after " (length(noticed)) } None => "never noticed" }
            @match back { Some(back) => { ", back after " (length(back)) } None => ", not back before the next fault or the end" }
        }
    }
}
