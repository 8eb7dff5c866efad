//! The place of the records: the script fills it from what is packed into the page.

use halfopen::report::FailedRun;
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::run::Run;

/// The kinds that the filter offers: its word, what it is called, and whether it is shown at first.
const KINDS: [(&str, &str, bool); 12] = [
    ("fact", "facts", true),
    ("message", "messages", true),
    ("fault", "faults", true),
    ("connection", "connections", true),
    ("observed", "observed", true),
    ("process", "processes", true),
    ("rule", "rules", true),
    ("error", "error", true),
    ("warn", "warn", true),
    ("info", "info", true),
    ("debug", "debug", false),
    ("trace", "trace", false),
];

pub(super) fn section(run: &Run<'_>) -> Markup {
    html! {
        section #records aria-labelledby="records-title" {
            h2 #records-title { "Records" }
            noscript { p.quiet { "The " (run.records.len()) " records of the run need a script to be unpacked." } }
            div.tools hidden {
                input #search type="search" placeholder="Search (press /)" aria-label="Search the records" autocomplete="off" spellcheck="false";
                select #host aria-label="Whom the record is about" { option value="" { "everyone" } }
                div.kinds role="group" aria-label="Kinds of records" {
                    @for (kind, called, on) in KINDS {
                        label { input type="checkbox" value=(kind) checked[on]; (called) }
                    }
                }
                button #range type="button" hidden { "all times" }
                output #count aria-live="polite" {}
            }
            div.table hidden {
                div #list role="listbox" tabindex="0" aria-label="Records; arrow keys step, Enter opens" {}
                pre #detail tabindex="0" aria-label="The record as the trace has it" hidden {}
            }
        }
    }
}

/// What the buttons of the page give away.
pub(super) fn head(failed: &FailedRun<'_>, run: &mut Run<'_>) -> Value {
    json!({
        "format": 1,
        "stem": failed.stem(),
        "replay": failed.replay_line,
        "plan": failed.faults_toml(),
        "capsule": failed.capsule(),
        "markdown": crate::mermaid::markdown(failed, run),
    })
}
