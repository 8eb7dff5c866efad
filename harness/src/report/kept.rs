//! What the command and a test do with a failed run: they look for its twin, have it reported, and write the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Artefact, FailedRun, Reporter, Twin};
use crate::fault::FaultIndex;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::trace::{FaultEvent, RecordKind};

/// Runs that are played in search of a twin.
const TRIED: usize = 6;

/// A failed run, and where it is to be reported.
pub(crate) struct Failed<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) outcome: &'a Outcome,
    /// The specimen or opposite that was played, and the plan of the real thing.
    pub(crate) defect: Option<(&'a str, Plan)>,
    pub(crate) replay_line: &'a str,
}

impl Failed<'_> {
    /// Plays what the twin is looked for among, has the run reported, and writes the files below `folder`. The first is the page
    /// that one opens.
    pub(crate) fn keep(
        &self,
        reporter: &dyn Reporter,
        folder: &Path,
        play: &dyn Fn(&Plan) -> Option<Outcome>,
    ) -> io::Result<Vec<PathBuf>> {
        let twin = self.twin(play);
        let run = FailedRun {
            plan: self.plan,
            outcome: self.outcome,
            defect: self.defect.as_ref().map(|(name, _)| *name),
            twin: twin.as_ref(),
            replay_line: self.replay_line,
        };
        write(folder, &reporter.failure(&run))
    }

    /// The run that differs by one thing and keeps the law that was broken first: the real service instead of its specimen, the
    /// plan without the fault that fired last before the failure, without another, or without any.
    fn twin(&self, play: &dyn Fn(&Plan) -> Option<Outcome>) -> Option<Twin> {
        let first = self.outcome.signature()?;
        let keeps = |outcome: &Outcome| outcome.violations().all(|violation| violation.signature != *first);
        let real =
            self.defect.as_ref().map(|(name, plan)| (format!("with the real thing instead of `{name}`"), plan.clone()));
        let single = self.suspects().into_iter().map(|place| {
            let mut plan = self.plan.clone();
            plan.faults.remove(place);
            (format!("without fault {}", place + 1), plan)
        });
        let none = (self.plan.faults.len() > 1)
            .then(|| ("without any fault".to_owned(), Plan { faults: Vec::new(), ..self.plan.clone() }));
        let candidates = real.into_iter().chain(single).take(TRIED).chain(none);
        candidates.into_iter().find_map(|(differs_by, plan)| {
            let outcome = play(&plan).filter(|outcome| keeps(outcome))?;
            Some(Twin { differs_by, outcome })
        })
    }

    /// The places of the faults that fired, the one that fired last before the failure first.
    fn suspects(&self) -> Vec<usize> {
        let proofs = self.outcome.violations().next().map(|violation| violation.witness.as_slice()).unwrap_or_default();
        let failure = proofs.last().copied().unwrap_or(usize::MAX);
        let mut fired: Vec<(usize, FaultIndex)> = Vec::new();
        for (index, record) in self.outcome.trace.records.iter().enumerate() {
            if let RecordKind::Fault { fault, event: FaultEvent::Fired { .. } } = &record.what
                && (fault.0 as usize) < self.plan.faults.len()
                && fired.iter().all(|(_, known)| known != fault)
            {
                fired.push((index, *fault));
            }
        }
        fired.sort_by_key(|(index, _)| (*index > failure, failure.abs_diff(*index)));
        fired.into_iter().map(|(_, fault)| fault.0 as usize).collect()
    }
}

/// Writes artefacts below a folder, and says where they are.
pub(crate) fn write(folder: &Path, artefacts: &[Artefact]) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for artefact in artefacts {
        let path = artefact.name.split('/').fold(folder.to_owned(), |path, part| path.join(part));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &artefact.bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

/// Where the command leaves reports when no folder was asked for: beside its capsules.
#[cfg(feature = "cli")]
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from).join("halfopen")
}

/// Where a test leaves reports: in cargo's folder, in which its program lies (`target/debug/deps/name`). A test's working
/// directory is its package.
pub(crate) fn test_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let mut folders = program.ancestors().skip_while(|folder| !folder.ends_with("deps")).skip(2);
    folders.next().map_or_else(|| PathBuf::from("target"), Path::to_owned).join("halfopen")
}
