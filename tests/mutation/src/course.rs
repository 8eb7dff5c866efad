//! The course of a run: which variants are judged, how they are built, and by whom each is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use crate::judgement::{Hashes, Judgement, Trial};
use crate::records::{Record, Records};
use crate::tell;
use crate::tree::{Build, Tree};
use crate::variant::{PARTS, Variant};
use crate::weave::Weave;

/// How the work is done.
pub(crate) struct Options {
    pub(crate) seeds: u64,
    /// Judges at a time.
    pub(crate) jobs: usize,
    /// Only those that the latest judgement of any commit has acquitted, or that have none.
    pub(crate) survivors: bool,
}

/// Judges the variants that are not judged yet. The exit code is 1 if any of them is acquitted.
pub(crate) fn judge_all(
    tree: &Tree,
    folder: &Path,
    options: &Options,
    variants: &[Variant],
) -> Result<ExitCode, Failure> {
    let mut records = BTreeMap::new();
    for name in variants.iter().map(|variant| variant.records.clone()).collect::<BTreeSet<_>>() {
        records.insert(name.clone(), Records::open(folder, &name)?);
    }
    let mut left = Vec::new();
    let mut unviable = BTreeSet::new();
    for (number, variant) in variants.iter().enumerate() {
        let record = records.get(&variant.records).and_then(|records| records.latest_of(&variant.key));
        let Some(record) = record else {
            left.push(number);
            continue;
        };
        let is_open = !options.survivors || matches!(record.judgement, Judgement::Survived { .. });
        if record.commit != tree.commit() && is_open {
            left.push(number);
        }
        if record.commit == tree.commit() && record.judgement == Judgement::Unviable {
            unviable.insert(number);
        }
    }
    tell(&format!("{} of {} are to be judged, at {:.10}", left.len(), variants.len(), tree.commit()));
    if !left.is_empty() {
        let first = first(folder)?;
        Course { tree, options, variants, records: Mutex::new(&mut records) }.run(&left, unviable, &first)?;
    }
    let judged = variants.iter().filter_map(|variant| records.get(&variant.records)?.latest_of(&variant.key));
    let survived = judged.filter(|record| matches!(record.judgement, Judgement::Survived { .. })).count();
    tell(&format!("{survived} of {} were acquitted", variants.len()));
    Ok(ExitCode::from(u8::from(survived > 0)))
}

/// The scenarios that have convicted most so far.
fn first(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut counts = BTreeMap::new();
    for part in PARTS.iter().map(|(part, _)| *part).chain(["patches"]) {
        Records::open(folder, part)?.convicting(&mut counts);
    }
    let mut scenarios: Vec<(String, usize)> = counts.into_iter().collect();
    scenarios.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(scenarios.into_iter().map(|(scenario, _)| scenario).collect())
}

struct Course<'a> {
    tree: &'a Tree,
    options: &'a Options,
    variants: &'a [Variant],
    records: Mutex<&'a mut BTreeMap<String, Records>>,
}

impl Course<'_> {
    /// Judges those that are left. What does not compile is known of some.
    fn run(&self, left: &[usize], mut unviable: BTreeSet<usize>, first: &[String]) -> Result<(), Failure> {
        self.tree.restore()?;
        // Those that are judged already are woven as well: so the build of a run that was interrupted can be used again.
        let (mut weave, alone) = Weave::new(self.tree, self.variants)?;
        unviable.iter().for_each(|variant| weave.drop_variant(*variant));
        let judge = self.build(&mut weave, &mut unviable)?;
        let trial = Trial { judge: &judge, seeds: self.options.seeds, first };
        let unbroken = trial.unbroken()?;
        tell(&format!("the unbroken services hold in {} runs", unbroken.len()));
        let open = left.iter().copied().filter(|number| !unviable.contains(number));
        let (alone, woven): (Vec<usize>, Vec<usize>) = open.partition(|number| alone.contains(number));
        self.judge_woven(&woven, &trial, &unbroken)?;
        tell(&format!("{} are built by themselves", alone.len()));
        for number in alone {
            self.keep(number, self.built_alone(number, &trial, &unbroken)?)?;
        }
        self.tree.restore()
    }

    /// Builds the woven variants, without those that do not compile.
    fn build(&self, weave: &mut Weave, unviable: &mut BTreeSet<usize>) -> Result<PathBuf, Failure> {
        loop {
            weave.write(self.tree)?;
            let errors = match self.tree.build()? {
                Build::Done(judge) => return Ok(judge),
                Build::Refused(errors) => errors,
            };
            for error in &errors {
                let guilty = error.places.iter().find_map(|(file, line)| weave.variant_at(file, *line));
                let guilty = guilty.ok_or_else(|| Failure(format!("find what does not compile: {}", error.text)))?;
                if unviable.insert(guilty) {
                    weave.drop_variant(guilty);
                    tell(error.text.lines().next().unwrap_or_default());
                    self.keep(guilty, Judgement::Unviable)?;
                }
            }
        }
    }

    fn judge_woven(&self, woven: &[usize], trial: &Trial, unbroken: &Hashes) -> Result<(), Failure> {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(number) = woven.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.keep(*number, trial.judge(Some(*number), unbroken)?)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.options.jobs).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| {
                worker.join().unwrap_or_else(|_| Err(Failure("judge: a thread of the command has panicked".to_owned())))
            });
            ended.collect()
        })
    }

    fn built_alone(&self, number: usize, trial: &Trial, unbroken: &Hashes) -> Result<Judgement, Failure> {
        self.tree.restore()?;
        for (file, text) in &self.variants[number].files {
            self.tree.write(file, text)?;
        }
        match self.tree.build()? {
            Build::Done(judge) => Trial { judge: &judge, ..*trial }.judge(None, unbroken),
            Build::Refused(errors) => {
                errors.iter().take(1).for_each(|error| tell(&error.text));
                Ok(Judgement::Unviable)
            }
        }
    }

    fn keep(&self, number: usize, judgement: Judgement) -> Result<(), Failure> {
        let variant = &self.variants[number];
        tell(&format!("{}: {judgement:?}", variant.name));
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        match records.get_mut(&variant.records) {
            Some(records) => records.add(Record::new(self.tree.commit(), variant, judgement)),
            None => Ok(()),
        }
    }
}
