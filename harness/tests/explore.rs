//! What the command finds by itself: `exhaust` every single fault, `shrink` a plan of thirty to the two that matter,
//! `promote` what is left, and play it first for ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use halfopen::fault::{Connections, Drop, Ends, Fault, Reset, Trigger};
use halfopen::internals::Capsule;
use halfopen::{Plan, Scenario, Seed};

/// A store, with its defects or without.
fn scenario(forgets: bool, puts: u32) -> String {
    format!(
        "proves = \"what is put is stored once\"\nsettle = \"10s\"\n\n\
         [host.store]\nrun = \"store\"\ntells = [\"received\"]\n[host.store.config]\nforgets = {forgets}\n\n\
         [actor.writer]\nrun = \"writer\"\ntells = [\"offered\"]\n[actor.writer.config]\nputs = {puts}\n\n\
         [checks.delivery]\nlaw = \"exactly_once\"\n\n[checks.hygiene]\nhosts = [\"store\"]\n"
    )
}

/// The signature of the defect that needs a reset and then an orderly end.
const FORGETS: &str = "delivery: silent loss @ writer";

#[test]
fn a_store_without_a_defect_withstands_every_single_fault() {
    let folder = folder("exhaust", &[("sound", false, 3)]);
    let played = planted(&folder, &["exhaust", "sound", "--results", "results"]);
    let said = said(&played);
    assert_eq!(played.status.code(), Some(0), "{said}");
    assert!(said.contains("judged by delivery\n"), "{said}");
    assert!(said.contains("not by hygiene: it bounds what other faults may stretch"), "{said}");
    assert!(said.contains("no single fault at any of ") && said.contains(" of 2 legs breaks a law: "), "{said}");
    assert!(said.contains("writer->store#1 to_server") && said.contains("instants between two hosts"), "{said}");
    let results = folder.join("results/sound.jsonl");
    let whole = fs::read_to_string(&results).expect("the results were kept");

    // An interrupted file is read up to its last whole line, and what it lacks is played.
    let half = &whole[..whole.len() / 2];
    fs::write(&results, half).expect("the file can be cut");
    let again = planted(&folder, &["exhaust", "sound", "--results", "results"]);
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("results/sound.jsonl ended in half a line, which was left out"), "{told}");
    assert_eq!(matrix(&self::said(&again)), matrix(&said));
    let lines = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&fs::read_to_string(&results).expect("it is there")), lines(&whole));

    let other = planted(&folder, &["exhaust", "sound", "--results", "results", "--seed", "2"]);
    let told = String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(2), "{told}");
    assert!(told.contains("it holds results of something else: the seed is 0x1 there and 0x2 here"), "{told}");
}

#[test]
fn the_matrix_does_not_depend_on_the_number_of_workers() {
    let folder = folder("matrix", &[("sound", false, 3)]);
    let alone = said(&planted(&folder, &["exhaust", "sound", "--jobs", "1"]));
    let four = said(&planted(&folder, &["exhaust", "sound", "--jobs", "4"]));
    assert_eq!(matrix(&alone), matrix(&four));
    assert!(matrix(&alone).lines().count() > 8, "{alone}");
}

#[test]
fn what_cannot_be_exhausted_is_told_and_nothing_is_played() {
    let folder = folder("bad", &[("sound", false, 3)]);
    for (arguments, sentence) in [
        (vec!["exhaust", "sond"], "did you mean `sound`?"),
        (vec!["exhaust", "sound", "--without", "order"], "sound has no law `order` that could be left out"),
        (vec!["exhaust", "sound", "--specimen", "deaf"], "has no specimen and no opposite of the name `deaf`"),
        (vec!["exhaust", "sound", "--for", "soon"], "soon"),
        (vec!["shrink", "nothing.toml"], "nothing.toml"),
        (vec!["promote", "nothing.toml"], "nothing.toml"),
    ] {
        let refused = planted(&folder, &arguments);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(sentence), "{arguments:?}: {told}");
        assert!(refused.stdout.is_empty(), "{arguments:?}: {}", said(&refused));
    }
}

#[test]
fn pairs_are_drawn_played_told_and_made_smaller() {
    let folder = folder("pairs", &[("forgetful", true, 6)]);
    let played = planted(&folder, &["exhaust", "forgetful", "--pairs", "400", "--shrink-for", "2s"]);
    let said = said(&played);
    assert_eq!(played.status.code(), Some(1), "{said}");
    assert!(said.contains("pairs: 400 of 400 drawn ones were played ("), "{said}");
    assert!(said.contains(FORGETS), "{said}");
}

#[test]
fn thirty_faults_are_shrunk_to_the_two_that_matter_in_their_order_and_kept_as_a_regression() {
    let folder = folder("shrink", &[("forgetful", true, 40), ("sound", false, 3)]);
    let path = folder.join("found.toml");
    let capsule = Capsule::new(plan(&folder, thirty()), None);
    fs::write(&path, capsule.to_toml()).expect("a capsule can be written");
    // It breaks both laws; the one that stands for the run is kept.
    let began = Instant::now();
    let shrunk = planted(&folder, &["shrink", "found.toml"]);
    let said = said(&shrunk);
    assert_eq!(shrunk.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&shrunk.stderr));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let (before, _) = said.split_once("shrunk from 30 to 2 faults").unwrap_or_else(|| panic!("{said}"));
    assert_eq!(before.matches(" on writer->store").count(), 30, "the plan is told before the search: {said}");
    let small = Capsule::load(&folder.join("found-shrunk.toml")).expect("it is written");
    assert_eq!(small.failure.as_ref().map(|of| of.as_str()), Some(FORGETS));
    let words: Vec<_> = small.plan.faults.iter().map(|fault| fault.act.word()).collect();
    assert_eq!(words, ["reset", "drop"]);

    let kept = planted(&folder, &["promote", "found-shrunk.toml"]);
    let told = self::said(&kept);
    assert_eq!(kept.status.code(), Some(0), "{told}");
    let regression = folder.join("regressions/forgetful-delivery_silent_loss_writer.toml");
    assert!(regression.exists(), "{told}");
    let twice = planted(&folder, &["promote", "found-shrunk.toml"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("is there already"));

    // It is played before the seeds, which are not its own.
    let run = planted(&folder, &["run", "forgetful", "--seeds", "1"]);
    let told = self::said(&run);
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("regressions: 0 held, 1 broke a law, 0 no longer apply"), "{told}");
    assert!(told.contains("1 of 1 scenarios held"), "the seeds hold: {told}");
    let other = planted(&folder, &["run", "sound", "--seeds", "1"]);
    assert!(!self::said(&other).contains("regressions"), "{}", self::said(&other));

    // A change that has nothing to do with it changes nothing about it.
    let chatty = with(&folder, &["replay", "found-shrunk.toml"], &[("CHATTY", "1")]);
    assert!(self::said(&chatty).contains("LAW BROKEN forgetful: delivery"), "{}", self::said(&chatty));

    // The service is mended: the regression holds.
    let mended = fs::read_to_string(&regression).expect("it is there").replace("forgets = true", "forgets = false");
    fs::write(&regression, mended).expect("it can be written");
    let held = planted(&folder, &["run", "forgetful", "--seeds", "1"]);
    assert!(
        self::said(&held).contains("regressions: 1 held, 0 broke a law, 0 no longer apply"),
        "{}",
        self::said(&held)
    );
    assert_eq!(held.status.code(), Some(0));

    // The conversation is another: the writer ends before the second fault's moment comes.
    let stale = with(&folder, &["run", "forgetful", "--seeds", "1"], &[("PUTS", "1")]);
    let told = String::from_utf8_lossy(&stale.stderr).into_owned();
    assert!(told.contains("no longer applies: of its 2 faults, fault "), "{told}{}", self::said(&stale));
    assert!(told.contains(" never fired: "), "{told}");
    assert_eq!(stale.status.code(), Some(0), "{told}");
    let denied =
        with(&folder, &["run", "forgetful", "--seeds", "1"], &[("PUTS", "1"), ("HALFOPEN_TEST_STALE", "deny")]);
    assert_eq!(denied.status.code(), Some(2));
    let nothing = with(&folder, &["shrink", "found-shrunk.toml"], &[("PUTS", "1")]);
    let told = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert_eq!(nothing.status.code(), Some(2), "{told}");
    assert!(told.contains("so there is nothing to shrink: of its 2 faults, fault "), "{told}");
}

/// The connection is lost once a second: four times in order, six times by a reset, and again.
fn thirty() -> Vec<Fault> {
    let lost = |n: u64| {
        let (on, trigger) = (Connections::of("writer", "store"), Trigger::At(Duration::from_millis(1500 + 1000 * n)));
        match n % 10 {
            0..=3 => Fault::new(on, trigger, Drop { to: Ends::Both }),
            _ => Fault::new(on, trigger, Reset { to: Ends::Both }),
        }
    };
    (0..30).map(lost).collect()
}

fn plan(folder: &Path, faults: Vec<Fault>) -> Plan {
    let scenario = Scenario::load(&folder.join("scenarios/forgetful.toml")).expect("it is a scenario");
    Plan { faults, ..Plan::draw(&scenario, Seed(1)) }
}

/// The table that `exhaust` prints.
fn matrix(said: &str) -> String {
    let rest = said.split_once("how many faults of a verb held").unwrap_or_default().1;
    rest.split_once("no single fault").unwrap_or_default().0.to_owned()
}

fn folder(name: &str, scenarios: &[(&str, bool, u32)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what an earlier run of these tests has left can be removed");
    }
    fs::create_dir_all(folder.join("scenarios")).expect("the target's folder for tests can be written");
    for (name, forgets, puts) in scenarios {
        let file = folder.join("scenarios").join(format!("{name}.toml"));
        fs::write(file, scenario(*forgets, *puts)).expect("a scenario can be written");
    }
    folder
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn planted(folder: &Path, arguments: &[&str]) -> Output {
    with(folder, arguments, &[])
}

/// Runs the command in the folder; the variables are passed on to its workers.
fn with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder).env("PLANTED", folder).env("CARGO_TARGET_DIR", folder.join("target"));
    command.envs(variables.iter().copied()).env("HALFOPEN_TEST_ENV", names.join(","));
    command.output().expect("the command can be started")
}

/// The program, which is built here: cargo builds a package's examples only where all of its tests are run.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let mut build = Command::new(env!("CARGO"));
        // Of the whole workspace, so that the crates that it stands on are those of the tests, with the same features.
        build.args(["build", "--quiet", "--workspace", "--example", "planted"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo can be started").success(), "the program of these tests can be built");
        let tests = std::env::current_exe().expect("this program has a path");
        tests.ancestors().nth(2).expect("tests lie in `deps`").join("examples/planted")
    });
    &PROGRAM
}
