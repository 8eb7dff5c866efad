//! Has the catalogue judge one variant, in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::weave::CHOICE;

/// How long a run may take of the wall's time; the unbroken services take a few milliseconds.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// What the judge's process may have of memory, in KiB of address space.
const MEMORY_KIB: u64 = 8 << 20;

/// What came of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Judgement {
    /// It does not compile.
    Unviable,
    /// A law was broken.
    Convicted { scenario: String, seed: u64, laws: String },
    /// The process of the services ended in mid-run.
    Ended { scenario: String, seed: u64 },
    /// A run did not end.
    Hung { scenario: String, seed: u64 },
    /// Every law held in every run.
    Survived {
        runs: usize,
        /// Runs that came out differently than those of the unbroken services.
        different: usize,
        /// Scenarios of those runs.
        scenarios: BTreeSet<String>,
    },
}

/// The hash of each run of the unbroken services.
pub(crate) type Hashes = BTreeMap<(String, u64), String>;

/// How the catalogue is played.
pub(crate) struct Trial<'a> {
    pub(crate) judge: &'a Path,
    pub(crate) seeds: u64,
    /// The scenarios to be played first under each seed: those that convict most.
    pub(crate) first: &'a [String],
}

impl Trial<'_> {
    /// Plays the unbroken services; they must hold.
    pub(crate) fn unbroken(&self) -> Result<Hashes, Failure> {
        let mut hashes = Hashes::new();
        match self.play(None, &mut hashes)? {
            Judgement::Survived { .. } => Ok(hashes),
            other => Err(Failure(format!("have the catalogue acquit the unbroken services: {other:?}"))),
        }
    }

    /// Judges the variant of this number in the judge, or its only one.
    pub(crate) fn judge(&self, choice: Option<usize>, unbroken: &Hashes) -> Result<Judgement, Failure> {
        let mut hashes = Hashes::new();
        let judgement = self.play(choice, &mut hashes)?;
        let Judgement::Survived { runs, .. } = judgement else { return Ok(judgement) };
        let differs = hashes.iter().filter(|(run, hash)| unbroken.get(*run) != Some(*hash));
        let places: Vec<_> = differs.map(|((scenario, _), _)| scenario.clone()).collect();
        Ok(Judgement::Survived { runs, different: places.len(), scenarios: places.into_iter().collect() })
    }

    fn play(&self, choice: Option<usize>, hashes: &mut Hashes) -> Result<Judgement, Failure> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"")]).arg(self.judge);
        command.arg(self.seeds.to_string()).args(self.first).env_remove(CHOICE);
        if let Some(number) = choice {
            command.env(CHOICE, number.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| Failure(format!("start the judge: {error}")))?;
        let judgement = listen(&mut child, hashes);
        // One that has ended is none the worse for it.
        let _ = child.kill();
        let _ = child.wait();
        judgement
    }
}

/// Reads what the judge says until it has come to an end.
fn listen(child: &mut Child, hashes: &mut Hashes) -> Result<Judgement, Failure> {
    let said = child.stdout.take().ok_or_else(|| Failure("hear the judge".to_owned()))?;
    let (lines, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut run = (String::new(), 0);
    loop {
        let line = match heard.recv_timeout(LONGEST_RUN) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(Judgement::Hung { scenario: run.0, seed: run.1 }),
            Err(RecvTimeoutError::Disconnected) => return Ok(Judgement::Ended { scenario: run.0, seed: run.1 }),
        };
        match line.split_once(' ') {
            Some(("play", which)) => {
                let (scenario, seed) = which.split_once(' ').unwrap_or((which, ""));
                run = (scenario.to_owned(), seed.parse().unwrap_or_default());
            }
            Some(("held", hash)) => {
                hashes.insert(run.clone(), hash.to_owned());
            }
            Some(("broken", laws)) => {
                return Ok(Judgement::Convicted { scenario: run.0, seed: run.1, laws: laws.to_owned() });
            }
            None if line == "acquitted" => {
                return Ok(Judgement::Survived { runs: hashes.len(), different: 0, scenarios: BTreeSet::new() });
            }
            Some(_) | None => return Err(Failure(format!("understand the judge: {line}"))),
        }
    }
}
