//! What a failure leaves on disk: a capsule to replay and the whole trace.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::Refusal;
use crate::campaign::Failure;
use crate::capsule::Capsule;
use crate::trace::Trace;

/// Writes a failure's capsule and trace below `target/halfopen/` and says where the capsule is.
pub(super) fn keep(failure: &Failure) -> Result<PathBuf, Refusal> {
    let folder = folder().join(&failure.outcome.scenario);
    let seed = failure.plan.seed;
    let capsule_path = folder.join(format!("{seed}.toml"));
    let capsule = Capsule::new(failure.plan.clone(), failure.outcome.signature().cloned());
    fs::create_dir_all(&folder).map_err(|source| refused("create", &folder, &source))?;
    fs::write(&capsule_path, capsule.to_toml()).map_err(|source| refused("write", &capsule_path, &source))?;
    write_trace(&failure.outcome.trace, &folder.join(format!("{seed}.jsonl")))?;
    Ok(capsule_path)
}

/// Writes every record as a JSON line.
pub(super) fn write_trace(trace: &Trace, path: &Path) -> Result<(), Refusal> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        trace.write_lines(&mut file)?;
        file.flush()
    };
    write().map_err(|source| refused("write", path, &source))
}

fn folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from).join("halfopen")
}

fn refused(act: &str, path: &Path, source: &io::Error) -> Refusal {
    Refusal(format!("failed to {act} {}: {source}", path.display()))
}
