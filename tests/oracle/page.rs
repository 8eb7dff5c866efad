//! `docs/faults.md`, made from a run.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use halfopen::fault::{Entry, Holds, Registry, Upstream, Without};

use crate::backend::{self, Way};
use crate::cell::{ByVerb, Cell, Observer};
use crate::lines::lines;
use crate::{linux, rows};

const PAGE: &str = "../docs/faults.md";

#[test]
fn the_page_is_what_a_run_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = page();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &page).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let first = page.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
    assert!(
        page == kept,
        "docs/faults.md is stale; `INSTA_UPDATE=always cargo test -p halfopen-tests --test oracle` writes it anew. \
         The first line that differs, as it is now and as it was kept: {first:#?}"
    );
}

#[test]
fn every_verb_is_on_the_page_with_each_of_its_upstream_kinds() {
    let cells = rows::all();
    let acts: Vec<_> = cells.iter().filter_map(|cell| cell.verb.as_ref()).map(|by| &by.fault.act).collect();
    let registry = Registry::default();
    let missing = registry.words().filter(|word| acts.iter().all(|act| act.word() != *word));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new());
    let shown: BTreeSet<_> =
        acts.iter().filter_map(|act| act.verb().downcast_ref::<Upstream>()).map(Upstream::name).collect();
    let kinds = registry.entry("upstream").expect("it is ours").keys()[0].holds;
    assert_eq!(kinds, Holds::Word(&["status", "slow_head", "missing_done", "error_event", "stall"]));
    assert_eq!(shown.len(), 5, "{shown:?}");
}

/// What was seen in one place.
enum Shown {
    Seen(Vec<String>),
    /// Why it was not tried.
    Not(&'static str),
}

struct Line {
    cell: Cell,
    by_verb: Option<Vec<String>>,
    by_peer: Shown,
    linux: Shown,
}

fn page() -> String {
    let lines: Vec<_> = rows::all().into_iter().map(Line::of).collect();
    let mut page = INTRODUCTION.to_owned();
    for entry in Registry::default().entries() {
        let of_verb = lines.iter().filter_map(|line| Some((line, line.cell.verb.as_ref()?)));
        let of_verb: Vec<_> = of_verb.filter(|(_, by)| by.fault.act.word() == entry.word()).collect();
        page.push_str(&described(entry));
        for (line, by) in of_verb {
            page.push_str(&line.by_verb(by));
        }
    }
    page.push_str(ALL);
    for line in &lines {
        page.push_str(&line.everywhere());
    }
    page.push_str(LIMITS);
    page
}

/// What a verb does and takes, as the registry has it.
fn described(entry: &Entry) -> String {
    let (word, does) = (entry.word(), entry.does());
    let mut text = format!("\n### `{word}`\n\n");
    if let Some(lines) = lines(word) {
        let (means, sees, toml) =
            (lines.means, lines.sees, lines.toml.replace(", when", "\nwhen").replace(", do = ", "\ndo = "));
        writeln!(text, "{means} {sees}\n\n```toml\n[[fault]]\n{}\n```\n", below_each_other(&toml))
            .expect("a string takes all");
    }
    writeln!(text, "On what `{}` names: {does}.", entry.place()).expect("a string takes all");
    if !entry.keys().is_empty() {
        text.push_str("\n| key | value | without | what it says |\n|---|---|---|---|\n");
    }
    for key in entry.keys() {
        let holds = match key.holds {
            Holds::Time => "a time".to_owned(),
            Holds::Whole { least, most } if most >= u32::MAX.into() => format!("a whole number from {least}"),
            Holds::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Holds::Text => "a string".to_owned(),
            Holds::Flag => "`true` or `false`".to_owned(),
            Holds::Host => "a host".to_owned(),
            Holds::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        };
        let without = match key.without {
            Without::Mistake => "a mistake".to_owned(),
            Without::Default(value) => format!("`{value}`"),
            Without::Absent(then) => then.to_owned(),
        };
        writeln!(text, "| `{}` | {holds} | {without} | {} |", key.name, key.means).expect("a string takes all");
    }
    text
}

/// The keys behind the verb, each on a line of its own.
fn below_each_other(toml: &str) -> String {
    match toml.split_once("\ndo = ") {
        Some((before, verb)) => format!("{before}\ndo = {}", verb.replace(", ", "\n")),
        None => toml.to_owned(),
    }
}

impl Line {
    fn of(cell: Cell) -> Self {
        let by_verb = cell.verb.as_ref().map(|by| backend::by_verb(&cell, by, 0, Way::Plain));
        let by_peer = match cell.only_by_verb {
            Some(because) => Shown::Not(because),
            None => Shown::Seen(backend::in_the_simulation(&cell, 0, Way::Plain)),
        };
        let seen = linux().iter().find(|(name, _)| *name == (cell.row, cell.fault));
        let linux = match (cell.not_on_linux, seen.and_then(|(_, seen)| seen.clone())) {
            (Some(because), _) => Shown::Not(because),
            (None, Some(seen)) => Shown::Seen(seen),
            // Not allowed here, which was said aloud; it was where the page was made.
            (None, None) => Shown::Seen(cell.sees.iter().map(ToString::to_string).collect()),
        };
        Self { cell, by_verb, by_peer, linux }
    }

    /// Its paragraph under a verb.
    fn by_verb(&self, by: &ByVerb) -> String {
        let seen = self.by_verb.as_deref().unwrap_or_default();
        let head = format!(
            "\n`{}` {}; to {}: {}",
            by.fault.act.verb(),
            by.fault.trigger,
            observer(&self.cell),
            self.cell.fault
        );
        match &self.linux {
            Shown::Seen(linux) if linux == seen => {
                format!("{head}. In the simulation and on Linux:\n\n{}", block(seen))
            }
            Shown::Seen(linux) => {
                format!(
                    "{head}. **They disagree.** In the simulation:\n\n{}\nOn Linux:\n\n{}",
                    block(seen),
                    block(linux)
                )
            }
            Shown::Not(because) => {
                format!("{head}. In the simulation (on Linux not tried: {because}):\n\n{}", block(seen))
            }
        }
    }

    /// Its row in the table of all.
    fn everywhere(&self) -> String {
        let Self { cell, .. } = self;
        let place = |shown: &Shown| match shown {
            Shown::Seen(seen) if *seen == cell.sees => "as listed".to_owned(),
            Shown::Seen(seen) => format!("**{}**", joined(seen)),
            Shown::Not(because) => format!("not tried: {because}"),
        };
        let turmoil = match (&cell.on_turmoil, cell.only_by_verb) {
            (Some(differs), _) => format!("{}: {}", joined(&differs.sees), differs.because),
            (None, Some(_)) => "not tried: it sends nothing again".to_owned(),
            (None, None) => "as listed".to_owned(),
        };
        let by_verb = match &self.by_verb {
            Some(seen) if *seen == cell.sees => "as listed".to_owned(),
            Some(seen) => format!("**{}**", joined(seen)),
            None => "no verb does it".to_owned(),
        };
        let cells = [
            cell.row.to_owned(),
            format!("{}: {}", observer(cell), cell.fault),
            joined(&cell.sees),
            place(&self.linux),
            place(&self.by_peer),
            by_verb,
            turmoil,
        ];
        format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|").replace('\n', "\\n")).join(" | "))
    }
}

fn observer(cell: &Cell) -> &'static str {
    match &cell.observer {
        Observer::WebSocket(observer) if observer.dials() => "a WebSocket client",
        Observer::WebSocket(_) => "a WebSocket server",
        Observer::Server(_) => "an HTTP server",
        Observer::Client(_) => "an HTTP client",
    }
}

fn block(lines: &[String]) -> String {
    format!("```text\n{}\n```\n", lines.join("\n"))
}

fn joined(lines: &[impl AsRef<str>]) -> String {
    lines.iter().map(|line| format!("`{}`", line.as_ref().trim_end())).collect::<Vec<_>>().join(", ")
}

const INTRODUCTION: &str = "\
# What each fault looks like

This page is made from a run, by `INSTA_UPDATE=always cargo test -p halfopen-tests --test oracle`; a test fails when it is
stale. The observers are tokio-tungstenite in both roles, one connection of a hyper server, one connection of a hyper client
and hyper-util's pool. The same observer is played on Linux's loopback sockets, where its peer makes the fault with socket
calls (zero linger, half-close, not reading, raw bytes, or a socket filter that lets nothing in), and in the simulation,
where the same peer makes it or a plan's verb does.

`next` is a read of the next message, `send` a send and its flush, `pending` a call that had not returned when it was given
up; errors are told by their kinds. `peer: heard` says which messages arrived at the other end.

## By verb

A verb strikes bytes, packets or hosts, whatever protocol they carry; under each stand its keys, and the observers for which
it was tried.
";

const ALL: &str = "
## Every row

The rows are numbered by observer: W for a WebSocket endpoint, H for an HTTP server, C for an HTTP client, and `-` for what
ends nothing. *By its peer* and *by verb* are the simulation; turmoil-net is the reference network, another simulated TCP.

| row | who and what | sees | Linux | by its peer | by verb | turmoil-net |
|---|---|---|---|---|---|---|
";

const LIMITS: &str = "
## What is not shown

- macOS and Windows: an RST there may destroy data that was received and not yet read.
- A silent peer for 15 minutes on Linux: that its kernel gives up then is taken from its documentation, and simulated.
- TLS and HTTP/2.
";
