//! The command over other folders than the catalogue's: every kind of mistake in a file, and what a failure leaves.
//!
//! This program is both sides. Without a word about a folder it is the test, and starts itself once for each case; with
//! one it is `halfopen` over that folder, with two hosts and two actors that need no network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use halfopen::Catalogue;

/// Names the folder to the command's side.
const FOLDER: &str = "HALFOPEN_TEST_FOLDER";

fn main() -> ExitCode {
    match std::env::var(FOLDER) {
        Ok(folder) => halfopen::cli::main(catalogue(&folder)),
        // The command's own worker: its environment is cleared, and it is told what to play.
        Err(_) if std::env::var_os("HALFOPEN_WORKER").is_some() => halfopen::cli::main(catalogue("")),
        Err(_) => {
            a_good_folder_is_played();
            a_mistake_in_a_file_ends_with_2_and_one_sentence_and_nothing_runs();
            several_mistakes_are_told_together();
            a_file_with_a_mistake_stops_no_other_scenario();
            a_folder_without_scenarios_ends_with_2();
            a_failure_leaves_a_capsule_that_replays_it();
            a_specimen_without_a_defect_goes_free();
            a_sweep_that_never_reaches_a_state_is_told_which();
            a_host_that_refuses_its_configuration_is_named();
            a_host_that_tells_nothing_of_what_it_lists_is_named();
            ExitCode::SUCCESS
        }
    }
}

/// `honest` delivers what it offers; `silent` offers and says no more.
fn catalogue(folder: &str) -> Catalogue {
    Catalogue::new(folder, "")
        .host("clock", async |cx| {
            cx.stopped().await;
            Ok(())
        })
        .host("picky", async |cx| {
            let config: std::collections::BTreeMap<String, u8> = cx.config()?;
            drop(config);
            cx.stopped().await;
            Ok(())
        })
        .actor("honest", async |cx| {
            cx.offered("letter");
            cx.received("letter");
            Ok(())
        })
        .actor("silent", async |cx| {
            cx.offered("letter");
            Ok(())
        })
}

/// A scenario without a mistake.
const GOOD: &str = r#"proves = "a letter that is offered arrives"
settle = "1s"

[host.tower]
run = "clock"

[actor.alice]
run = "honest"
tells = ["offered", "received"]

[checks.delivery]
law = "exactly_once"
"#;

fn a_good_folder_is_played() {
    let folder = Folder::new("good").with("letter.toml", GOOD);
    let said = folder.halfopen(&["run", "--seeds", "3"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("1 of 1 scenarios held"), "{said:?}");
}

fn a_mistake_in_a_file_ends_with_2_and_one_sentence_and_nothing_runs() {
    let fault = |text: &str| format!("{GOOD}\n[[fault]]\n{text}\n");
    let cases = [
        (
            "unknown key",
            GOOD.replace("settle =", "settel ="),
            "2: a scenario has no key `settel`; did you mean `settle`?",
        ),
        ("unknown check", GOOD.replace("checks.delivery", "checks.delivrey"), "11: "),
        (
            "unknown host",
            fault("link = \"alice -> towre\"\ndo = \"reset\"\nwhen = { at = \"1s\" }"),
            "did you mean `tower`?",
        ),
        (
            "unknown actor",
            fault("link = \"alcie -> tower\"\ndo = \"reset\"\nwhen = { at = \"1s\" }"),
            "did you mean `alice`?",
        ),
        (
            "unknown verb of a state",
            format!("{GOOD}\n[checks.sometimes]\ncut_off = {{ fault = \"rest\" }}\n"),
            "did you mean `reset`?",
        ),
        ("no such link", fault("link = \"alice -> alice\"\ndo = \"reset\"\nwhen = { at = \"1s\" }"), "15: "),
        (
            "impossible trigger",
            fault("host = \"tower\"\ndo = \"crash\"\nwhen = { message = 1, direction = \"to_server\" }"),
            "17: units are counted on a `link`",
        ),
        (
            "verb and trigger disagree",
            fault("link = \"alice -> tower\"\ndo = \"refuse\"\nwhen = { message = 1, direction = \"to_server\" }"),
            "`refuse` strikes attempts to connect",
        ),
        ("no unit", GOOD.replace("\"1s\"", "\"1\""), "2: `settle`: `1` has no unit"),
        ("two hosts of one name", GOOD.replace("actor.alice", "actor.tower"), "two hosts are named `tower`"),
        (
            "check without facts",
            GOOD.replace("tells = [\"offered\", \"received\"]", "tells = [\"offered\"]"),
            "received",
        ),
        ("unknown run name", GOOD.replace("\"clock\"", "\"clokc\""), "5: "),
        ("unknown run name of an actor", GOOD.replace("\"honest\"", "\"hones\""), "did you mean `honest`?"),
        ("not TOML", GOOD.replace("[host.tower]", "[host.tower"), "4: "),
        ("no base", format!("base = \"steady\"\n{GOOD}"), "there is no base `steady`"),
        ("no sentence", GOOD.replace("proves = \"a letter that is offered arrives\"", ""), "proves"),
    ];
    for (case, text, sentence) in cases {
        assert_ne!(text, GOOD, "{case} changes nothing");
        let folder = Folder::new("mistaken").with("mistaken.toml", &text);
        for arguments in [&["run"][..], &["list"], &["replay", "mistaken", "--seed", "1"]] {
            let said = folder.halfopen(arguments);
            assert_eq!(said.code, 2, "{case}: {said:?}");
            assert_eq!(said.stdout, "", "{case}: something was played or listed");
            assert!(said.stderr.contains("mistaken.toml:"), "{case} names no file: {}", said.stderr);
            assert!(said.stderr.contains(sentence), "{case} says: {}", said.stderr);
            let sentences = said.stderr.lines().filter(|line| line.starts_with("halfopen: ")).count();
            assert_eq!(sentences, 1, "{case} is no single sentence: {}", said.stderr);
        }
    }
}

fn several_mistakes_are_told_together() {
    let folder = Folder::new("several")
        .with("one.toml", &GOOD.replace("settle", "settel"))
        .with("two.toml", &GOOD.replace("\"clock\"", "\"clokc\""))
        .with("three.toml", &GOOD.replace("\"1s\"", "\"1\""));
    let said = folder.halfopen(&["run"]);
    assert_eq!(said.code, 2, "{said:?}");
    for place in ["one.toml:2: ", "two.toml:5: ", "three.toml:2: "] {
        assert!(said.stderr.contains(place), "{place} is not told: {}", said.stderr);
    }
    let many = GOOD
        .replace("\"1s\"", "\"1\"")
        .replace("checks.delivery", "checks.delivrey")
        .replace("[host.tower]", "[host.tower]\nrnu = 1");
    let said = Folder::new("many").with("many.toml", &many).halfopen(&["run"]);
    for place in ["many.toml:2: ", "many.toml:5: ", "many.toml:12: "] {
        assert!(said.stderr.contains(place), "{place} is not told: {}", said.stderr);
    }
    let twins = Folder::new("twins").with("one.toml", &format!("name = \"letter\"\n{GOOD}")).with("letter.toml", GOOD);
    let said = twins.halfopen(&["run"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("`letter` is also the name of the scenario in"), "{}", said.stderr);
}

fn a_file_with_a_mistake_stops_no_other_scenario() {
    let folder = Folder::new("beside")
        .with("letter.toml", GOOD)
        .with("mistaken.toml", &GOOD.replace("settle", "settel"))
        .with("stranger.toml", &GOOD.replace("\"clock\"", "\"clokc\""));
    let said = folder.halfopen(&["run", "--seeds", "2"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stdout.contains("1 of 1 scenarios held"), "{}", said.stdout);
    assert!(said.stderr.contains("mistaken.toml:2: ") && said.stderr.contains("stranger.toml:5: "), "{}", said.stderr);
    let listed = folder.halfopen(&["list"]);
    assert_eq!(listed.code, 2, "{listed:?}");
    assert!(listed.stdout.contains("letter") && listed.stderr.contains("mistaken.toml:2: "), "{listed:?}");
    // Who names a scenario is told of the others in one line.
    for arguments in [&["run", "letter", "--seeds", "2"][..], &["replay", "letter", "--seed", "1"]] {
        let named = folder.halfopen(arguments);
        assert_eq!(named.code, 0, "{named:?}");
        assert!(!named.stderr.contains("mistaken.toml"), "{}", named.stderr);
    }
    let named = folder.halfopen(&["run", "letter", "--seeds", "2"]);
    assert!(named.stderr.contains("2 other files have mistakes"), "{}", named.stderr);
    let faulty = folder.halfopen(&["run", "letter", "mistaken", "--seeds", "2"]);
    assert_eq!((faulty.code, faulty.stdout.as_str()), (2, ""), "{faulty:?}");
    assert!(faulty.stderr.contains("mistaken.toml:2: "), "{}", faulty.stderr);
}

fn a_folder_without_scenarios_ends_with_2() {
    let said = Folder::new("empty").halfopen(&["run"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("empty"), "the folder is not named: {}", said.stderr);
    let gone = Folder::new("gone");
    fs::remove_dir(gone.scenarios()).expect("it is empty");
    let said = gone.halfopen(&["run"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("gone"), "the folder is not named: {}", said.stderr);
}

fn a_failure_leaves_a_capsule_that_replays_it() {
    let folder = Folder::new("broken").with("letter.toml", &GOOD.replace("\"honest\"", "\"silent\""));
    let said = folder.halfopen(&["run", "--seeds", "2"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("LAW BROKEN letter: delivery"), "{}", said.stdout);
    let seeded = folder.halfopen(&["replay", "letter", "--seed", "1"]);
    assert_eq!(seeded.code, 1, "{seeded:?}");
    // The report names the program as it was started: this catalogue was told no other command.
    let program = std::env::current_exe().expect("this program has a path").display().to_string();
    assert!(said.stdout.contains(&format!("{program} replay letter --seed 0x1\n")), "{}", said.stdout);
    // The scenario may change or go; the capsule stays what it is.
    fs::remove_file(folder.scenarios().join("letter.toml")).expect("it is there");
    let capsule = "target/halfopen/letter/0x1.toml";
    assert!(said.stdout.contains(&format!("({program} replay {capsule})")), "{}", said.stdout);
    let replayed = folder.halfopen(&["replay", capsule]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert_eq!(hash(&replayed), hash(&seeded));
    assert!(folder.0.join("target/halfopen/letter/0x1.jsonl").is_file(), "there is no trace beside the capsule");
}

fn a_specimen_without_a_defect_goes_free() {
    let specimen =
        "[[specimen]]\nname = \"innocent\"\nhost = \"tower\"\nrun = \"clock\"\nconvicted_by = [\"delivery\"]\n";
    let folder = Folder::new("free").with("letter.toml", &format!("{GOOD}\n{specimen}"));
    let said = folder.halfopen(&["run", "--seeds", "16"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("the specimen `innocent` was not convicted by delivery"), "{}", said.stderr);
}

fn a_sweep_that_never_reaches_a_state_is_told_which() {
    let states = "[checks.sometimes]\narrived = { fact = \"received\" }\ncut_off = { fault = \"reset\" }\n";
    let folder = Folder::new("unreached").with("letter.toml", &format!("{GOOD}\n{states}"));
    let said = folder.halfopen(&["run", "--seeds", "16"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("NEVER REACHED"), "{}", said.stdout);
    assert!(said.stderr.contains("none of the 16 runs that were played reached cut_off:"), "{}", said.stderr);
    // One seed that a user asks for is no sweep.
    assert_eq!(folder.halfopen(&["run", "--seed", "1"]).code, 0);
    let reached = states.replace("cut_off = { fault = \"reset\" }\n", "");
    let said =
        Folder::new("reached").with("letter.toml", &format!("{GOOD}\n{reached}")).halfopen(&["run", "--seeds", "2"]);
    assert_eq!(said.code, 0, "{said:?}");
}

fn a_host_that_refuses_its_configuration_is_named() {
    let text = GOOD.replace("run = \"clock\"", "run = \"picky\"\nconfig = { port = \"eighty\" }");
    let said = Folder::new("picky").with("letter.toml", &text).halfopen(&["replay", "letter", "--seed", "1"]);
    assert_ne!(said.code, 0, "{said:?}");
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains("tower") && all.contains("port"), "{all}");
}

/// One that tells a part of its list had no reason for the rest; one that tells nothing of it has no way to.
fn a_host_that_tells_nothing_of_what_it_lists_is_named() {
    let told = |name: &str, tower: &str| {
        let text = GOOD.replace("tells = [\"offered\"", "tells = [\"refused\", \"offered\"");
        let text = text.replace("run = \"clock\"", &format!("run = \"clock\"\n{tower}"));
        let said = Folder::new(name).with("letter.toml", &text).halfopen(&["run", "--seeds", "2"]);
        assert_eq!(said.code, 0, "{said:?}");
        said.stdout.lines().find(|line| line.contains("NEVER TOLD")).map(|line| line.trim().to_owned())
    };
    assert_eq!(told("talkative", ""), None);
    let expected = "NEVER TOLD: tower's `accepted`, `outcome`, though `tells` lists them";
    assert_eq!(told("mute", "tells = [\"accepted\", \"outcome\"]").as_deref(), Some(expected));
}

/// A folder with a folder of scenarios, empty at first.
struct Folder(PathBuf);

/// What the command said.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

/// What was said of places in files, by their lines alone: `letter.toml:2:7: ` is `letter.toml:2: `.
fn without_columns(said: &str) -> String {
    let mut parts = said.split(".toml:");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut fields = part.splitn(3, ':');
        let is_number = |field: &str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
        told.push_str(".toml:");
        match (fields.next(), fields.next(), fields.next()) {
            (Some(line), Some(column), Some(rest)) if is_number(line) && is_number(column) => {
                told.push_str(&format!("{line}:{rest}"));
            }
            _ => told.push_str(part),
        }
    }
    told
}

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("folders").join(name);
        // It may be left from an earlier run.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("catalogue")).expect("the scratch folder can be written");
        Self(path)
    }

    fn scenarios(&self) -> PathBuf {
        self.0.join("catalogue")
    }

    fn with(self, file: &str, text: &str) -> Self {
        fs::write(self.scenarios().join(file), text).expect("the scratch folder can be written");
        self
    }

    /// Runs the command over the scenarios; what it writes goes beside them.
    fn halfopen(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(arguments).current_dir(&self.0).env(FOLDER, self.scenarios());
        for variable in ["HALFOPEN_TEST_SEED", "HALFOPEN_TEST_NUM", "HALFOPEN_TEST_JOBS", "CARGO_TARGET_DIR"] {
            command.env_remove(variable);
        }
        let Output { status, stdout, stderr } = command.output().expect("the command starts");
        let text = |bytes| String::from_utf8(bytes).expect("the command speaks UTF-8");
        Said {
            code: status.code().expect("the command ends by itself"),
            stdout: text(stdout),
            stderr: without_columns(&text(stderr)),
        }
    }
}

fn hash(said: &Said) -> &str {
    said.stdout.lines().find_map(|line| line.strip_prefix("hash ")).expect("a replay ends with its hash")
}
