//! A named test for each scenario of a catalogue.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::catalogue::Catalogue;
use crate::scenario::{Scenario, ScenarioError, excerpts};
use crate::seed::Seed;

/// Plays every scenario of a catalogue as a test of its own, which has the scenario's name: a filter, `--exact` and
/// nextest find it, and a file that no test names is played all the same. A file with a mistake is a test that fails.
///
/// It is the whole `main` of a test without cargo's harness:
///
/// ```toml
/// [[test]]
/// name = "faults"
/// harness = false
/// ```
///
/// ```no_run
/// use std::process::ExitCode;
///
/// # fn catalogue() -> halfopen::Catalogue { halfopen::Catalogue::new("", "") }
/// fn main() -> ExitCode {
///     halfopen::test_each(catalogue())
/// }
/// ```
///
/// Scenarios are played one after the other, because the runs of each take all cores; `--test-threads` says otherwise.
pub fn test_each(catalogue: Catalogue) -> ExitCode {
    #[cfg(feature = "cli")]
    if crate::workers::is_worker() {
        return crate::workers::serve(&catalogue);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials(&catalogue)).exit_code()
}

fn trials(catalogue: &Catalogue) -> Vec<Trial> {
    let folder = match catalogue.read_folder() {
        Ok(folder) => folder,
        Err(error) => return vec![mistaken("scenarios".to_owned(), vec![error])],
    };
    let mut trials: Vec<Trial> =
        folder.scenarios.into_iter().map(|scenario| played(catalogue.clone(), scenario)).collect();
    let faulty = folder.faulty.into_iter().map(|faulty| {
        let name = faulty.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        mistaken(name.unwrap_or_default(), faulty.mistakes)
    });
    trials.extend(faulty);
    if trials.is_empty() {
        let none = ScenarioError::whole(catalogue.folder(), "there are no scenarios here");
        trials.push(mistaken("scenarios".to_owned(), vec![none]));
    }
    trials
}

fn played(catalogue: Catalogue, scenario: Scenario) -> Trial {
    let name = scenario.name.clone();
    let line = replayed_by(&name);
    Trial::test(name, move || {
        let replay = |seed: Seed| format!("HALFOPEN_TEST_SEED={seed} {line}");
        catalogue.try_scenario(scenario, None, &replay, &|_| String::new()).map_err(Failed::from)
    })
}

fn mistaken(name: String, mistakes: Vec<ScenarioError>) -> Trial {
    Trial::test(name, move || Err(Failed::from(excerpts(&mistakes))))
}

/// The command that plays one scenario of this program. Cargo names a test's program after the test, with a hash behind it.
fn replayed_by(scenario: &str) -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let test = stem.rsplit_once('-').map_or(stem.as_str(), |(test, _)| test);
    format!("cargo test --test {test} -- --exact {scenario}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use libtest_mimic::Conclusion;

    use super::*;

    const CALM: &str = "proves = 'a calm day is survived'\n[actor.alice]\nrun = 'talker'\n";

    #[test]
    fn each_scenario_is_a_test_that_a_filter_finds_and_a_file_with_a_mistake_is_one_that_fails() {
        let catalogue = catalogue("each", &[("calm", CALM), ("calmer", CALM), ("wrong", "prvoes = 'x'")]);
        let all = played(&catalogue, &[]);
        assert_eq!((all.num_passed, all.num_failed, all.num_filtered_out), (2, 1, 0));
        let filtered = played(&catalogue, &["calm"]);
        assert_eq!((filtered.num_passed, filtered.num_failed, filtered.num_filtered_out), (2, 0, 1));
        let one = played(&catalogue, &["--exact", "calm"]);
        assert_eq!((one.num_passed, one.num_failed, one.num_filtered_out), (1, 0, 2));
        let names: Vec<_> = trials(&catalogue).iter().map(|trial| trial.name().to_owned()).collect();
        assert_eq!(names, ["calm", "calmer", "wrong"]);
    }

    #[test]
    fn a_folder_without_a_scenario_is_a_test_that_fails() {
        assert_eq!(played(&catalogue("each_empty", &[]), &[]).num_failed, 1);
        assert_eq!(played(&Catalogue::new("/nowhere", "scenarios"), &[]).num_failed, 1);
    }

    fn played(catalogue: &Catalogue, arguments: &[&str]) -> Conclusion {
        let arguments = ["each", "--test-threads=1", "--quiet"].iter().chain(arguments);
        libtest_mimic::run(&Arguments::from_iter(arguments), trials(catalogue))
    }

    fn catalogue(name: &str, files: &[(&str, &str)]) -> Catalogue {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/scenario-files").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in files {
            fs::write(folder.join(format!("{name}.toml")), text).expect("a file");
        }
        Catalogue::new(&folder.display().to_string(), "").actor("talker", async |_cx| Ok(()))
    }
}
