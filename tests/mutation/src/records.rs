//! What was judged so far: a file for each part, a line for each judgement, so that an interrupted run goes on where it was.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::judgement::Judgement;
use crate::variant::Variant;

/// One judgement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) commit: String,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) part: String,
    #[serde(flatten)]
    pub(crate) judgement: Judgement,
    /// Of a survivor, for the person who wants it convicted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) diff: String,
}

impl Record {
    pub(crate) fn new(commit: &str, variant: &Variant, judgement: Judgement) -> Self {
        let survived = matches!(judgement, Judgement::Survived { .. });
        Self {
            commit: commit.to_owned(),
            key: variant.key.clone(),
            name: variant.name.clone(),
            part: variant.part.clone(),
            judgement,
            diff: if survived { variant.diff.clone() } else { String::new() },
        }
    }
}

/// The judgements of one part, or of one folder of patches.
pub(crate) struct Records {
    path: PathBuf,
    all: Vec<Record>,
}

impl Records {
    /// Those that are there already.
    pub(crate) fn open(folder: &Path, name: &str) -> Result<Self, Failure> {
        let path = folder.join(format!("{name}.jsonl"));
        let text = fs::read_to_string(&path).unwrap_or_default();
        // The last line of a run that was killed may be half of one.
        let all = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Self { path, all })
    }

    /// Keeps a judgement.
    pub(crate) fn add(&mut self, record: Record) -> Result<(), Failure> {
        let failed = |error: &dyn std::error::Error| Failure(format!("write {}: {error}", self.path.display()));
        let line = serde_json::to_string(&record).map_err(|error| failed(&error))?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(|error| failed(&error))?;
        writeln!(file, "{line}").map_err(|error| failed(&error))?;
        self.all.push(record);
        Ok(())
    }

    /// The latest judgement of each variant, by its key.
    pub(crate) fn latest(&self) -> BTreeMap<&str, &Record> {
        self.all.iter().map(|record| (record.key.as_str(), record)).collect()
    }

    /// The latest judgement of one variant.
    pub(crate) fn latest_of(&self, key: &str) -> Option<&Record> {
        self.all.iter().rev().find(|record| record.key == key)
    }

    /// The scenarios by how often they have convicted.
    pub(crate) fn convicting(&self, counts: &mut BTreeMap<String, usize>) {
        for record in &self.all {
            if let Judgement::Convicted { scenario, .. } = &record.judgement {
                *counts.entry(scenario.clone()).or_default() += 1;
            }
        }
    }
}
