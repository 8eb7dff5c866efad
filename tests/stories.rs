//! What the catalogue tells: the story of each scenario under seed 1, and the report of each specimen's conviction, as
//! snapshots in `snapshots/`, one file each.
//!
//! A change of behaviour shows here as a diff that can be read. To accept all of them:
//! `INSTA_UPDATE=always cargo test -p halfopen-tests --test stories`.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use halfopen::internals::Specimen;
use halfopen::trace::{Record, RecordKind};
use halfopen::{Catalogue, FactKind, Outcome, Plan, Scenario, Seed};
use halfopen_scenarios::catalogue;

/// The seed of the stories: the first that the command plays.
const SEED: Seed = Seed(1);
/// How many seeds are tried until one convicts a specimen: as many as `Catalogue::check` plays.
const SEEDS: u64 = 64;

/// A longer story cannot be reviewed; only its first lines are kept.
const LONGEST: usize = 1_000;
const READ: usize = 100;

#[test]
fn every_scenario_tells_its_story_and_every_snapshot_has_its_scenario() {
    let catalogue = catalogue();
    let scenarios = scenarios(&catalogue);
    let mut names = BTreeSet::new();
    let mut changed = Vec::new();
    for scenario in &scenarios {
        let outcome = run(&catalogue, &Plan::draw(scenario, SEED));
        let mut told = vec![(scenario.name.clone(), reviewable(&outcome.story()))];
        for specimen in &scenario.specimens {
            let name = format!("{}--{}", scenario.name, specimen.name);
            told.push((name, conviction(&catalogue, scenario, specimen)));
        }
        for (name, text) in told {
            if catch_unwind(AssertUnwindSafe(|| assert_told(&name, &scenario.proves, &text))).is_err() {
                changed.push(name.clone());
            }
            names.insert(name);
        }
    }
    assert!(changed.is_empty(), "{} stories have changed, see the diffs above: {}", changed.len(), changed.join(", "));
    let orphans: Vec<_> = snapshots().into_iter().filter(|(name, _)| !names.contains(name)).collect();
    if std::env::var("INSTA_UPDATE").is_ok_and(|wish| wish == "always") {
        orphans.iter().for_each(|(_, path)| std::fs::remove_file(path).expect("the snapshot can be removed"));
    } else {
        assert!(orphans.is_empty(), "no scenario or specimen tells these snapshots: {orphans:?}");
    }
}

#[test]
fn every_scenario_holds_under_the_seed_of_its_story() {
    let catalogue = catalogue();
    for scenario in scenarios(&catalogue) {
        let outcome = run(&catalogue, &Plan::draw(&scenario, SEED));
        assert!(outcome.passed(), "{}", outcome.story());
        let told = gauges(&outcome);
        let bounded = scenario.checks.leaks.iter().flat_map(|leaks| leaks.gauges.keys());
        let untold: Vec<_> = bounded.filter(|gauge| !told.contains(gauge.as_str())).collect();
        assert!(
            untold.is_empty(),
            "{}: a gauge may go untold by specimens, not by services: {untold:?}",
            scenario.name
        );
    }
}

/// The gauges that the services tell.
fn gauges(outcome: &Outcome) -> BTreeSet<&str> {
    fn gauge(record: &Record) -> Option<&str> {
        match &record.what {
            RecordKind::Fact(fact) => (fact.kind == FactKind::Gauge).then_some(fact.key.as_str()),
            RecordKind::Connection { .. }
            | RecordKind::Unit { .. }
            | RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Event(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => None,
        }
    }
    outcome.trace.records.iter().filter_map(gauge).collect()
}

/// A story that a person reads to its end; of a longer one its beginning, and how much there is.
fn reviewable(story: &str) -> String {
    let lines: Vec<_> = story.lines().collect();
    if lines.len() <= LONGEST {
        return story.to_owned();
    }
    format!("{}\n... {} lines in all", lines[..READ].join("\n"), lines.len())
}

/// The report under the first seed that convicts the specimen. The real service is acquitted under the same plan.
fn conviction(catalogue: &Catalogue, scenario: &Scenario, specimen: &Specimen) -> String {
    let defective = scenario.with_specimen(specimen);
    let convicted = |plan: &Plan| {
        let outcome = run(catalogue, plan);
        let found = outcome.violations().any(|violation| specimen.convicted_by.iter().any(|by| by == violation.check));
        found.then_some(outcome)
    };
    let (plan, outcome) = (1..=SEEDS)
        .map(|seed| Plan::draw(&defective, Seed(seed)))
        .find_map(|plan| convicted(&plan).map(|outcome| (plan, outcome)))
        .unwrap_or_else(|| panic!("{} goes free under {SEEDS} seeds of {}", specimen.name, scenario.name));
    let real = run(catalogue, &Plan { scenario: scenario.clone(), ..plan.clone() });
    assert!(real.passed(), "the real service is convicted beside its specimen:\n{}", real.story());
    let line = format!("cargo halfopen replay {} --seed {} --specimen {}", scenario.name, plan.seed, specimen.name);
    outcome.failure_report(&line)
}

fn assert_told(name: &str, proves: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(proves);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The snapshots that there are, by name.
fn snapshots() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder()).expect("there is a folder of snapshots");
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let snapshots = paths.filter(|path| path.extension().is_some_and(|extension| extension == "snap"));
    snapshots.map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}

fn scenarios(catalogue: &Catalogue) -> Vec<Scenario> {
    catalogue.scenarios().unwrap_or_else(|errors| panic!("the catalogue has mistakes: {errors:?}"))
}

fn run(catalogue: &Catalogue, plan: &Plan) -> Outcome {
    catalogue.run(plan).unwrap_or_else(|error| panic!("{}: {error}", plan.scenario.name))
}
