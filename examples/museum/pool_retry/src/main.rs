//! hyper-util 0.1.8: a request that finds its new connection dead is tried on another, without pause and without end.
//!
//! Report and fix: <https://github.com/hyperium/hyper-util/pull/150>, in 0.1.9. What is meant for a pooled connection that died
//! while it was idle, to try again on a new one, was done for a new one as well. Built twice, over either version.

mod asker;
mod gate;
mod server;
mod tunnel;

use std::process::ExitCode;

use halfopen::Catalogue;

fn main() -> ExitCode {
    let catalogue = Catalogue::new(env!("CARGO_MANIFEST_DIR"), "../scenarios");
    halfopen::cli::main(catalogue.host("gate", gate::run).host("shop", server::run).actor("asker", asker::ask))
}
