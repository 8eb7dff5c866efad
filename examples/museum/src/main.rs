//! Plays the museum: for each exhibit the version that was reported and the one that is in order, under the same plans.
//!
//! Without arguments all is played, under 64 seeds each. With arguments this is `halfopen`'s command line over the
//! exhibits (`run NAME`, `list`, `replay NAME --seed 1 --specimen VERSION`).
//!
//! A module is an exhibit; its first lines say what was reported and where.

mod eventsource;
mod fastwebsockets;
mod pool;
mod pool_retry;
mod redis;
mod rmcp;
mod tungstenite;

use std::process::{Command, ExitCode};

use halfopen::Catalogue;

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        return halfopen::cli::main(catalogue());
    }
    let played = std::env::current_exe().and_then(|own| Command::new(own).args(["run", "--seeds", "64"]).status());
    let code = played.ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok()).unwrap_or(2);
    match pool_retry::play() {
        Ok(()) => ExitCode::from(code),
        Err(sentence) => {
            eprintln!("museum: {sentence}");
            ExitCode::from(code.max(1))
        }
    }
}

fn catalogue() -> Catalogue {
    let catalogue = Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios");
    [eventsource::with, fastwebsockets::with, pool::with, redis::with, rmcp::with, tungstenite::with]
        .into_iter()
        .fold(catalogue, |catalogue, with| with(catalogue))
}
