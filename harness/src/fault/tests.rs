//! What every verb of the list can do, and a verb that is added to it.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Act, ConnectionVerb, Connections, Entry, Fault, Holds, Key, OnConnection, Registry, Verb, Without};
use crate::Plan;
use crate::name::{Direction, Side};
use crate::plane::Struck;
use crate::plane::tests::{Fixture, lines};
use crate::scenario::Scenario;
use crate::seed::Seed;

/// Asserts that a verb, as a file writes it, is told in these words, and is the same when it is written and read again.
pub(in crate::fault) fn told(verb: &str, words: &str) {
    let scenario = scenario(verb, &Registry::default());
    assert_eq!(scenario.rules[0].acts[0].verb().to_string(), words);
    let again = Scenario::from_toml(&scenario.to_toml(), Path::new("told.toml"));
    assert_eq!(again, Ok(scenario), "it is another when it is read again");
}

/// What a verb does to the open connection `alice->chat#1`, or to its hosts, after a second.
pub(in crate::fault) fn effects(verb: &str) -> Vec<String> {
    let scenario = scenario(verb, &Registry::default());
    effects_of(&Plan::draw(&scenario, Seed(1)).faults)
}

fn effects_of(faults: &[Fault]) -> Vec<String> {
    lines(&Fixture::connected(faults).wait())
}

/// A scenario whose only fault is this verb, at the first of a few triggers that it accepts.
fn scenario(verb: &str, registry: &Registry) -> Scenario {
    let word = verb.split(['"', '\'']).nth(1).expect("the verb has a word");
    let target = match registry.entry(word).expect("it is registered").place() {
        "link" => "link = 'alice -> chat'",
        "between" => "between = ['alice', 'chat']",
        _ => "host = 'chat'",
    };
    let triggers = [
        "{ at = '1s' }",
        "{ message = 1, direction = 'to_client' }",
        "{ http_head = 1, direction = 'to_client' }",
        "{ sse_event = 1 }",
    ];
    let hosts = "proves = 'it'\n[host.chat]\nrun = 'a'\n[host.other]\nrun = 'a'\n[actor.alice]\nrun = 'b'\n";
    let text = |trigger| format!("{hosts}[[fault]]\n{target}\nwhen = {trigger}\n{verb}\n");
    let read = |trigger| Scenario::from_toml_with(&text(trigger), Path::new("told.toml"), registry);
    let read: Vec<_> = triggers.into_iter().map(read).collect();
    read.iter().flatten().next().unwrap_or_else(|| panic!("{read:?}")).clone()
}

impl Act {
    /// The connections that an act of a link strikes.
    pub(crate) fn connections(&mut self) -> &mut Connections {
        match self {
            Self::Connection { on, .. }
            | Self::Path { on, .. }
            | Self::Attempt { on, .. }
            | Self::Listener { on, .. } => on,
            Self::Lookup { .. } | Self::Pair { .. } | Self::Host { .. } => panic!("{self:?} strikes no connection"),
        }
    }
}

/// A verb that only this test knows: one end hangs up, a given number of times.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct HangUp {
    by: Side,
    #[serde(default)]
    loudly: bool,
}

impl Verb for HangUp {
    type Place = OnConnection;
    const WORD: &'static str = "hang_up";
    const DOES: &'static str = "one end hangs up";
    const KEYS: &'static [Key] = &[
        Key::required("by", Holds::Word(&["client", "server"]), "the end that hangs up"),
        Key::or("loudly", Holds::Flag, "false", "by RST"),
    ];
}

impl ConnectionVerb for HangUp {
    fn strike(&self, struck: &mut Struck<'_>) {
        match self.loudly {
            true => struck.reset(self.by.peer()),
            false => struck.finish(self.by.peer()),
        }
    }

    fn silences(&self) -> bool {
        true
    }
}

fn with_hang_up() -> Registry {
    let mut registry = Registry::default();
    registry.add::<HangUp>();
    registry
}

#[test]
fn a_verb_that_is_added_is_listed_read_drawn_told_written_and_struck() {
    let registry = with_hang_up();
    assert_eq!(registry.entries().last().map(Entry::word), Some("hang_up"));
    let drawn = scenario("do = 'hang_up'\nby = ['client', 'server']\nloudly = true", &registry);
    let plans = (0..20).map(|seed| Plan::draw(&drawn, Seed(seed)));
    let told: BTreeSet<_> = plans.map(|plan| plan.faults[0].to_string()).collect();
    let by = |side| format!("hang_up(by \"{side}\", loudly true) on alice->chat at 1s");
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [by("client"), by("server")]);
    let again = Scenario::from_toml_with(&drawn.to_toml(), Path::new("told.toml"), &registry);
    assert_eq!(again, Ok(drawn));
    let quiet = scenario("do = 'hang_up'\nby = 'client'", &registry);
    let act = &quiet.rules[0].acts[0];
    assert!(act.silences() && !act.is_final(), "the checks ask it");
    let effects = effects_of(&Plan::draw(&quiet, Seed(1)).faults);
    assert_eq!(effects, ["alice->chat#1: hang_up(by \"client\", loudly false)", "fin to server", "to_client severed"]);
}

#[test]
fn a_verb_that_is_added_is_refused_like_the_others() {
    let mistakes = [
        "link = 'alice -> chat'\ndo = 'hang_up'",
        "link = 'alice -> chat'\ndo = 'hang_up'\nby = 'clinet'",
        "link = 'alice -> chat'\ndo = 'hang_up'\nby = 'client'\nloud = true",
        "link = 'alice -> chat'\ndo = 'hangup'\nby = 'client'",
        "host = 'chat'\ndo = 'hang_up'\nby = 'client'",
    ];
    let hosts = "proves = 'it'\n[host.chat]\nrun = 'a'\n[actor.alice]\nrun = 'b'\n[[fault]]\nwhen = { at = '1s' }\n";
    let told = mistakes.map(|fault| {
        let text = format!("{hosts}{fault}\n");
        let mistake = Scenario::from_toml_with(&text, Path::new("told.toml"), &with_hang_up());
        mistake.expect_err("a mistake").to_string()
    });
    insta::assert_snapshot!(told.join("\n"), @"
    told.toml:9: `hang_up` needs `by`
    told.toml:10: `by`: there is no `clinet` here; did you mean `client`?
    told.toml:11: `hang_up` takes no `loud`; its parameters are `by` and `loudly`; did you mean `loudly`?
    told.toml:9: there is no verb `hangup`; did you mean `hang_up`?
    told.toml:9: `hang_up` strikes what `link` names, and this fault has `host`
    ");
}

#[test]
#[should_panic(expected = "that is the verb `half_close`, or `half_close` misspelt")]
fn a_verb_that_would_pass_for_another_misspelt_is_not_added() {
    #[derive(Debug, Serialize, Deserialize)]
    struct HalfClosed;

    impl Verb for HalfClosed {
        type Place = OnConnection;
        const WORD: &'static str = "half_closed";
        const DOES: &'static str = "nothing";
        const KEYS: &'static [Key] = &[];
    }

    impl ConnectionVerb for HalfClosed {
        fn strike(&self, _: &mut Struck<'_>) {}
    }

    Registry::default().add::<HalfClosed>();
}

#[test]
fn every_default_is_a_value_that_its_key_may_have() {
    for entry in Registry::default().entries() {
        for key in entry.keys() {
            let Without::Default(written) = key.without else { continue };
            let value: toml::Table = toml::from_str(&format!("default = {written}")).expect("it is TOML");
            let fits = match (key.holds, &value["default"]) {
                (Holds::Word(words), toml::Value::String(word)) => words.contains(&word.as_str()),
                (Holds::Whole { least, most }, toml::Value::Integer(n)) => (least..=most).contains(&(*n as u64)),
                (Holds::Text, toml::Value::String(_)) | (Holds::Flag, toml::Value::Boolean(_)) => true,
                (Holds::Time | Holds::Whole { .. } | Holds::Text | Holds::Flag | Holds::Host | Holds::Word(_), _) => {
                    false
                }
            };
            assert!(fits, "`{}` of `{}` cannot be {written}", key.name, entry.word());
        }
    }
}

#[test]
fn words_are_sorted_into_no_two_entries_and_every_key_says_what_it_means() {
    let registry = Registry::default();
    let words: BTreeSet<_> = registry.words().collect();
    assert_eq!(words.len(), registry.entries().len());
    let silent = registry.entries().iter().flat_map(|entry| entry.keys()).find(|key| key.means.is_empty());
    assert_eq!(silent, None);
    assert_eq!(super::key::DIRECTIONS, Direction::BOTH.map(|direction| direction.to_string()));
    assert_eq!(super::key::SIDES, [Side::Client, Side::Server].map(|side| side.to_string()));
}
