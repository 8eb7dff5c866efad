//! One run, and what a sweep keeps of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Series;
use super::board::Report;
use crate::catalogue::Catalogue;
use crate::check::{Check as _, Evidence, Figure, RunIntegrity, Signature};
use crate::fault::to_word;
use crate::name::{HostName, Incarnation};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::sim::{RunOutput, SimError};
use crate::story;
use crate::trace::{FinalState, Record, RecordKind, RunEnd, Trace, TraceHash};

/// How closely a run is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Depth {
    /// It is played.
    Once,
    /// It is played twice, the two are compared, and its records are kept in words.
    Twice,
    /// It is played, and its records are kept in words.
    Worded,
    /// It is played, and everything is kept.
    Whole,
    /// It is played, and every law that it broke is kept, with what tells whether two plans are one run.
    Judged,
}

/// What is kept of a run that came to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Played {
    /// Faults that fired.
    pub(crate) fired: usize,
    /// Faults that were planned.
    pub(crate) planned: usize,
    pub(crate) simulated: Duration,
    pub(crate) wall: Duration,
    /// The laws that were broken.
    pub(crate) broken: Vec<String>,
    /// What the run has in common with others that fail for the same reason, if a law was broken.
    pub(crate) signature: Option<Signature>,
    /// What each law that was broken has in common with other runs that break it; of runs that are only
    /// [judged](Depth::Judged).
    #[serde(default)]
    pub(crate) signatures: Vec<Signature>,
    /// A hash of the records without what tells of faults: equal for two plans that are one run. Of runs that are only judged.
    #[serde(default)]
    pub(crate) effect: Option<TraceHash>,
    /// The states that it reached.
    pub(crate) reached: BTreeSet<String>,
    /// What its laws counted.
    pub(crate) figures: Vec<Figure>,
    /// The facts that hosts say that they tell and did not.
    pub(crate) untold: BTreeSet<String>,
    /// Whether it called the real world. Two such runs differ, and it is the call that must be told, not the difference.
    pub(crate) strayed: bool,
    /// Where two runs of it parted.
    pub(crate) difference: Option<String>,
    pub(crate) hash: TraceHash,
    /// Its records in words; of those only that are compared.
    pub(crate) words: Option<Vec<String>>,
    /// Everything, of the first run with its signature.
    pub(crate) whole: Option<RunOutput>,
    /// The faults of its plan as `[[fault]]` tables, where a run has shown at which places they can strike.
    pub(crate) placed: Option<String>,
}

/// Plays runs and remembers which failures it has told in full.
pub(crate) struct Player<'a> {
    catalogue: &'a Catalogue,
    told: BTreeSet<(usize, Signature)>,
}

impl<'a> Player<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue) -> Self {
        Self { catalogue, told: BTreeSet::new() }
    }

    /// What it plays.
    #[cfg(feature = "cli")]
    pub(crate) fn catalogue(&self) -> &Catalogue {
        self.catalogue
    }

    /// Draws the plan of a seed of `series`, whose place is `place`, and plays it.
    pub(crate) fn play_seed(&mut self, series: &Series, place: usize, seed: Seed, depth: Depth) -> Report {
        match self.catalogue.draw(&series.scenario, seed) {
            Ok(plan) => self.play(series, place, &plan, depth),
            Err(error) => lost_or_faulty(error),
        }
    }

    /// Plays a plan of `series`, whose place is `place`.
    pub(crate) fn play(&mut self, series: &Series, place: usize, plan: &Plan, depth: Depth) -> Report {
        let started = Instant::now();
        let outcome = match self.catalogue.run(plan) {
            Ok(outcome) => outcome,
            Err(error) => return lost_or_faulty(error),
        };
        let strayed = strayed(&outcome);
        let again = (depth == Depth::Twice && !strayed).then(|| self.catalogue.run(plan)).transpose();
        let difference = match again {
            Ok(again) => again.and_then(|again| outcome.difference(&again)),
            Err(error) => return lost_or_faulty(error),
        };
        let wall = started.elapsed();
        let sometimes = series.scenario.checks.sometimes.iter();
        let reached = sometimes.flat_map(|states| states.reached(&outcome.evidence())).collect();
        let figures = series.scenario.checks.figures(&outcome.evidence(), self.catalogue.own_checks());
        let broken: Vec<_> = outcome.violations().map(|violation| violation.check.to_owned()).collect();
        let judged = depth == Depth::Judged;
        let signatures = outcome.violations().filter(|_| judged).map(|violation| violation.signature.clone()).collect();
        let keep = depth == Depth::Whole
            || !judged && outcome.signature().is_some_and(|signature| self.told.insert((place, signature.clone())));
        let words = match depth {
            Depth::Twice | Depth::Worded => Some(outcome.trace.records.iter().map(story::exactly).collect()),
            Depth::Once | Depth::Whole | Depth::Judged => None,
        };
        let effect = judged.then(|| effect(&outcome.trace.records));
        Report::Played(Box::new(Played {
            fired: outcome.fired(),
            planned: outcome.faults.len(),
            simulated: outcome.simulated,
            wall,
            broken,
            signature: outcome.signature().cloned(),
            signatures,
            effect,
            reached,
            figures,
            untold: untold(&series.scenario, &outcome),
            strayed,
            difference,
            hash: outcome.hash,
            words,
            placed: series.scenario.strikes_anywhere().then(|| plan.to_toml()),
            whole: keep.then_some(RunOutput {
                records: outcome.trace.records,
                hash: outcome.hash,
                last: outcome.last,
                simulated: outcome.simulated,
                polls: outcome.polls,
                left: 0,
            }),
        }))
    }
}

/// The first run of a series, as far as the same run of another process is compared with it.
#[cfg(feature = "cli")]
#[derive(Debug)]
pub(crate) struct FirstRun {
    words: Vec<String>,
    hash: TraceHash,
}

#[cfg(feature = "cli")]
impl FirstRun {
    /// The run, if it came to an end that can be compared.
    pub(crate) fn of(report: &Report) -> Option<Self> {
        match report {
            Report::Played(played) if !played.strayed && played.difference.is_none() => {
                Some(Self { words: played.words.clone().unwrap_or_default(), hash: played.hash })
            }
            Report::Played(_) | Report::Lost(_) | Report::Faulty(_) => None,
        }
    }

    /// Where the same run of another process parts from it.
    pub(crate) fn difference(&self, other: &Report) -> Option<String> {
        let other = match other {
            Report::Played(other) => other,
            Report::Lost(loss) => {
                return Some(format!("one process played it to its end, and in another {}", loss.sentence()));
            }
            Report::Faulty(_) => return None,
        };
        let (ours, theirs) = (self.words.as_slice(), other.words.as_deref().unwrap_or(&[]));
        let common = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        let word = |words: &[String]| words.get(common).map_or("nothing more", String::as_str).to_owned();
        if common < ours.len().max(theirs.len()) {
            Some(format!(
                "record #{common} is `{}` in one process and `{}` in another, which had played other runs before",
                word(ours),
                word(theirs)
            ))
        } else if self.hash != other.hash {
            Some(format!(
                "the records of two processes agree and the hashes do not ({} and {}): a packet, a poll or a draw differs",
                self.hash, other.hash
            ))
        } else {
            None
        }
    }
}

/// The hosts that told none of the facts that they say they tell, with these facts: ``alice's `offered`, `received` ``. A host that
/// told one of them has its way to tell: the others, such as `refused`, may have had no reason.
fn untold(scenario: &Scenario, outcome: &Outcome) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for record in &outcome.trace.records {
        if let (Some(host), RecordKind::Fact(fact)) = (&record.host, &record.what) {
            told.insert((host, fact.kind));
        }
    }
    let never = scenario
        .hosts
        .iter()
        .filter(|host| !host.tells.is_empty() && !host.tells.iter().any(|kind| told.contains(&(&host.name, *kind))));
    never
        .map(|host| {
            let kinds: Vec<_> = host.tells.iter().map(|kind| format!("`{}`", to_word(kind))).collect();
            format!("{}'s {}", host.name, kinds.join(", "))
        })
        .collect()
}

fn lost_or_faulty(error: SimError) -> Report {
    match error {
        SimError::Watchdog { wall, host, at, .. } => Report::Lost(Loss { how: How::Stalled { wall }, host, at }),
        SimError::Thread { .. }
        | SimError::Runtime { .. }
        | SimError::UnknownRun { .. }
        | SimError::Config { .. }
        | SimError::Mistake { .. }
        | SimError::Unseen
        | SimError::Stuck { .. }
        | SimError::Worker { .. }
        | SimError::Defect { .. } => Report::Faulty(error),
    }
}

/// What happened, whatever the faults are called that made it happen.
fn effect(records: &[Record]) -> TraceHash {
    let mut hash = TraceHash::default();
    let told = records.iter().filter(|record| !matches!(record.what, RecordKind::Fault { .. }));
    told.for_each(|record| hash.absorb_value(record));
    hash
}

fn strayed(outcome: &Outcome) -> bool {
    outcome
        .trace
        .records
        .iter()
        .any(|record| matches!(&record.what, RecordKind::BrokenRule { rule, .. } if rule == "stray"))
}

/// How a run came to have no end of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loss {
    pub(crate) how: How,
    /// The host that was running.
    pub(crate) host: Option<HostName>,
    /// Virtual time since the start of the run.
    pub(crate) at: Duration,
}

/// What happened to the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// It ended with this exit code.
    Exited(i32),
    /// A signal ended it.
    Killed(String),
    /// It was not given more memory than this.
    OutOfMemory { limit_mib: u64 },
    /// Its stack was used up.
    StackOverflow,
    /// It panicked where a panic cannot unwind: a destructor, while another panic unwinds.
    PanickedTwice,
    /// It did not give its thread back within this wall time.
    Stalled { wall: Duration },
    /// It closed what it answers through.
    Mute,
}

impl Loss {
    /// The law that a run breaks that has no end of its own.
    pub(crate) const LAW: &'static str = "integrity";

    /// Whether it has cost too much time to play another like it.
    pub(crate) fn is_costly(&self) -> bool {
        matches!(self.how, How::Stalled { .. } | How::OutOfMemory { .. })
    }

    /// The rule that was broken.
    fn rule(&self) -> &'static str {
        match self.how {
            How::Exited(_) | How::Mute => "exit",
            How::Killed(_) | How::StackOverflow | How::PanickedTwice => "crash",
            How::OutOfMemory { .. } => "memory",
            How::Stalled { .. } => "watchdog",
        }
    }

    /// What happened, without a full stop.
    pub(crate) fn sentence(&self) -> String {
        let what = match &self.how {
            How::Exited(code) => {
                format!("the process was ended with exit code {code} (a service returns from `run` instead)")
            }
            How::Killed(signal) => format!("the process was ended by {signal}"),
            How::OutOfMemory { limit_mib } => format!("the process wanted more than {limit_mib} MiB of memory"),
            How::StackOverflow => "the stack overflowed, which ended the process".to_owned(),
            How::PanickedTwice => {
                "a panic could not unwind (a destructor panicked while another panic unwound), which ended the process"
                    .to_owned()
            }
            How::Stalled { wall } => format!(
                "the run did not end within {} s of wall time: a task blocks its thread or never yields",
                wall.as_secs_f64()
            ),
            How::Mute => "the process closed file descriptors that are not its own".to_owned(),
        };
        match &self.host {
            Some(host) => format!("{what}, while {host} was speaking"),
            None => format!("{what}, while no host was speaking"),
        }
    }

    /// The run as far as it is known: nothing but how it ended.
    pub(crate) fn outcome(&self, plan: &Plan) -> Outcome {
        let record = Record {
            at: self.at,
            host: self.host.clone(),
            incarnation: Incarnation::default(),
            what: RecordKind::BrokenRule { rule: self.rule().to_owned(), detail: self.sentence() },
        };
        let last = FinalState {
            at: self.at,
            ended: RunEnd::Watchdog,
            sockets: Vec::new(),
            tasks: Vec::new(),
            pending: Vec::new(),
            unfired: Vec::new(),
            unreached: Vec::new(),
        };
        let records = vec![record];
        let actors = plan.scenario.actors();
        let verdicts = vec![RunIntegrity.judge(&Evidence {
            records: &records,
            faults: &plan.faults,
            actors: &actors,
            last: &last,
            sources: &[],
        })];
        Outcome {
            arrivals: plan.scenario.network.arrivals.unwrap_or_default(),
            scenario: plan.scenario.name.clone(),
            seed: plan.seed.to_string(),
            faults: plan.faults.clone(),
            actors,
            trace: Trace { records },
            hash: TraceHash::default(),
            last,
            verdicts,
            simulated: self.at,
            polls: 0,
        }
    }
}
