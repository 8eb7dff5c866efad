//! Every single fault at every point of a scenario, one a run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::arguments::Exhaust;
use super::exhausted::{Sums, Told};
use super::probe::{Probed, Round};
use super::{CommandError, HELD, complain, say};
use crate::catalogue::Catalogue;
use crate::explore::ledger::{self, Ledger, Subject};
use crate::explore::pairs;

pub(super) fn exhaust(catalogue: &Catalogue, arguments: &Exhaust) -> Result<u8, CommandError> {
    let round = Round::of(catalogue, &arguments.probe)?;
    let prints_matrix = arguments.matrix || round.scenarios.len() == 1;
    let (mut code, mut sums) = (HELD, Sums::default());
    for (place, scenario) in round.scenarios.iter().enumerate() {
        let deadline = round.deadline(place);
        let Some(probed) = round.learn(catalogue, scenario, &arguments.probe)? else {
            sums.skip();
            continue;
        };
        let pairs = pairs::draw(&probed.cases, arguments.pairs, arguments.probe.seed);
        let started = Instant::now();
        let ledger = play(&probed, &pairs, arguments, (round.jobs, deadline))?;
        let wall = started.elapsed();
        let (ledger, known) = probed.news(&ledger, |trial| cases_of(&probed, &pairs, trial));
        let told = Told { subject: &probed, ledger: &ledger, pairs: &pairs, known: &known, wall };
        code = code.max(told.tell(&arguments.probe, prints_matrix)?);
        sums.add(&told);
    }
    if round.scenarios.len() > 1 {
        say(&sums.sentence(round.elapsed()));
    }
    Ok(code)
}

/// The cases of a trial: a single one, or, behind all of these, a pair.
pub(super) fn cases_of(probed: &Probed<'_>, pairs: &[(usize, usize)], trial: usize) -> Vec<usize> {
    match trial.checked_sub(probed.cases.all.len()) {
        None => vec![trial],
        Some(pair) => vec![pairs[pair].0, pairs[pair].1],
    }
}

/// Plays what no file of results has, until the time is up.
fn play(
    probed: &Probed<'_>,
    pairs: &[(usize, usize)],
    arguments: &Exhaust,
    until: (NonZeroUsize, Option<Instant>),
) -> Result<Ledger, CommandError> {
    let singles = probed.cases.all.len();
    let kept = results(probed, arguments, singles + pairs.len())?;
    let order = probed.cases.order().into_iter().chain(singles..singles + pairs.len());
    let order: Vec<usize> = order.filter(|trial| kept.0.of(*trial).is_none()).collect();
    let place = AtomicUsize::new(0);
    let next = || order.get(place.fetch_add(1, Ordering::Relaxed)).copied();
    probed.play(until, order.len(), next, |trial| cases_of(probed, pairs, trial), kept)
}

/// What a file of results holds already, and the file.
fn results(probed: &Probed<'_>, arguments: &Exhaust, total: usize) -> Result<(Ledger, Option<File>), CommandError> {
    let Some(folder) = &arguments.results else { return Ok((Ledger::default(), None)) };
    let name = &probed.base.scenario.name;
    let path = folder.join(format!("{name}.jsonl"));
    let fingerprint = format!("{} {}", probed.cases.fingerprint(), probed.bench.sits.join(" "));
    let what = match &arguments.probe.specimen {
        None => name.clone(),
        Some(specimen) => format!("{name}, {specimen}"),
    };
    let subject = Subject::new(what, probed.base.seed.to_string(), total, fingerprint);
    let opened = open(&path, &subject);
    let (ledger, file) =
        opened.map_err(|sentence| CommandError(format!("failed to go on with {}: {sentence}", path.display())))?;
    Ok((ledger, Some(file)))
}

/// Opens a file of results behind its last whole line, or begins one.
fn open(path: &Path, subject: &Subject) -> Result<(Ledger, File), String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.to_string()),
    };
    let read = ledger::read(&text, subject)?;
    let begin = || -> io::Result<File> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(read.whole_bytes as u64)?;
        if read.whole_bytes == 0 {
            file.write_all(ledger::first_line(subject).as_bytes())?;
        }
        Ok(file)
    };
    let file = begin().map_err(|error| error.to_string())?;
    if read.is_cut {
        complain(&format!("{} ended in half a line, which was left out", path.display()));
    }
    if read.ledger.played() > 0 {
        say(&format!("{} results are taken from {}", read.ledger.played(), path.display()));
    }
    Ok((read.ledger, file))
}
