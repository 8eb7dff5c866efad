//! Scenarios in folders, and the bases that they share.

use std::fs;
use std::path::PathBuf;

use super::GOOD;
use crate::scenario::*;

#[test]
fn a_scenario_is_laid_over_its_base_key_by_key() {
    let folder = Folder::new("base_key_by_key");
    folder.write(
        "base/chat.toml",
        &GOOD[GOOD.find("[network]").expect("a table")..GOOD.find("[[fault]]").expect("a table")],
    );
    let own = "proves = 'x'\nbase = 'chat'\n[host.chat.config]\nname = 'c'\n[[link]]\nbetween = ['chat', 'alice']\n\
               latency = '5ms'\n[network]\ninterleaved = false\n";
    folder.write("deep/deeper/own.toml", own);
    let scenario = Scenario::load(&folder.path.join("deep/deeper/own.toml")).expect("no mistake");
    insta::assert_snapshot!(scenario.to_toml(), @r#"
    name = "own"
    proves = "x"
    starts_at = "2027-01-01T00:00:00Z"
    time_limit = "30m"
    settle = "1m"

    [network]
    latency = "20ms"
    send_buffer_bytes = 3800000
    receive_buffer_bytes = 131072
    interleaved = false

    [host.chat]
    run = "chat"
    start = "0s"

    [host.chat.config]
    name = "c"
    port = 80

    [actor.alice]
    run = "talker"
    start = "0s"
    tells = ["offered"]

    [[link]]
    between = ["chat", "alice"]
    latency = "5ms"
    "#);
}

#[test]
fn a_list_in_a_configuration_takes_the_place_of_the_bases() {
    let folder = Folder::new("base_lists");
    folder.write(
        "base/chat.toml",
        "[actor.alice]\nrun = 'talker'\nconfig = { says = [{ text = 'a' }, { text = 'b' }] }\n",
    );
    folder.write("own.toml", "proves = 'x'\nbase = 'chat'\n[actor.alice.config]\nsays = [{ text = 'c' }]\n");
    let scenario = Scenario::load(&folder.path.join("own.toml")).expect("no mistake");
    assert_eq!(scenario.hosts[0].config["says"].to_string(), "[{ text = \"c\" }]");
}

#[test]
fn a_scenario_drops_a_check_of_its_base() {
    let folder = Folder::new("base_checks");
    let base = "[actor.alice]\nrun = 'talker'\n[checks.survival]\n[checks.livelock]\nretries_at_most = 3\n[checks.delivery]\nlaw = 'exactly_once'\n";
    folder.write("base/chat.toml", base);
    let own = "proves = 'x'\nbase = 'chat'\n[checks]\ndelivery = false\nlivelock = false\nsurvival = { stay_up = ['alice'] }\n";
    folder.write("own.toml", own);
    let scenario = Scenario::load(&folder.path.join("own.toml")).expect("no mistake");
    let names: Vec<_> = scenario.checks.checks().iter().map(|check| check.name()).collect();
    assert_eq!(names, ["survival"]);
}

#[test]
fn a_base_may_stand_on_another_but_not_on_itself() {
    let folder = Folder::new("base_of_base");
    folder.write("base/low.toml", "settle = '1s'\ntime_limit = '1min'\n[actor.alice]\nrun = 'talker'\n");
    folder.write("base/high.toml", "base = 'low'\nsettle = '2s'\n[actor.bob]\nrun = 'talker'\n");
    folder.write("own.toml", "proves = 'x'\nbase = 'high'\n");
    let scenario = Scenario::load(&folder.path.join("own.toml")).expect("no mistake");
    assert_eq!((scenario.settle.as_secs(), scenario.time_limit.as_secs(), scenario.hosts.len()), (2, 60, 2));
    folder.write("base/low.toml", "base = 'high'\n");
    insta::assert_snapshot!(folder.errors(), @"base/low.toml:1: this base stands on itself");
}

#[test]
fn a_mistake_in_a_base_is_told_with_the_file_of_the_base() {
    let folder = Folder::new("base_mistakes");
    folder.write("base/chat.toml", "[actor.alice]\nrun = 'talker'\n\n[[fault]]\nhost = 'alice'\n");
    folder.write("base/talk.toml", "[actor.alice]\nrun = 'talker'\n\n[checks.delivery]\nlaw = 'exactly_once'\n");
    folder.write("a.toml", "proves = 'x'\nbase = 'chat'\n");
    folder.write("b.toml", "proves = 'x'\n\nbase = 'caht'\n");
    folder.write("c.toml", "proves = 'x'\nbase = 'talk'\n");
    folder.write("d.toml", "proves = 'the same mistake is told once'\nbase = 'talk'\n");
    insta::assert_snapshot!(folder.errors(), @"
    base/chat.toml:4: a base has no key `fault`; known are `base`, `starts_at`, `tags`, `time_limit`, `settle`, `network`, `host`, `actor`, `link`, `moment`, `verbs`, `facts`, `checks` and `opposite`
    b.toml:3: there is no base `caht` in a folder `_base` (or `base`) beside or above this file; did you mean `chat`?
    base/talk.toml:4: the check `delivery` reads `offered` facts, and nothing is a source of them: map an event or a unit under `[[facts]]`, or list `offered` in what an actor `tells`
    base/talk.toml:4: the check `delivery` reads `received` facts, and nothing is a source of them: map an event or a unit under `[[facts]]`, or list `received` in what an actor `tells`
    ");
}

#[test]
fn a_folder_gives_its_scenarios_by_name_without_the_bases() {
    let folder = Folder::new("folder");
    let named = |name: &str| GOOD.replacen("proves", &format!("name = '{name}'\nproves"), 1);
    folder.write("z.toml", &named("first"));
    folder.write("deep/a.toml", &named("second"));
    folder.write("deep/third.toml", GOOD);
    folder.write("base/chat.toml", "nonsense");
    folder.write("notes.md", "nonsense");
    let scenarios = load_dir(&folder.path).expect("no mistakes");
    let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, ["first", "second", "third"]);
}

#[test]
fn every_file_with_a_mistake_is_told_and_so_are_two_scenarios_of_one_name() {
    let folder = Folder::new("folder_mistakes");
    folder.write("a.toml", &GOOD.replace("proves", "prove"));
    folder.write("b.toml", &GOOD.replace("20min", "20"));
    folder.write("good.toml", GOOD);
    folder.write("deep/good.toml", GOOD);
    insta::assert_snapshot!(folder.errors(), @r"
    a.toml:1: a scenario has no key `prove`; did you mean `proves`?
    b.toml:2: `time_limit`: `20` has no unit; durations are written as 20ms, 5s or 30min
    good.toml: `good` is also the name of the scenario in deep/good.toml
    ");
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let errors = load_dir(Path::new("no/such/folder")).expect_err("nothing is there");
    insta::assert_snapshot!(errors[0], @"no/such/folder: the folder cannot be read: No such file or directory (os error 2)");
}

/// A folder of its own that goes with the test.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("halfopen-scenario-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self { path }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path.join(file);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// The errors of all files, with paths as seen from here.
    fn errors(&self) -> String {
        let errors = load_dir(&self.path).expect_err("mistakes");
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        errors.join("\n").replace(&format!("{}/", self.path.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing depends on whether it is gone.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[test]
fn a_rule_of_a_base_is_overridden_by_its_keys_and_dropped_by_false() {
    let folder = Folder::new("base_rules");
    let base = "[host.chat]\nrun = 'chat'\n[actor.alice]\nrun = 'talker'\n[checks.timing]\n\
                one = { after = { process = 'started' }, follows = { event = 'ready' }, within = '1s' }\n\
                two = { after = { process = 'started' }, follows = { event = 'ready' }, within = '2s' }\n";
    folder.write("base/chat.toml", base);
    let own = "proves = 'x'\nbase = 'chat'\n[checks.timing]\none = false\ntwo.within = '5s'\n";
    folder.write("own.toml", own);
    let scenario = Scenario::load(&folder.path.join("own.toml")).expect("no mistake");
    let rules = scenario.checks.timing.expect("a rule is left").0;
    let bounds: Vec<_> = rules.iter().map(|(name, rule)| (name.as_str(), rule.within)).collect();
    assert_eq!(bounds, [("two", Some(Duration::from_secs(5)))]);
}
