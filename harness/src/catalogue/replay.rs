//! The commands that play a run again, as reports print them.

use super::Catalogue;
#[cfg(feature = "sim")]
use crate::seed::Seed;

impl Catalogue {
    /// Says how users call the command line of this catalogue: `cargo halfopen`, if `.cargo/config.toml` has an alias of
    /// that name. Reports print it in the line that replays a run where cargo has started the program. Elsewhere, and without
    /// it, they print the path by which the program was started.
    #[must_use]
    pub fn command(mut self, command: &str) -> Self {
        self.command = Some(command.to_owned());
        self
    }

    /// The command line that replays a capsule, or a scenario (or a specimen of it) under a seed.
    #[cfg(all(feature = "sim", feature = "cli"))]
    pub(crate) fn replay_line(&self, what: &str, seed: Option<Seed>, specimen: Option<&str>) -> String {
        let mut line = self.command_line();
        line.push_str(&format!(" replay {}", quoted(what)));
        if let Some(seed) = seed {
            line.push_str(&format!(" --seed {seed}"));
        }
        if let Some(specimen) = specimen {
            line.push_str(&format!(" --specimen {}", quoted(specimen)));
        }
        line
    }

    /// How the command was called: by its alias where cargo has started it, else by its path.
    #[cfg(feature = "cli")]
    pub(crate) fn command_line(&self) -> String {
        // Cargo says to each program that it starts whose it is.
        match &self.command {
            Some(command) if std::env::var_os("CARGO_PKG_NAME").is_some() => command.clone(),
            Some(_) | None => {
                std::env::args_os().next().map_or_else(|| "halfopen".into(), |path| quoted(&path.to_string_lossy()))
            }
        }
    }
}

/// The command that replays a seed in the test that is running. libtest names a test's thread after the test.
#[cfg(feature = "sim")]
pub(crate) fn test_line(seed: Seed) -> String {
    let thread = std::thread::current();
    match thread.name().filter(|name| *name != "main") {
        Some(test) => format!("HALFOPEN_TEST_SEED={seed} cargo test {test}"),
        None => format!("HALFOPEN_TEST_SEED={seed} cargo test"),
    }
}

/// A word as a shell reads it.
#[cfg(feature = "cli")]
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(all(test, feature = "sim", feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn a_replay_line_begins_with_the_command_that_the_catalogue_was_told() {
        let catalogue = Catalogue::new("", "").command("cargo faults");
        let line = catalogue.replay_line("idle_close", Some(Seed(7)), Some("wrong-flag"));
        assert_eq!(line, "cargo faults replay idle_close --seed 0x7 --specimen wrong-flag");
        assert_eq!(catalogue.replay_line("a b.toml", None, None), "cargo faults replay 'a b.toml'");
    }

    #[test]
    fn without_one_it_begins_with_the_path_by_which_the_program_was_started() {
        let started_as = std::env::args().next().expect("a program is started by a path");
        let line = Catalogue::new("", "").replay_line("idle_close", Some(Seed(7)), None);
        assert_eq!(line, format!("{} replay idle_close --seed 0x7", quoted(&started_as)));
    }

    #[test]
    fn a_test_is_replayed_by_its_own_name() {
        let line = test_line(Seed(7));
        assert_eq!(
            line,
            "HALFOPEN_TEST_SEED=0x7 cargo test catalogue::replay::tests::a_test_is_replayed_by_its_own_name"
        );
    }
}
