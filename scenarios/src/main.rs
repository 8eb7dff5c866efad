//! The `halfopen` command over this crate's catalogue.

use std::process::ExitCode;

fn main() -> ExitCode {
    halfopen::cli::main(halfopen_scenarios::catalogue())
}
