//! The files of a failure: a capsule to replay, and the whole trace.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::CommandError;
use crate::capsule::Capsule;
use crate::sweep::Failure;
use crate::trace::Trace;

/// Writes a failure's capsule and trace below `target/halfopen/` and says where the capsule is.
pub(super) fn keep(failure: &Failure) -> Result<PathBuf, CommandError> {
    let folder = folder().join(&failure.outcome.scenario);
    let seed = failure.plan.seed;
    let capsule_path = folder.join(format!("{seed}.toml"));
    let capsule = Capsule::new(failure.plan.clone(), failure.outcome.signature().cloned());
    fs::create_dir_all(&folder).map_err(|source| failed("create", &folder, &source))?;
    fs::write(&capsule_path, capsule.to_toml()).map_err(|source| failed("write", &capsule_path, &source))?;
    write_trace(&failure.outcome.trace, &folder.join(format!("{seed}.jsonl")))?;
    Ok(capsule_path)
}

/// Writes every record as a JSON line.
pub(super) fn write_trace(trace: &Trace, path: &Path) -> Result<(), CommandError> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        trace.write_lines(&mut file)?;
        file.flush()
    };
    write().map_err(|source| failed("write", path, &source))
}

/// Where what a run leaves behind is written.
pub(super) fn folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from).join("halfopen")
}

/// The sentence about a file or folder that cannot be written.
pub(super) fn failed(act: &str, path: &Path, source: &io::Error) -> CommandError {
    CommandError(format!("failed to {act} {}: {source}", path.display()))
}
