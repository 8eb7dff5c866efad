//! The oracle, cell by cell: what tokio-tungstenite, a hyper server and a hyper client see under each fault. The same
//! observer runs on Linux's sockets, against a peer that makes the fault with socket calls; in the simulation against the
//! same peer; in the simulation by a plan's verb; and on turmoil-net, the reference network. All must see what the cell
//! lists, or differ as it says and for the reason it gives.
//!
//! `docs/faults.md` is made from these runs; `INSTA_UPDATE=always cargo test -p halfopen-tests --test oracle` writes it
//! again.
//!
//! - `cell`, `rows`: what is listed.
//! - `backend`: where a cell is played. `linux`: sockets that hear nothing.
//! - `websocket`, `server`, `client`: the observers. `peer`, `frames`: who does it to them. `coordination`: how they agree on
//!   moments.
//! - `words`: outcomes as kinds.
//! - `page`: the page.
//! - `differential`: random operations instead of rows; `facts`: what else sockets answer.

mod backend;
mod cell;
mod client;
mod coordination;
mod differential;
mod facts;
mod frames;
mod lines;
mod linux;
mod page;
mod peer;
mod rows;
mod server;
mod websocket;
mod words;

use std::sync::OnceLock;

use backend::Way;
use cell::Cell;

/// Seeds of the simulation; each also with tasks interleaved, and with packets that arrive between their calls.
const SEEDS: std::ops::Range<u64> = 0..3;

#[test]
fn linux_shows_what_is_listed() {
    let differ = differing(|cell| {
        let seen = linux().iter().find(|(name, _)| *name == (cell.row, cell.fault));
        vec![("Linux".to_owned(), seen.and_then(|(_, seen)| seen.clone()), cell.sees.clone())]
    });
    assert_eq!(differ, Vec::<String>::new());
}

#[test]
fn the_simulation_shows_it_when_the_peer_does_it() {
    let differ = differing(|cell| {
        let plays = cell.only_by_verb.is_none();
        runs()
            .filter(|_| plays)
            .map(|(seed, way)| {
                let seen = backend::in_the_simulation(cell, seed, way);
                (format!("the simulation with seed {seed}, {way:?}"), Some(seen), cell.sees.clone())
            })
            .collect()
    });
    assert_eq!(differ, Vec::<String>::new());
}

#[test]
fn the_simulation_shows_it_when_a_verb_does_it() {
    let differ = differing(|cell| {
        let verb = cell.verb.as_ref();
        verb.into_iter()
            .flat_map(|by| runs().map(move |run| (by, run)))
            .map(|(by, (seed, way))| {
                let seen = backend::by_verb(cell, by, seed, way);
                (format!("{} with seed {seed}, {way:?}", by.fault.act.verb()), Some(seen), cell.sees.clone())
            })
            .collect()
    });
    assert_eq!(differ, Vec::<String>::new());
}

#[test]
fn turmoil_net_shows_it_or_differs_as_known() {
    let differ = differing(|cell| {
        if cell.only_by_verb.is_some() {
            return Vec::new();
        }
        let expected = cell.on_turmoil.as_ref().map_or(&cell.sees, |differs| &differs.sees);
        vec![("turmoil-net".to_owned(), Some(backend::on_turmoil(cell)), expected.clone())]
    });
    assert_eq!(differ, Vec::<String>::new());
}

#[test]
fn what_linux_does_not_show_is_noticed() {
    let mut wrong = rows::all().into_iter().next().expect("there are cells");
    wrong.sees = vec!["next: None"];
    assert_ne!(backend::on_linux(&wrong), wrong.sees);
    assert_ne!(backend::in_the_simulation(&wrong, 0, Way::Plain), wrong.sees);
}

fn runs() -> impl Iterator<Item = (u64, Way)> {
    SEEDS.flat_map(|seed| [Way::Plain, Way::Interleaved, Way::BetweenCalls].map(|way| (seed, way)))
}

type Seen = (String, Option<Vec<String>>, Vec<&'static str>);

/// The cells on which something else was seen than was expected.
fn differing(play: impl Fn(&Cell) -> Vec<Seen>) -> Vec<String> {
    let mut differ = Vec::new();
    for cell in rows::all() {
        for (place, seen, expected) in play(&cell) {
            if seen.as_ref().is_some_and(|seen| *seen != expected) {
                differ.push(format!("{} ({}) on {place}: {seen:?}, not {expected:?}", cell.row, cell.fault));
            }
        }
    }
    differ
}

/// A cell by its row and fault, and what was seen; nothing where this machine cannot say.
type OnLinux = ((&'static str, &'static str), Option<Vec<String>>);

/// What Linux shows for each cell.
#[expect(clippy::print_stderr, reason = "what is skipped is skipped out loud")]
fn linux() -> &'static [OnLinux] {
    static LINUX: OnceLock<Vec<OnLinux>> = OnceLock::new();
    LINUX.get_or_init(|| {
        let filters = linux::are_filters_allowed();
        if let Err(error) = &filters {
            eprintln!(
                "SKIPPED on Linux: cells whose sockets are made deaf. This machine attaches no socket filters: {error}"
            );
        }
        let cells = rows::all().into_iter().map(|cell| {
            let can = cell.not_on_linux.is_none() && (filters.is_ok() || !cell.needs_filters());
            ((cell.row, cell.fault), can.then(|| backend::on_linux(&cell)))
        });
        cells.collect()
    })
}
