//! A check of a catalogue's own, from its table in a file to its verdict.

use std::path::PathBuf;
use std::{fs, time::Duration};

use halfopen::FactKind;
use halfopen::check::{Check, Evidence, Finding, Verdict};
use halfopen::internals::Capsule;
use halfopen::trace::RecordKind;
use halfopen::{Catalogue, Plan, Seed};
use serde::Deserialize;
use tokio::time::sleep;

/// No host receives twice within this time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paced {
    apart_ms: u64,
}

impl Check for Paced {
    fn name(&self) -> &'static str {
        "paced"
    }

    fn law(&self) -> &'static str {
        "no host is told too much at once"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::Received]
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        evidence.must_tell(&self.needs())?;
        let is_receipt = |what: &RecordKind| matches!(what, RecordKind::Fact(fact) if fact.kind == FactKind::Received);
        let receipts: Vec<_> = (0..).zip(evidence.records).filter(|(_, record)| is_receipt(&record.what)).collect();
        for pair in receipts.windows(2) {
            if pair[1].1.at - pair[0].1.at < Duration::from_millis(self.apart_ms) {
                let sentence = "two receipts followed each other too closely.";
                return Err(Finding::new("too close", sentence).witness([pair[0].0, pair[1].0]));
            }
        }
        Ok(format!("{} receipts, paced", receipts.len()))
    }
}

const SCENARIO: &str = r#"
proves = "a reader is told one thing at a time"

[actor.reader]
run = "slow"
tells = ["received"]

[checks.paced]
apart_ms = 1000

[[specimen]]
name = "hasty"
host = "reader"
run = "hasty"
convicted_by = ["paced"]
"#;

#[test]
fn a_check_of_ones_own_acquits_the_real_thing_and_convicts_its_specimen() {
    let catalogue = catalogue("own_check", SCENARIO);
    catalogue.check("pace");
    let scenario = catalogue.scenario("pace").expect("the scenario is in order");
    let hasty = scenario.with_specimen(&scenario.specimens[0]);
    let told = |plan: &Plan| {
        let outcome = catalogue.run(plan).expect("it runs");
        let verdict = outcome.verdicts.into_iter().find(|verdict| verdict.check() == "paced").expect("it judges");
        match verdict {
            Verdict::Held { summary, .. } => summary,
            Verdict::Broken(violation) => violation.signature.to_string(),
        }
    };
    assert_eq!(told(&Plan::draw(&scenario, Seed(1))), "2 receipts, paced");
    let plan = Plan::draw(&hasty, Seed(1));
    assert_eq!(told(&plan), "paced: too close");
    let capsule = Capsule::new(plan, None).to_toml();
    let replayed = Capsule::from_toml(&capsule, &PathBuf::from("capsule.toml")).expect("a capsule reads back");
    assert_eq!(told(&replayed.plan), "paced: too close");
}

#[test]
fn a_check_that_nobody_registered_is_a_mistake_of_the_scenario_that_names_those_there_are() {
    let unknown = catalogue("own_check_unknown", &SCENARIO.replace("paced", "pacde"));
    let errors = unknown.scenario("pace").expect_err("there is no such check");
    let told = errors[0].to_string();
    assert!(told.ends_with("pace.toml:8: there is no check `pacde`; did you mean `paced`?"), "{told}");
    let unread = catalogue("own_check_unread", &SCENARIO.replace("apart_ms = 1000", "apart = 1000"));
    let told = unread.scenario("pace").expect_err("its table does not fit")[0].to_string();
    assert!(told.contains("pace.toml:8: the check `paced` cannot be configured so: unknown field `apart`"), "{told}");
}

fn catalogue(folder: &str, scenario: &str) -> Catalogue {
    let root = env!("CARGO_TARGET_TMPDIR");
    let folder_path = PathBuf::from(root).join(folder);
    fs::create_dir_all(&folder_path).expect("the target folder can be written to");
    fs::write(folder_path.join("pace.toml"), scenario).expect("the target folder can be written to");
    Catalogue::new(root, folder)
        .own_check::<Paced>("paced")
        .actor("slow", async |cx| {
            cx.received("m-1");
            sleep(Duration::from_secs(2)).await;
            cx.received("m-2");
            Ok(())
        })
        .actor("hasty", async |cx| {
            cx.received("m-1");
            sleep(Duration::from_millis(500)).await;
            cx.received("m-2");
            Ok(())
        })
}
