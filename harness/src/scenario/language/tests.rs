//! The reference and the schemas are fresh, agree with the parser, and accept every scenario of the repository.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::key::{Form, Key, Presence, Shape, Table};
use super::schema::shape;
use super::values::words;
use super::{base_schema, checks, facts, reference, schema, tables, timing, triggers, verbs};
use crate::check::{
    Broadcast, CloseCode, Delivery, Detect, Expectations, Hygiene, Leaks, Livelock, Recover, Stops, Stream, Survival,
    Terminal, Truthful,
};
use crate::fault::Edge;
use crate::occurrence::Occurrence;
use crate::scenario::{LocatedValue, Scenario, arbitrary};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn the_reference_and_the_schemas_are_fresh() {
    let json = |schema: Json| serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    let files = [
        ("scenarios.md", reference()),
        ("scenario.schema.json", json(schema())),
        ("base.schema.json", json(base_schema())),
    ];
    for (name, now) in files {
        let path = Path::new(ROOT).join("docs").join(name);
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&path, &now).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let first = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
        assert!(
            now == kept,
            "docs/{name} is stale; `INSTA_UPDATE=always cargo test -p halfopen --lib language` writes it. The first line \
             that differs, as it is now and as it was kept: {first:#?}"
        );
    }
}

#[test]
fn every_scenario_of_the_repository_is_accepted_by_its_schema() {
    let folders = [
        "scenarios/catalogue",
        "examples/adopter/scenarios",
        "examples/museum/scenarios",
        "examples/museum/pool_retry/scenarios",
    ];
    let files: Vec<_> = folders.iter().flat_map(|folder| toml_files(&Path::new(ROOT).join(folder))).collect();
    assert!(files.len() > 100, "there are {} files only", files.len());
    let (scenario, base) = (validator(&schema()), validator(&base_schema()));
    for file in files {
        let is_base = file.parent().is_some_and(|folder| folder.ends_with("_base") || folder.ends_with("base"));
        let document = json(&std::fs::read_to_string(&file).expect("a file"));
        assert_accepted(if is_base { &base } else { &scenario }, &document, &file.display().to_string());
    }
}

#[test]
fn a_misspelt_key_or_word_is_refused_by_the_schema_and_by_the_parser() {
    let good = arbitrary::scenario().to_toml();
    let schema = validator(&schema());
    assert_accepted(&schema, &json(&good), "the scenario without a mistake");
    for (right, wrong) in [
        ("proves =", "provse ="),
        ("settle =", "setle ="),
        ("latency =", "latncy ="),
        ("start =", "begins ="),
        ("between =", "beteen ="),
        ("connection =", "conection ="),
        ("direction =", "direcsion ="),
        ("{ message =", "{ mesage ="),
        ("heal_after =", "heals_after ="),
        ("\"blackhole\"", "\"blackhol\""),
        ("\"half_open\"", "\"halfopen\""),
        ("\"received\"", "\"recieved\""),
        ("numbered =", "number ="),
        ("law =", "laws ="),
        ("deduplicated =", "deduplicate ="),
        ("at_least =", "atleast ="),
        ("same =", "some ="),
        ("\"ws_ping\"", "\"ws_pinng\""),
        ("convicted_by =", "convictedby ="),
        ("[[fault]]", "[[faults]]"),
        ("latency = \"35ms\"", "latency = 35"),
    ] {
        let text = good.replacen(right, wrong, 1);
        assert_ne!(text, good, "{right} is not in the scenario");
        assert!(!schema.is_valid(&json(&text)), "the schema accepts {wrong}");
        assert!(Scenario::from_toml(&text, Path::new("wrong.toml")).is_err(), "the parser accepts {wrong}");
    }
}

/// Values of every kind. Each key takes some of them.
const PALETTE: [&str; 16] = [
    "\"5s\"",
    "\"alice\"",
    "\"alice -> chat\"",
    "\"to_client\"",
    "\"client\"",
    "\"a word\"",
    "0",
    "3",
    "70000",
    "-1",
    "1.5",
    "true",
    "[\"alice\"]",
    "[1006]",
    "{}",
    "{ alice = 3 }",
];

#[test]
fn a_value_that_a_key_takes_is_a_value_that_the_schema_takes() {
    let of_verbs: Vec<Key> = verbs::forms().into_iter().flat_map(|verb| verb.keys).collect();
    let groups = [
        &tables::SCENARIO,
        &tables::NETWORK,
        &tables::HOST,
        &tables::LINK,
        &tables::SPECIMEN,
        &verbs::FAULT,
        &timing::RULE,
        &timing::BACKOFF,
    ];
    let of_tables = groups.into_iter().flat_map(Table::keys);
    let forms = triggers::TRIGGERS.iter().chain(&facts::ORIGINS).chain(&checks::LAWS).chain(&timing::OCCURRENCES);
    let of_forms = forms.flat_map(|form: &Form| form.keys);
    for key in &of_tables.chain(of_forms).copied().chain(of_verbs).filter(Key::is_checked).collect::<Vec<_>>() {
        let schema = validator(&shape(&key.shape));
        let example = key.example.to_string();
        for value in PALETTE.into_iter().chain([&*example]) {
            let (taken, is_valid) = (takes(key, value), schema.is_valid(&value_of(value)));
            // Whether a string is a name is checked when all of the scenario is known.
            assert!(taken == is_valid || (taken && names_hosts(&key.shape)), "`{}` = {value}: {taken}", key.name);
        }
        assert!(takes(key, &example), "`{}` does not take its example {example}", key.name);
        if let Presence::Default(default) = key.presence {
            assert!(takes(key, default), "`{}` does not take its default {default}", key.name);
        }
    }
}

#[test]
fn the_keys_of_each_check_are_those_of_the_type_that_reads_it() {
    let fields = [
        words::<Delivery>(),
        words::<Broadcast>(),
        words::<Truthful>(),
        words::<Terminal>(),
        words::<Stream>(),
        words::<CloseCode>(),
        words::<Detect>(),
        words::<Recover>(),
        words::<Survival>(),
        words::<Stops>(),
        words::<Hygiene>(),
        words::<Leaks>(),
        words::<Livelock>(),
    ];
    // The rules of `timing` and `backoff` have names of their own.
    let laws: Vec<_> = checks::LAWS.iter().map(|law| law.word).chain(["timing", "backoff"]).collect();
    assert_eq!(laws, Expectations::LAWS);
    let mut keys_of_occurrences: Vec<_> = timing::OCCURRENCES.iter().flat_map(|form| form.names()).collect();
    let mut fields_of_occurrences = words::<Occurrence>().to_vec();
    keys_of_occurrences.sort_unstable();
    keys_of_occurrences.dedup();
    fields_of_occurrences.sort_unstable();
    assert_eq!(keys_of_occurrences, fields_of_occurrences);
    for (law, fields) in checks::LAWS.iter().zip(fields) {
        assert_eq!(law.names(), fields, "{}", law.word);
    }
    let keys = |table: &Table| table.keys().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(keys(&timing::BACKOFF), words::<crate::check::backoff::BackoffRule>());
    assert_eq!(keys(&timing::RULE), words::<crate::check::timing::TimingRule>());
    assert_eq!(keys(&checks::SIGN), words::<crate::check::Sign>());
    assert_eq!(keys(&checks::ALLOWED_LOSS), words::<crate::check::AllowedLoss>());
    assert_eq!(keys(&checks::HEALTH), words::<crate::check::Health>());
    assert_eq!(keys(&checks::SOCKETS), words::<crate::check::leaks::EstablishedSockets>());
    assert_eq!(words::<Edge>(), ["before", "inside", "after"]);
}

#[test]
fn a_key_that_says_its_default_value_means_what_it_means_without() {
    let without = "proves = \"x\"\n[network]\n[actor.alice]\nrun = \"talker\"\n";
    let read = |text: &str| Scenario::from_toml(text, Path::new("x.toml")).unwrap_or_else(|error| panic!("{error}"));
    for (table, keys) in [
        ("proves = \"x\"\n", &tables::SCENARIO),
        ("[network]\n", &tables::NETWORK),
        ("[actor.alice]\n", &tables::ACTOR),
    ] {
        for key in keys.keys() {
            let Presence::Default(default) = key.presence else { continue };
            let name = key.name;
            if name == "forgets" {
                continue;
            }
            let text = without.replacen(table, &format!("{table}{name} = {default}\n"), 1);
            assert_eq!(read(&text), read(without), "`{name}`");
        }
    }
}

proptest! {
    #[test]
    fn any_fault_that_the_parser_reads_is_accepted_by_the_schema(fault in arbitrary::fault()) {
        let mut scenario = arbitrary::scenario();
        scenario.rules = vec![fault.into()];
        let document = json(&scenario.to_toml());
        prop_assert!(validator(&schema()).is_valid(&document), "{}", document);
    }
}

fn names_hosts(shape: &Shape) -> bool {
    match shape {
        Shape::Host => true,
        Shape::List(of) | Shape::Named(of) => names_hosts(of),
        Shape::Table(table) => table.keys().any(|key| names_hosts(&key.shape)),
        Shape::Either(shapes) => shapes.iter().any(names_hosts),
        Shape::Text
        | Shape::Link
        | Shape::Flag
        | Shape::Whole(..)
        | Shape::Duration
        | Shape::Date
        | Shape::Words(_)
        | Shape::WordsOf(_)
        | Shape::Scalar
        | Shape::Range
        | Shape::Free
        | Shape::Section(_) => false,
    }
}

fn takes(key: &Key, value: &str) -> bool {
    let document = LocatedValue::parse(&format!("value = {value}"), Path::new("value.toml")).expect("TOML");
    key.check(document.get("value").expect("the value")).is_ok()
}

fn value_of(value: &str) -> Json {
    json(&format!("value = {value}"))["value"].clone()
}

/// A TOML document as editors hand it to a schema: dates are strings.
fn json(text: &str) -> Json {
    let table: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::to_value(table).expect("JSON")
}

fn validator(schema: &Json) -> Validator {
    jsonschema::draft7::new(schema).unwrap_or_else(|error| panic!("no schema: {error}"))
}

fn assert_accepted(schema: &Validator, document: &Json, name: &str) {
    let errors: Vec<_> =
        schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}");
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .flat_map(|path| if path.is_dir() { toml_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}
