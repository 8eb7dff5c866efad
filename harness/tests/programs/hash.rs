//! Prints the hash of a run in which much happens, for the test that compares builds. Argument: the seed.

#![expect(clippy::disallowed_types, reason = "services may use hash maps, and their order is the run's own")]

use std::error::Error;

#[path = "../engine/busy.rs"]
mod busy;

fn main() -> Result<(), Box<dyn Error>> {
    let seed = std::env::args().nth(1).ok_or("usage: hash SEED")?.parse()?;
    #[expect(clippy::print_stdout, reason = "the answer")]
    {
        println!("{}", busy::outcome(seed).hash);
    }
    Ok(())
}
