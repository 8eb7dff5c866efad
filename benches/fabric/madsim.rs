//! The load on `madsim`, in a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Load;

/// The median time of a run; the reason if it cannot be had.
pub(crate) fn play(load: Load, runs: usize) -> Result<Duration, String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("madsim");
    // Its flags stand in its own folder; those of this build must not take their place.
    let output = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--release",
            "--",
            &load.sessions.to_string(),
            &load.round_trips.to_string(),
            &runs.to_string(),
        ])
        .current_dir(own)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr)
            .lines()
            .last()
            .unwrap_or("it failed in silence")
            .to_owned());
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let nanos = printed.trim().parse().map_err(|_| format!("it printed `{}`", printed.trim()))?;
    Ok(Duration::from_nanos(nanos))
}
