//! Why: the run that differs by one thing, beside this one.

use halfopen::report::FailedRun;
use maud::{Markup, html};

use crate::run::Run;
use crate::run::twin::{Line, parting};
use crate::text::{clipped, moment, visible};

/// As much of a line as a column shows, in characters.
const LONGEST: usize = 110;

pub(super) fn section(failed: &FailedRun<'_>, run: &mut Run<'_>, twin: Option<&mut Run<'_>>) -> Markup {
    html! {
        section #why aria-labelledby="why-title" {
            h2 #why-title { "Why" }
            @match (failed.twin, twin) {
                (Some(told), Some(twin)) => {
                    p.hint { "The same plan, played " (visible(&told.differs_by)) ". Both runs agree up to here; then they part." }
                    (aligned(&told.differs_by, run, twin))
                }
                _ => p.quiet { "No run that differs by one thing was played beside this one." }
            }
        }
    }
}

fn aligned(differs_by: &str, run: &mut Run<'_>, twin: &mut Run<'_>) -> Markup {
    let Some(parting) = parting(run, twin) else {
        return html! { p.quiet { "What the two runs tell is the same: they differ in packets, or in how they were judged." } };
    };
    html! {
        @if !parting.common.is_empty() {
            ol.lines.common aria-label="What both did last" { @for line in &parting.common { (one(line, false)) } }
        }
        div.twins {
            div.twin.here {
                h3 { "This run" }
                ol.lines { @for line in &parting.here { (one(line, true)) } @if parting.here.is_empty() { li.quiet { "nothing more" } } }
            }
            div.twin.there {
                h3 { "The same plan " (visible(differs_by)) }
                ol.lines { @for line in &parting.there { (one(line, false)) } @if parting.there.is_empty() { li.quiet { "nothing more" } } }
            }
        }
    }
}

fn one(line: &Line, links: bool) -> Markup {
    let at = moment(line.at);
    html! {
        li.proves[line.proves] {
            @if links { (super::to_record(line.record, &at)) } @else { span.at { (at) } }
            span.who { (line.who) }
            span.text { (clipped(&line.text, LONGEST)) }
        }
    }
}
