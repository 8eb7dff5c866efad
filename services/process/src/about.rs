//! What a binary says of itself, and `--help` made of it.

use std::collections::BTreeMap;

use crate::{BAD_INPUT, PANICKED};

/// What a binary says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// As it is called.
    pub name: &'static str,
    /// What `--version` says after the name, `env!("CARGO_PKG_VERSION")` where it is said.
    pub version: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What it does, in a paragraph.
    pub description: &'static str,
    /// Server or tool.
    pub kind: Kind,
    /// What `--example-config` prints: a file with every setting.
    pub example_config: &'static str,
    /// The environment variable of `--config`.
    pub config_variable: &'static str,
    /// Variables that are still read under an older name: the flag's id (`log_format`) and that name.
    pub former_variables: &'static [(&'static str, &'static str)],
    /// A log target that exists, for the author of a filter that cannot be understood.
    pub log_target: &'static str,
    /// The first thing to try; all that `-h` shows beside the flags. Whole lines, without the last line's end.
    pub try_it: &'static str,
    /// The rest of the lesson of `--help`: examples, what is served, what is noticed when.
    pub lesson: &'static str,
    /// Further variables, and what they are for.
    pub variables: &'static [(&'static str, &'static str)],
    /// What it does once it is told to stop, for `--help`.
    pub when_stopped: &'static str,
    /// What it says when it is told to stop; completes "SIGTERM: ".
    pub stopping: &'static str,
    /// What a second signal costs; completes "SIGTERM again, ".
    pub cut: &'static str,
    /// What each exit code means; 2 and 101 mean the same everywhere and need not be here.
    pub exit_codes: &'static [(u8, &'static str)],
}

/// Server or tool: who reads what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Serves until it is told to stop, on all cores. Its stderr is a log: it logs on the level info, and tells of its own
    /// life whatever the filter says.
    Server,
    /// Works for the person who started it, on one thread. Its stderr is that person's screen: it logs errors only.
    Tool,
}

impl Kind {
    /// The log filter where none is given.
    pub(crate) fn log(self) -> &'static str {
        match self {
            Self::Server => "info",
            Self::Tool => "error",
        }
    }
}

/// What `-h` ends with.
pub(crate) fn short_help(about: &About) -> String {
    format!("{}\n\nMore: {} --help", about.try_it, about.name)
}

/// What `--help` ends with.
pub(crate) fn long_help(about: &About) -> String {
    let About { name, try_it, lesson, when_stopped, cut, .. } = about;
    let mut variables = vec![
        ("RUST_LOG, HALFOPEN_LOG_FORMAT", "as --log and --log-format, for every program of the house"),
        ("NO_COLOR", "no colours on a terminal"),
    ];
    variables.extend(about.variables);
    let former: Vec<&str> = about.former_variables.iter().map(|(_, name)| *name).collect();
    let former = former.join(", ");
    if !former.is_empty() {
        variables.push((&former, "older names, read where the new ones are not set"));
    }
    let variables: String = variables.iter().map(|(name, what)| format!("\n  {name}: {what}")).collect();
    format!(
        "\
{try_it}

{lesson}

Configuration:
  A setting's value is the flag's, else the variable's, else the file's, else the default.
  {name} --example-config > {name}.toml   every setting, its default and what it is for
  {name} --config {name}.toml --check-config
                                    what is in effect, or what is wrong and on which line

Environment:
  what stands beside the flags above as [env: ...], and{variables}

Signals:
  SIGTERM, SIGINT (Ctrl-C): {when_stopped}
  either of them again: exit at once; {cut}

Exit codes:{exit_codes}",
        exit_codes = exit_codes(about)
    )
}

fn exit_codes(about: &About) -> String {
    let mut codes = BTreeMap::from([
        (BAD_INPUT, "bad flags, a bad log filter or a bad configuration; nothing was started"),
        (PANICKED, "a panic: a bug of ours"),
    ]);
    codes.extend(about.exit_codes.iter().copied());
    codes.iter().map(|(code, meaning)| format!("\n  {code}  {meaning}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A binary that is not there.
    pub(crate) const ABOUT: About = About {
        name: "toy",
        version: env!("CARGO_PKG_VERSION"),
        summary: "A toy.",
        description: "It does nothing.",
        kind: Kind::Server,
        example_config: "listen = \"127.0.0.1:1\"\n",
        config_variable: "TOY_CONFIG",
        former_variables: &[],
        log_target: "toy",
        try_it: "Try:  toy",
        lesson: "Examples:\n  toy --listen 127.0.0.1:1",
        variables: &[("TOY_KEY", "a key")],
        when_stopped: "finish, exit",
        stopping: "finishing",
        cut: "work is lost",
        exit_codes: &[(0, "told to stop"), (1, "could not listen"), (3, "gave up")],
    };

    #[test]
    fn the_exit_codes_are_in_order_and_those_of_every_binary_are_among_them() {
        let codes = exit_codes(&ABOUT);
        let codes: Vec<&str> = codes.split_whitespace().filter(|word| word.parse::<u8>().is_ok()).collect();
        assert_eq!(codes, ["0", "1", "2", "3", "101"]);
        let own = About { exit_codes: &[(101, "a panic in the toy")], ..ABOUT };
        assert_eq!(
            exit_codes(&own).matches("101").count(),
            1,
            "a binary's own words take the place of the common ones"
        );
    }

    #[test]
    fn the_help_has_each_part() {
        let about = About { former_variables: &[("listen", "OLD_LISTEN"), ("config", "OLD_CONFIG")], ..ABOUT };
        let help = long_help(&about);
        for part in [
            "Try:  toy\n",
            "Examples:\n",
            "toy --example-config > toy.toml",
            "TOY_KEY: a key",
            "OLD_LISTEN, OLD_CONFIG: older names",
            "SIGTERM, SIGINT (Ctrl-C): finish, exit",
            "again: exit at once; work is lost",
        ] {
            assert!(help.contains(part), "{part:?} is not in\n{help}");
        }
        assert!(!long_help(&ABOUT).contains("older names"));
    }
}
