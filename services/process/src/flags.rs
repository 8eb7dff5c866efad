//! The flags that every binary has, and the command line made of them and its own.

use std::env;
use std::path::PathBuf;

use clap::{Arg, Args, Command, CommandFactory as _, FromArgMatches as _, Parser};

use crate::about::About;
use crate::log::LogFormat;
use crate::{Service, about};

/// Flags that every binary has.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// A configuration file (TOML); what it does not set has its default.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the configuration in effect, as a file, or what is wrong with it (exit code 2); open nothing.
    #[arg(long, alias = "check")]
    pub(crate) check_config: bool,
    /// Print a configuration file with every setting, its default and what it is for.
    #[arg(long)]
    pub(crate) example_config: bool,
    /// What is logged on stderr: error, warn, info, debug, trace, or a filter such as "info,hyper=debug".
    #[arg(long, value_name = "FILTER", env = "RUST_LOG")]
    pub(crate) log: Option<String>,
    /// How stderr is written: lines for people, or JSON objects for machines.
    #[arg(long, value_name = "FORMAT", env = "HALFOPEN_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// A whole command line.
#[derive(Debug, Parser)]
struct Line<S: Args> {
    #[command(flatten)]
    own: S,
    #[command(flatten)]
    common: Common,
}

/// Reads the command line and the variables; `--help`, `--version` and what cannot be read end the process.
pub(crate) fn parse<S: Service>() -> (S, Common) {
    let mut matches = command::<S>(&S::ABOUT).get_matches();
    match Line::from_arg_matches_mut(&mut matches) {
        Ok(Line { own, common }) => (own, common),
        Err(error) => error.exit(),
    }
}

fn command<S: Args>(about: &About) -> Command {
    Line::<S>::command()
        .name(about.name)
        .version(about.version)
        .about(about.summary)
        .long_about(format!("{}\n\n{}", about.summary, about.description))
        .after_help(about::short_help(about))
        .after_long_help(about::long_help(about))
        .mut_args(|arg| complete(arg, about))
}

/// Adds what differs from binary to binary.
fn complete(arg: Arg, about: &About) -> Arg {
    let arg = match arg.get_id().as_str() {
        "config" => arg.env(about.config_variable),
        "log" => arg.default_value(about.kind.log()),
        _ => arg,
    };
    let former = about.former_variables.iter().find(|(id, _)| arg.get_id() == id);
    let current_is_set = arg.get_env().is_some_and(|name| env::var_os(name).is_some());
    match former {
        Some((_, former)) if !current_is_set && env::var_os(former).is_some() => arg.env(*former),
        Some(_) | None => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::tests::ABOUT;

    #[derive(Debug, Args)]
    struct Own {
        /// The address to listen on.
        #[arg(long, env = "HALFOPEN_PROCESS_TEST_LISTEN")]
        listen: Option<String>,
    }

    fn line(flags: &[&str]) -> Result<Line<Own>, clap::Error> {
        let flags = std::iter::once("toy").chain(flags.iter().copied());
        Line::from_arg_matches(&command::<Own>(&ABOUT).try_get_matches_from(flags)?)
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_flags() {
        command::<Own>(&ABOUT).debug_assert();
    }

    #[test]
    fn a_binarys_own_flags_stand_beside_the_common_ones() {
        let Line { own, common } =
            line(&["--listen", "here", "-c", "toy.toml", "--check-config", "--log", "warn", "--log-format", "json"])
                .expect("good flags");
        assert_eq!(own.listen.as_deref(), Some("here"));
        assert_eq!(common.config, Some(PathBuf::from("toy.toml")));
        assert_eq!((common.log.as_deref(), common.log_format), (Some("warn"), LogFormat::Json));
        assert!(common.check_config && !common.example_config);
    }

    #[test]
    fn flags_that_cannot_be_read_have_the_exit_code_of_bad_input() {
        for flags in [&["--colour"][..], &["--log-format", "xml"], &["--config"]] {
            let refused = line(flags).expect_err("bad flags");
            assert_eq!(refused.exit_code(), i32::from(crate::BAD_INPUT), "{flags:?}");
        }
    }

    #[test]
    fn a_former_name_of_a_variable_counts_where_the_new_one_is_not_set() {
        // A variable that every test process has takes the part of the old name, another one that of the new name.
        let about = About { former_variables: &[("listen", "CARGO_MANIFEST_DIR")], ..ABOUT };
        let listen = |env| {
            let arg = complete(Arg::new("listen").env(env), &about);
            arg.get_env().and_then(|name| name.to_str()).map(str::to_owned)
        };
        assert_eq!(listen("HALFOPEN_PROCESS_TEST_LISTEN").as_deref(), Some("CARGO_MANIFEST_DIR"));
        assert_eq!(listen("CARGO_PKG_NAME").as_deref(), Some("CARGO_PKG_NAME"));
    }

    #[test]
    fn the_help_teaches_and_the_version_says_whether_the_build_can_be_simulated() {
        let help = line(&["--help"]).expect_err("help").to_string();
        for taught in ["[env: TOY_CONFIG", "[env: RUST_LOG", "[default: info]", "Exit codes:", "A toy.\n"] {
            assert!(help.contains(taught), "{taught:?} is not in\n{help}");
        }
        let short = line(&["-h"]).expect_err("help").to_string();
        assert!(short.contains("toy --help") && !short.contains("Exit codes:"), "{short}");
        let version = line(&["--version"]).expect_err("the version").to_string();
        assert_eq!(version, format!("toy {}\n", env!("CARGO_PKG_VERSION")));
    }
}
