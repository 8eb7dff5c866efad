//! `halfopen run`, `list` and `replay` over this crate's scenarios.

#[path = "mod.rs"]
mod catalogue;

use std::process::ExitCode;

fn main() -> ExitCode {
    halfopen::cli::main(catalogue::catalogue())
}
