//! The page of a failed run. What is above the records is plain HTML and SVG, which needs no script and prints; the script adds
//! the records, the buttons and the keys.
//!
//! - [`of`] (here): the page as a whole.
//! - `verdict`: the sentence, and what was played.
//! - `scene`: the lanes, in SVG; `layout`: where everything of it stands; `listed`: the same as a list.
//! - `cards`: beside the scene: the law, the life of the key, the plan.
//! - `ledger`, `why`, `waits`, `budget`: the sections of these names.
//! - `records`: the place of the table that the script fills.

mod budget;
mod cards;
mod layout;
mod ledger;
mod listed;
mod records;
mod scene;
mod verdict;
mod waits;
mod why;

use halfopen::report::FailedRun;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::packed::packed;
use crate::run::Run;
use crate::run::connections::Connections;

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");

/// Nothing is loaded from anywhere: the page is whole.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The page as text.
pub(crate) fn of(failed: &FailedRun<'_>) -> String {
    let mut run = Run::of(failed.outcome);
    let connections = Connections::of(run.records);
    let mut twin = failed.twin.map(|twin| Run::of(&twin.outcome));
    let scene = scene::Scene::of(&mut run, &connections);
    let title = format!("{} · {}", run.broken().first().map_or("a run", |first| first.check), run.outcome.scenario);
    let body = html! {
        (verdict::header(failed, &mut run))
        main {
            div.front {
                section #scene aria-labelledby="scene-title" {
                    h2 #scene-title { "What happened" }
                    (scene.told())
                    (listed::list(&scene.rows))
                }
                aside { (cards::all(failed, &mut run, twin.as_mut())) }
            }
            (ledger::section(&mut run))
            (why::section(failed, &mut run, twin.as_mut()))
            (budget::section(failed, &run))
            (waits::section(&mut run, &connections))
            (records::section(&run))
        }
    };
    let head = records::head(failed, &mut run);
    document(&title, &body, &packed(&mut run, &head)).into_string()
}

/// The head of a page that needs nothing from outside.
pub(crate) fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            link rel="icon" href="data:,";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn document(title: &str, body: &Markup, data: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body {
                a.skip href="#records" { "To the records" }
                (body)
                script #data type="application/octet-stream" { (data) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// A link to a record.
fn to_record(index: usize, text: &str) -> Markup {
    html! { a.at href=(format!("#r={index}")) { (text) } }
}
