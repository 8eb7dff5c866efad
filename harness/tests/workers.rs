//! The command over services that treat their process badly: each is told with its scenario, its seed, its host and what it
//! did, the exit code is 1, and everybody else's runs go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// What a service does, and what is told of it.
const ROGUES: [(&str, &str); 8] = [
    ("abort", "crash: the process was ended by SIGABRT, while rogue was speaking"),
    ("close_everything", "exit: the process closed file descriptors that are not its own"),
    ("eat_memory", "memory: the process wanted more than 2048 MiB of memory, while rogue was speaking"),
    ("exit", "exit: the process was ended with exit code 0"),
    ("exit_with_code", "exit: the process was ended with exit code 3"),
    ("overflow", "crash: the stack overflowed, which ended the process, while rogue was speaking"),
    ("panic_twice", "crash: a panic could not unwind"),
    ("spin", "watchdog: the run did not end within 10 s of wall time"),
];

#[test]
fn whatever_a_service_does_to_its_process_is_told_and_the_sweep_goes_on() {
    let folder = scenarios("told", ROGUES.iter().map(|(kind, _)| *kind).chain(["calm"]));
    let played = rogues(&folder, &["run", "--seeds", "2", "--jobs", "2", "--watchdog", "10"]);
    let said = String::from_utf8_lossy(&played.stdout).into_owned();
    assert_eq!(played.status.code(), Some(1), "{said}");
    for (kind, sentence) in ROGUES {
        let heading = format!("LAW BROKEN {kind}: integrity (seed 0x1, ");
        let replay = format!(" replay {kind} --seed 0x1");
        // Processes that end in one way are one failure: the first is told, and for the others there is a line to paste.
        let report = match said.split_once(&heading) {
            Some((_, report)) => report.split("LAW BROKEN").next().unwrap_or_default().to_owned(),
            None => {
                assert!(said.contains(&replay), "{kind}:\n{said}");
                let replayed = rogues(&folder, &["replay", kind, "--seed", "1", "--watchdog", "10"]);
                String::from_utf8_lossy(&replayed.stdout).into_owned()
            }
        };
        // The report breaks its lines where a terminal would.
        let sentences = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(sentences.contains(sentence), "{kind}:\n{report}");
        // Descriptors that are gone are noticed when the run is over.
        let speaker = if kind == "close_everything" { "- VIOLATION" } else { "rogue VIOLATION" };
        assert!(sentences.contains(speaker), "{kind}:\n{report}");
    }
    assert!(said.contains("\ncalm ") && said.contains("1 of 9 scenarios held"), "{said}");
}

#[test]
fn what_is_told_does_not_depend_on_the_number_of_workers() {
    let folder = scenarios("order", ["abort", "calm", "exit", "exit_with_code"]);
    let told = |jobs: &str| {
        let played = rogues(&folder, &["run", "--seeds", "12", "--jobs", jobs]);
        let said = String::from_utf8_lossy(&played.stdout).into_owned();
        // The wall's time is the only thing that may differ.
        let timeless = |line: &str| match line.split_once(" simulated") {
            Some((before, _)) => before.to_owned(),
            None => line.to_owned(),
        };
        (played.status.code(), said.lines().map(timeless).collect::<Vec<_>>())
    };
    let alone = told("1");
    assert!(alone.1.iter().any(|line| line.contains("abort") && line.contains("8 runs")), "{:#?}", alone.1);
    assert_eq!(alone, told("3"));
}

#[test]
fn a_replay_tells_the_same_as_the_sweep() {
    let folder = scenarios("replay", ["exit"]);
    let replayed = rogues(&folder, &["replay", "exit", "--seed", "7"]);
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert_eq!(replayed.status.code(), Some(1), "{said}");
    assert!(said.contains("the process was ended with exit code 0") && said.contains("seed 0x7"), "{said}");
}

#[test]
fn a_sweep_that_stops_at_the_first_failure_says_what_it_has_left() {
    let folder = scenarios("fail_fast", ["abort", "calm", "exit"]);
    let played = rogues(&folder, &["run", "--seeds", "4", "--jobs", "1", "--fail-fast", "-q"]);
    let said = String::from_utf8_lossy(&played.stdout);
    assert_eq!(played.status.code(), Some(1), "{said}");
    assert!(said.contains("LAW BROKEN abort: integrity (seed 0x1, "), "{said}");
    assert!(said.contains("0 of 1 scenarios held: 1 runs"), "{said}");
    let left = "stopped at the first failure: 2 of 3 scenarios were not played to their end";
    assert!(said.trim_end().ends_with(left), "{said}");
}

/// Two scenarios fail for one reason: one story, a line to paste for the other, and both in the list that comes last.
#[test]
fn failures_of_one_reason_are_told_once() {
    let folder = scenarios("reasons", ["abort", "calm"]);
    fs::copy(folder.join("abort.toml"), folder.join("second.toml")).expect("a scenario can be copied");
    let played = rogues(&folder, &["run", "--seeds", "3"]);
    let said = String::from_utf8_lossy(&played.stdout);
    assert_eq!(said.matches("LAW BROKEN abort: integrity").count(), 1, "{said}");
    assert_eq!(said.matches("LAW BROKEN second: integrity").count(), 0, "{said}");
    assert!(said.contains("the same in 2 scenarios, 6 of 6 seeds (integrity: "), "{said}");
    assert!(said.contains(" replay second --seed 0x1  3 of 3 seeds"), "{said}");
    let (_, list) = said.split_once("\nfailed\n").unwrap_or_default();
    let named: Vec<_> = list.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    assert!(
        matches!(named[..], [one, other] if one.starts_with("abort  LAW BROKEN") && other.starts_with("second ")),
        "{said}"
    );
}

#[test]
fn a_new_scenario_is_one_that_the_command_reads_and_plays() {
    let folder = scenarios("new", ["calm"]);
    let written = rogues(&folder, &["new", "first", "--host", "bystander", "--actor", "rogue", "--do", "half_open"]);
    let told = String::from_utf8_lossy(&written.stderr);
    assert_eq!(written.status.code(), Some(0), "{told}");
    let text = fs::read_to_string(folder.join("first.toml")).expect("it is written");
    assert!(text.contains("link = \"rogue -> bystander\"") && text.contains("do = \"half_open\""), "{text}");
    let checked = rogues(&folder, &["check-scenarios"]);
    assert_eq!(String::from_utf8_lossy(&checked.stdout), "2 scenarios, no mistake\n");
    let mistyped = rogues(&folder, &["new", "other", "--actor", "rouge"]);
    let told = String::from_utf8_lossy(&mistyped.stderr);
    assert_eq!(mistyped.status.code(), Some(2), "{told}");
    assert!(told.contains("under the name `rouge`; did you mean `rogue`?"), "{told}");
    assert!(!folder.join("other.toml").exists());
}

/// Twice in one process gives the same; in a process that has begun with another scenario it does not.
#[test]
fn what_a_process_remembers_of_other_runs_is_nondeterminism() {
    let folder = scenarios("memory", ["calm", "remember_one", "remember_two"]);
    let played = rogues(&folder, &["run", "--seeds", "3", "--jobs", "1"]);
    let said = String::from_utf8_lossy(&played.stderr);
    assert_eq!(played.status.code(), Some(2), "{said}");
    for kind in ["remember_one", "remember_two"] {
        let line =
            said.lines().find(|line| line.contains(&format!("{kind}: two runs under seed 0x1 differ"))).unwrap_or("");
        assert!(line.contains("received remember_one` in one process and `"), "{kind}:\n{said}");
        assert!(line.contains("received remember_two` in another"), "{kind}:\n{said}");
    }
    assert!(!said.contains("calm"), "{said}");
}

#[test]
fn a_worker_has_surroundings_of_its_own() {
    let folder = scenarios("surroundings", ["look_around"]);
    let look_around = |more: &str| {
        let replayed =
            command(&folder, &["replay", "look_around", "--seed", "1"]).env("HALFOPEN_TEST_ENV", more).output();
        String::from_utf8_lossy(&replayed.expect("the command can be started").stdout).into_owned()
    };
    let said = look_around("");
    assert!(said.contains("ended with an error: UTC, nothing, /\n"), "{said}");
    let said = look_around("NOT_SET, ROGUES");
    assert!(said.contains(&format!("ended with an error: UTC, {}, /\n", folder.display())), "{said}");
}

#[test]
fn a_service_in_a_thread_that_ends_the_process_is_named_and_is_no_success() {
    let folder = scenarios("thread", ["exit"]);
    let played = rogues(&folder, &["run", "--seed", "5", "--isolate", "thread"]);
    let said = String::from_utf8_lossy(&played.stderr);
    assert_eq!(played.status.code(), Some(1), "{said}");
    assert!(said.contains("rogue called exit inside `exit` with seed 0x5"), "{said}");
}

#[test]
fn a_run_in_a_thread_that_does_not_end_is_told_after_one_watchdog() {
    let folder = scenarios("thread_watchdog", ["spin"]);
    let played = rogues(&folder, &["run", "--seeds", "4", "--isolate", "thread", "--watchdog", "10"]);
    let said = String::from_utf8_lossy(&played.stdout);
    assert_eq!(played.status.code(), Some(1), "{said}");
    assert!(said.contains("while rogue was speaking") && said.contains("(seed 0x1, 1.0s of virtual time)"), "{said}");
    assert!(said.contains(" 1 runs "), "a scenario that costs a watchdog is given up after it: {said}");
}

/// A folder of scenarios, one a kind.
fn scenarios<'a>(name: &str, kinds: impl IntoIterator<Item = &'a str>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rogues").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what an earlier run of these tests has left can be removed");
    }
    fs::create_dir_all(&folder).expect("the target's folder for tests can be written");
    for kind in kinds {
        let text = format!(
            "proves = \"what a service that does `{kind}` comes to\"\n\n[host.bystander]\nrun = \"bystander\"\n\n\
             [actor.rogue]\nrun = \"rogue\"\nconfig = {{ kind = \"{kind}\" }}\n"
        );
        fs::write(folder.join(format!("{kind}.toml")), text).expect("a scenario can be written");
    }
    folder
}

fn rogues(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the command can be started")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).env("ROGUES", folder).env("CARGO_TARGET_DIR", folder.with_extension("target"));
    command
}

/// The program, which is built here: cargo builds a package's examples only where all of its tests are run.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let mut build = Command::new(env!("CARGO"));
        // Of the whole workspace, so that the crates that it stands on are those of the tests, with the same features.
        build.args(["build", "--quiet", "--workspace", "--example", "rogues"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo can be started").success(), "the program of these tests can be built");
        let tests = std::env::current_exe().expect("this program has a path");
        tests.ancestors().nth(2).expect("tests lie in `deps`").join("examples/rogues")
    });
    &PROGRAM
}
