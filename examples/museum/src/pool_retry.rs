//! hyper-util 0.1.8, whose exhibit cannot stand in the catalogue: Cargo takes it for compatible with the version that has
//! the fix, so each is a crate with a lock file of its own, in `pool_retry`. Both play one file.

use std::path::Path;
use std::process::{Command, Output};

/// The crates in `pool_retry`, and whether the law convicts.
const CRATES: [(&str, bool); 2] = [("at-0_1_8", true), ("at-0_1_21", false)];

/// Plays both; the error says who was not judged as wanted.
///
/// # Errors
/// If a crate does not build, or its verdict is another.
pub(crate) fn play() -> Result<(), String> {
    for (name, convicted) in CRATES {
        let output = run(name).map_err(|error| format!("failed to play {name}: {error}"))?;
        let told = String::from_utf8_lossy(&output.stdout);
        let held = output.status.success();
        let broken =
            output.status.code() == Some(1) && told.contains("LAW BROKEN") && told.contains("too many retries");
        if (convicted && !broken) || (!convicted && !held) {
            return Err(format!("{name} was not judged as wanted:\n{told}{}", String::from_utf8_lossy(&output.stderr)));
        }
        let verdict = if convicted { "convicted (expected) by livelock" } else { "held" };
        println!("pool_retry, {name}: {verdict}");
    }
    Ok(())
}

/// With the cargo that runs this, in this build's folder, so that what both have in common is compiled once.
fn run(name: &str) -> std::io::Result<Output> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pool_retry").join(name);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).args(["run", "--quiet", "--locked", "--", "run", "--seeds", "64"]).output()
}
