//! One named test for each scenario: `cargo test --test scenarios -- --exact reset_in_flight`.

mod catalogue;

use std::process::ExitCode;

fn main() -> ExitCode {
    halfopen::test_each(catalogue::catalogue())
}
