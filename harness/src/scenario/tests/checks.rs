//! What scenarios say of checks.

use serde::Deserialize;

use super::*;
use crate::check::{Check, Evidence, Finding, OwnChecks};

/// A check of a catalogue's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frugal {
    #[expect(dead_code, reason = "only whether it can be read is tested")]
    at_most: u32,
}

impl Check for Frugal {
    fn name(&self) -> &'static str {
        "frugal"
    }

    fn law(&self) -> &'static str {
        "little is said"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::Retried]
    }

    fn examine(&self, _: &Evidence) -> Result<String, Finding> {
        Ok("little was said".to_owned())
    }
}

#[test]
fn a_check_of_the_catalogues_own_is_read_written_and_may_convict_specimens() {
    let text = with("[checks.frugal]\nat_most = 3\n").replace("\"delivery\"]", "\"delivery\", \"frugal\"]");
    let text = text.replace("[\"offered\"]", "[\"offered\", \"retried\"]");
    let scenario = Scenario::from_toml(&text, Path::new("idle.toml")).expect("no mistake");
    assert_eq!(scenario.checks.own.keys().collect::<Vec<_>>(), ["frugal"]);
    assert_eq!(scenario.check_own_checks(&frugal()), Ok(()));
    let written = scenario.to_toml();
    assert!(written.contains("[checks.frugal]\nat_most = 3\n"), "{written}");
    assert_eq!(Scenario::from_toml(&written, Path::new("idle.toml")), Ok(scenario));
}

#[test]
fn what_is_wrong_with_a_check_of_ones_own_is_told() {
    let error = |table: &str, own: &OwnChecks| {
        let scenario = Scenario::from_toml(&with(table), Path::new("idle.toml"))?;
        scenario.check_own_checks(own).map_err(|mistakes| mistakes[0].clone())
    };
    let told = |table: &str, own: &OwnChecks| error(table, own).expect_err("a mistake").to_string();
    let mistakes = [
        told("[checks.frugal]\nat_most = 3\n", &OwnChecks::default()),
        told("[checks.frugl]\nat_most = 3\n", &frugal()),
        told("[checks.frugal]\nat_mots = 3\n", &frugal()),
        told("[checks.frugal]\nat_most = -3\n", &frugal()),
        told("[checks.frugal]\nat_most = 3\n", &frugal()),
        told("[checks]\nfrugal = 3\n", &frugal()),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn what_a_broadcast_and_a_gauge_are_told_is_checked() {
    let told = |table: &str| {
        let text = with(table).replace("[\"offered\"]", "[\"offered\", \"gauge\", \"detected\"]");
        Scenario::from_toml(&text, Path::new("idle.toml")).expect_err("a mistake").to_string()
    };
    let mistakes = [
        told("[checks.broadcast]\nreceivers = []\n"),
        told("[checks.detect]\nwithin = \"5s\"\nobservers = [\"alice\"]\nfaults = [3]\n"),
        told("[checks.broadcast]\nreceivers = [\"alcie\"]\n"),
        told("[checks.broadcast]\nsenders = [\"alice\"]\n"),
        told("[checks.leaks]\ngauges = { queued = { at_mots = 5 } }\n"),
        told("[checks.leaks]\ngauges = { queued = { at_most = \"5\" } }\n"),
        told("[checks.leaks]\ngauges = { queued = { at_most = 5, established_on = \"chat\" } }\n"),
        told("[checks.leaks]\ngauges = { queued = \"5\" }\n"),
        told("[checks.leaks]\ngauges = { queued = {} }\n"),
        told("[checks.leaks]\ngauges = { queued = { at_most = 1, at_least = 2 } }\n"),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

fn frugal() -> OwnChecks {
    let mut own = OwnChecks::default();
    own.add::<Frugal>("frugal");
    own
}

/// The scenario without a mistake, and this table before its checks.
fn with(table: &str) -> String {
    GOOD.replace("[checks.delivery]", &format!("{table}\n[checks.delivery]"))
}
