//! The `halfopen` command over the catalogue: its exit codes, what it says to who mistypes, and that another process
//! plays the same run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use halfopen::internals::Capsule;
use halfopen::{Plan, Scenario, Seed};
use halfopen_scenarios::catalogue;

/// A short scenario with a specimen.
const SCENARIO: &str = "abrupt_reset_result_in_flight";
const SPECIMEN: &str = "send-counts-as-delivered";

#[test]
fn a_scenario_that_holds_ends_with_0() {
    let played = halfopen(&["run", SCENARIO, "--seeds", "2", "--jobs", "2"]);
    assert_eq!(played.code, 0, "{played:?}");
    assert!(played.stdout.contains("1 of 1 scenarios held, 1 of 1 specimens convicted: 4 runs"), "{}", played.stdout);
    let replayed = halfopen(&["replay", SCENARIO, "--seed", "2"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert!(replayed.stdout.starts_with(&format!("HELD {SCENARIO}\n")), "{}", replayed.stdout);
}

#[test]
fn a_broken_law_ends_with_1_and_its_report() {
    let replayed = halfopen(&["replay", SCENARIO, "--seed", "1", "--specimen", SPECIMEN]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert!(replayed.stdout.starts_with(&format!("LAW BROKEN {SCENARIO}")), "{}", replayed.stdout);
    let line = format!("cargo halfopen replay {SCENARIO} --seed 0x1 --specimen {SPECIMEN}");
    assert!(replayed.stdout.contains(&line), "no line to paste:\n{}", replayed.stdout);
}

#[test]
fn what_the_command_cannot_do_ends_with_2_a_sentence_and_no_run() {
    let cases: [(&[&str], &str); 20] = [
        (&["run", "abrupt_reset_client_idel"], "did you mean `abrupt_reset_client_idle`?"),
        (&["replay", "abrupt_reset_client_idel", "--seed", "1"], "did you mean `abrupt_reset_client_idle`?"),
        (&["run", "zzzzzzzz"], "no scenario is called `zzzzzzzz`"),
        (&["run", SCENARIO, "--seed", "tuesday"], "`tuesday` is no seed"),
        (&["run", SCENARIO, "--seed", "-1"], "-1"),
        (&["run", SCENARIO, "--seed", "1", "--seeds", "2"], "cannot be used with"),
        (&["run", SCENARIO, "--seeds", "0"], "0"),
        (&["run", SCENARIO, "--jobs", "0"], "0"),
        (&["run", "--trace", "x.jsonl", "--seed", "1"], "`--trace` writes one run"),
        (&["run", SCENARIO, "--trace", "x.jsonl"], "--seed"),
        (&["replay", SCENARIO], "needs a seed"),
        (&["replay", SCENARIO, "--seed", "1", "--specimen", "nobody"], SPECIMEN),
        (&["replay", "no_such_capsule.toml"], "no_such_capsule.toml"),
        (&["play"], "play"),
        (&["run", "no_such_*"], "matches `no_such_*`: `list` names them"),
        (&["run", "idle_[*"], "`idle_[*` is no pattern: "),
        (&["run", "no/such.toml"], "there is no file or folder `no/such.toml`, neither here nor in "),
        (&["run", "--tag", "slwo"], "no scenario has the tag `slwo`"),
        (&["run", "/dev"], "`/dev` holds no scenario of this catalogue"),
        (&["new", SCENARIO], "there is a scenario `abrupt_reset_result_in_flight` already, in "),
    ];
    for (arguments, sentence) in cases {
        let refused = halfopen(arguments);
        assert_eq!(refused.code, 2, "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains(sentence), "{arguments:?} says:\n{}", refused.stderr);
        assert_eq!(refused.stdout, "", "{arguments:?} played something");
    }
}

#[test]
fn an_environment_that_says_nothing_usable_ends_with_2_and_no_run() {
    for (variable, value) in [
        ("HALFOPEN_TEST_SEED", "0xzz"),
        ("HALFOPEN_TEST_NUM", "0"),
        ("HALFOPEN_TEST_NUM", "many"),
        ("HALFOPEN_TEST_JOBS", "0"),
    ] {
        let refused = said(command(&["run", SCENARIO]).env(variable, value));
        assert_eq!(refused.code, 2, "{variable}={value}: {refused:?}");
        assert!(refused.stderr.contains(variable), "{variable}={value} says:\n{}", refused.stderr);
        assert_eq!(refused.stdout, "", "{variable}={value} played something");
    }
}

#[test]
fn an_arguments_wish_counts_more_than_the_environments() {
    let played = said(command(&["run", SCENARIO, "--seeds", "1"]).env("HALFOPEN_TEST_NUM", "3"));
    assert!(played.stdout.contains(": 2 runs"), "{}", played.stdout);
    let played = said(command(&["run", SCENARIO]).env("HALFOPEN_TEST_NUM", "3"));
    assert!(played.stdout.contains(": 6 runs"), "{}", played.stdout);
}

#[test]
fn patterns_folders_and_files_choose_scenarios_each_once() {
    let catalogue = catalogue();
    let all = catalogue.scenarios().expect("the catalogue has no mistakes");
    let names = |arguments: &[&str]| {
        let listed = halfopen(&[&["list"], arguments].concat());
        assert_eq!(listed.code, 0, "{arguments:?}: {listed:?}");
        let lines = listed.stdout.lines().filter(|line| !line.starts_with(' '));
        lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect::<Vec<_>>()
    };
    let of = |matches: fn(&str) -> bool| -> Vec<_> {
        all.iter().map(|scenario| scenario.name.clone()).filter(|name| matches(name)).collect()
    };
    assert_eq!(names(&[]), of(|_| true));
    assert_eq!(names(&["idle_*"]), of(|name| name.starts_with("idle_")));
    assert_eq!(names(&[SCENARIO, "idle_*", SCENARIO]).len(), of(|name| name.starts_with("idle_")).len() + 1);
    let scenario = all.iter().find(|scenario| scenario.name == SCENARIO).expect("it is in the catalogue");
    let file = scenario.file().expect("it was read from a file");
    assert_eq!(names(&[&file.to_string_lossy()]), [SCENARIO]);
    let family = file.parent().expect("a file lies in a folder");
    let beside = all.iter().filter(|other| other.file().is_some_and(|file| file.starts_with(family)));
    let beside: Vec<_> = beside.map(|scenario| scenario.name.clone()).collect();
    assert!((2..all.len()).contains(&beside.len()), "{beside:?}");
    assert_eq!(names(&[&family.to_string_lossy()]), beside);
    let word = family.file_name().expect("a folder has a name").to_string_lossy().into_owned();
    assert_eq!(names(&[&word]), beside, "a folder of the catalogue");
    assert_eq!(names(&[&format!("{word}/*")]), beside, "a pattern over the way of a file");
    let slow = all.iter().filter(|scenario| scenario.tags.iter().any(|tag| tag == "slow"));
    let slow: Vec<_> = slow.map(|scenario| scenario.name.clone()).collect();
    assert!((1..all.len()).contains(&slow.len()), "{slow:?}");
    assert_eq!(names(&["--tag", "slow"]), slow);
    assert_eq!(names(&["--tag", "slow", &slow[0], SCENARIO]), slow[..1]);
}

#[test]
fn the_whole_catalogue_has_no_mistake_and_says_so() {
    let checked = halfopen(&["check-scenarios"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.ends_with("scenarios, no mistake\n"), "{checked:?}");
}

#[test]
fn a_shell_is_told_how_to_complete_the_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = halfopen(&["completions", shell]);
        assert!(script.code == 0 && script.stdout.contains("check-scenarios"), "{shell}: {script:?}");
    }
}

#[test]
fn colours_are_where_they_are_wanted() {
    let coloured = halfopen(&["run", SCENARIO, "--seeds", "1", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}[32mheld"), "{coloured:?}");
    let plain = halfopen(&["run", SCENARIO, "--seeds", "1"]);
    assert!(!plain.stdout.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_quiet_sweep_that_holds_is_one_line() {
    let quiet = halfopen(&["run", SCENARIO, "--seeds", "2", "-q"]);
    assert_eq!(quiet.code, 0, "{quiet:?}");
    assert_eq!(quiet.stdout.trim().lines().count(), 1, "{quiet:?}");
}

#[test]
fn a_line_to_paste_names_the_command_as_it_was_called() {
    let arguments = ["replay", SCENARIO, "--seed", "1", "--specimen", SPECIMEN];
    let by_path = said(command(&arguments).env_remove("CARGO_PKG_NAME"));
    let program = env!("CARGO_BIN_EXE_halfopen");
    assert!(by_path.stdout.contains(&format!("{program} replay {SCENARIO} --seed 0x1")), "{}", by_path.stdout);
}

/// This build plays a scenario here, and another build (release where this one is debug) in a process of its own. Each of
/// these processes reads the whole catalogue: a third of the scenarios, from every family, says enough.
#[test]
fn another_build_in_another_process_plays_the_same_runs() {
    let (catalogue, other) = (catalogue(), other_build());
    for scenario in catalogue.scenarios().expect("the catalogue has no mistakes").into_iter().step_by(3) {
        let here = catalogue.run(&Plan::draw(&scenario, Seed(1))).expect("it can be played");
        let there = said(command_of(&other).args(["replay", &scenario.name, "--seed", "1"]));
        assert_eq!(there.hash(), Some(here.hash.to_string()), "{}", scenario.name);
        assert!(there.stdout.starts_with(&here.story()), "{}:\n{}", scenario.name, there.stdout);
    }
}

#[test]
fn a_capsule_replays_to_the_hash_and_the_verdict_of_its_run() {
    let scenario = scenario();
    let plan = Plan::draw(&scenario.with_specimen(&scenario.specimens[0]), Seed(5));
    let outcome = catalogue().run(&plan).expect("it can be played");
    let file = scratch("convicted.toml");
    let capsule = Capsule::new(plan, outcome.signature().cloned());
    fs::write(&file, capsule.to_toml()).expect("the scratch folder can be written");
    let replayed = halfopen(&["replay", &file.to_string_lossy()]);
    assert_eq!(replayed.code, i32::from(!outcome.passed()), "{replayed:?}");
    assert_eq!(replayed.hash(), Some(outcome.hash.to_string()));
    let seeded = halfopen(&["replay", &file.to_string_lossy(), "--seed", "1"]);
    assert_eq!(seeded.code, 2, "{seeded:?}");
    assert!(seeded.stderr.contains("brings its own seed"), "{}", seeded.stderr);
}

#[test]
fn a_mistake_in_a_capsule_ends_with_2_a_sentence_with_its_line_and_no_run() {
    let good = Capsule::new(Plan::draw(&scenario(), Seed(1)), None).to_toml();
    let mistakes = [
        ("format = 1", "format = 99", "this capsule has format 99"),
        ("run = \"scheduler\"", "run = \"schedluer\"", "did you mean `scheduler`?"),
        ("link = \"alice -> scheduler\"", "link = \"alcie -> scheduler\"", "did you mean `alice`?"),
        ("do = \"reset\"", "do = \"rest\"", "did you mean `reset`?"),
        ("settle = \"1m\"", "settle = \"60\"", "has no unit"),
        ("[versions]", "[vresions]", "vresions"),
    ];
    for (right, wrong, sentence) in mistakes {
        assert!(good.contains(right), "the capsule has no `{right}`:\n{good}");
        let line = good.lines().position(|line| line.contains(right)).map_or(0, |place| place + 1);
        let file = scratch("mistaken.toml");
        fs::write(&file, good.replacen(right, wrong, 1)).expect("the scratch folder can be written");
        let refused = halfopen(&["replay", &file.to_string_lossy()]);
        let place = format!("mistaken.toml:{line}:");
        assert_eq!(refused.code, 2, "{wrong}: {refused:?}");
        assert!(refused.stderr.contains(&place), "{wrong} is not said to be at {place}\n{}", refused.stderr);
        assert!(refused.stderr.contains(sentence), "{wrong} says:\n{}", refused.stderr);
        assert_eq!(refused.stdout, "", "{wrong} played something");
    }
}

#[test]
fn the_list_names_every_scenario_and_what_it_proves() {
    let listed = halfopen(&["list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    for scenario in catalogue().scenarios().expect("the catalogue has no mistakes") {
        let line = listed.stdout.lines().find(|line| line.split_whitespace().next() == Some(&scenario.name));
        assert!(line.is_some_and(|line| line.ends_with(&scenario.proves)), "{}:\n{}", scenario.name, listed.stdout);
    }
}

#[test]
fn a_trace_is_a_json_line_for_each_record() {
    let file = scratch("trace.jsonl");
    let replayed = halfopen(&["replay", SCENARIO, "--seed", "1", "--trace", &file.to_string_lossy()]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let outcome = catalogue().run(&Plan::draw(&scenario(), Seed(1))).expect("it can be played");
    let text = fs::read_to_string(&file).expect("the trace was written");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert!(lines.len() >= outcome.trace.records.len(), "{} lines", lines.len());
}

fn scenario() -> Scenario {
    let scenarios = catalogue().scenarios().expect("the catalogue has no mistakes");
    scenarios.into_iter().find(|scenario| scenario.name == SCENARIO).expect("it is in the catalogue")
}

/// What the command said.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn hash(&self) -> Option<String> {
        self.stdout.lines().find_map(|line| line.strip_prefix("hash ")).map(str::to_owned)
    }
}

fn halfopen(arguments: &[&str]) -> Said {
    said(&mut command(arguments))
}

/// The command in the other profile: as `cargo halfopen` builds it, where these tests are a debug build. It is built here,
/// into the same target: cargo lets go of its lock before tests run, and the next call of the command has it.
fn other_build() -> PathBuf {
    let (profile, folder) = if cfg!(debug_assertions) { ("release", "release") } else { ("dev", "debug") };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's folder for tests lies in its target");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "halfopen-scenarios", "--bin", "halfopen", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace"))
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join(folder).join("halfopen")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = command_of(Path::new(env!("CARGO_BIN_EXE_halfopen")));
    command.args(arguments);
    command
}

fn command_of(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    for variable in ["HALFOPEN_TEST_SEED", "HALFOPEN_TEST_NUM", "HALFOPEN_TEST_JOBS", "CARGO_TARGET_DIR"] {
        command.env_remove(variable);
    }
    command
}

fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("the command speaks UTF-8");
    Said { code: status.code().expect("the command ends by itself"), stdout: text(stdout), stderr: text(stderr) }
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
