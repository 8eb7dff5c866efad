//! The JSON schemas of scenarios and bases, draft 7: the newest draft that TOML editors (taplo) read.

use serde_json::{Map, Value, json};

use super::key::{Form, Key, Presence, Shape, Table};
use super::reference::sentence;
use super::tables::{ACTOR, BASE, HOST, SCENARIO};
use super::triggers::TRIGGERS;
use super::verbs::{self, FAULT, VerbForm};
use super::{checks, facts, timing};
use crate::fault::Registry;
use crate::scenario::read::EACH;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The JSON schema of a scenario's file. An editor that reads TOML schemas completes and checks a file with it:
///
/// ```toml
/// #:schema ../docs/scenario.schema.json
/// proves = "an idle close is noticed"
/// ```
///
/// It accepts every file that the parser reads, and refuses unknown keys and words. What no single table shows, as that
/// there is no host of a name, is left to the parser.
pub fn schema() -> Value {
    let mut schema = document(&SCENARIO, "A scenario of halfopen");
    // What a scenario with a base leaves out, its base says.
    let needs_run = |table: &Table| json!({ "additionalProperties": { "required": required(table) } });
    let laws = checks::LAWS.iter().map(|law| {
        let needs = json!({ "required": names_of_required(law.keys.iter()) });
        (law.word.to_owned(), needs)
    });
    let checks = json!({ "properties": laws.collect::<Map<_, _>>() });
    let alone = json!({ "properties": { "host": needs_run(&HOST), "actor": needs_run(&ACTOR), "checks": checks } });
    schema["if"] = json!({ "not": { "required": ["base"] } });
    schema["then"] = alone;
    schema
}

/// The JSON schema of a file that scenarios name as their `base`.
pub fn base_schema() -> Value {
    document(&BASE, "A base of scenarios of halfopen")
}

fn document(table: &Table, title: &str) -> Value {
    let mut schema = closed(table.keys());
    schema["$schema"] = json!(DRAFT);
    schema["title"] = json!(title);
    schema["required"] = json!(required(table));
    schema["definitions"] = json!({
        "facts": one_of_forms(&facts::ORIGINS, plain),
        "checks": all_checks(),
        "occurrence": occurrence(),
        "wanted": wanted(),
        "trigger": trigger(),
        "moment": moment(),
        "verbs": { "type": "array", "minItems": 1, "items": with_verb(&[]) },
        "fault": fault(),
        "when": when(),
        "do": verb_word_or_choice(),
    });
    for verb in &verbs::forms() {
        schema["definitions"][definition_of(verb)] = json!({
            "description": sentence(verb.says),
            "required": names_of_required(verb.keys.iter()),
            "properties": properties(verb.keys.iter(), drawn),
        });
    }
    schema
}

fn required(table: &Table) -> Vec<&'static str> {
    names_of_required(table.keys())
}

fn names_of_required<'k>(keys: impl Iterator<Item = &'k Key>) -> Vec<&'static str> {
    keys.filter(|key| key.presence == Presence::Required).map(|key| key.name).collect()
}

/// A table with these keys and no other.
fn closed<'k>(keys: impl Iterator<Item = &'k Key>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties(keys, plain) })
}

fn properties<'k>(keys: impl Iterator<Item = &'k Key>, value: fn(&Key) -> Value) -> Value {
    Value::Object(keys.map(|key| (key.name.to_owned(), described(key, value(key)))).collect())
}

fn described(key: &Key, mut value: Value) -> Value {
    value["description"] = json!(sentence(key.says));
    if let Presence::Default(default) = key.presence {
        value["default"] = json_of(default);
    }
    value["examples"] = json!([json_of(&key.example.to_string())]);
    value
}

/// A TOML value as JSON.
///
/// # Panics
///
/// If it is not TOML, as all values in the tables of the language are.
fn json_of(value: &str) -> Value {
    let table: toml::Table = toml::from_str(&format!("value = {value}")).expect("the language's values are TOML");
    serde_json::to_value(&table["value"]).expect("TOML values are JSON values")
}

fn plain(key: &Key) -> Value {
    shape(&key.shape)
}

/// A value, or a list of values from which the seed draws one.
fn drawn(key: &Key) -> Value {
    let one = shape(&key.shape);
    json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
}

pub(super) fn shape(of: &Shape) -> Value {
    const NAME: &str = "[A-Za-z0-9_-]+";
    match of {
        Shape::Text => json!({ "type": "string" }),
        Shape::Host => json!({ "type": "string", "pattern": format!("^{NAME}$") }),
        Shape::Link => json!({ "type": "string", "pattern": format!("^\\s*{NAME}\\s*->\\s*{NAME}\\s*$") }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole(i64::MIN, _) => json!({ "type": "integer" }),
        Shape::Whole(least, most) if *most >= i64::MAX as u64 => json!({ "type": "integer", "minimum": least }),
        Shape::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Duration => json!({ "type": "string", "pattern": "^\\s*([0-9.]+\\s*[A-Za-zµ]+\\s*)+$" }),
        Shape::Date => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]" }),
        Shape::WordsOf(words) => json!({ "enum": words }),
        Shape::Words(words) => json!({ "enum": words() }),
        Shape::Scalar => json!({ "type": ["string", "integer", "boolean"] }),
        Shape::Range => json!({ "type": "string", "pattern": "^\\s*[0-9]+\\s*\\.\\.=\\s*[0-9]+\\s*$" }),
        Shape::List(item) => json!({ "type": "array", "items": shape(item) }),
        Shape::Named(value) => json!({ "type": "object", "additionalProperties": shape(value) }),
        Shape::Table(table) if std::ptr::eq(*table, &HOST) || std::ptr::eq(*table, &ACTOR) => closed(table.keys()),
        Shape::Table(table) => {
            let mut schema = closed(table.keys());
            schema["required"] = json!(required(table));
            schema
        }
        Shape::Free => json!({ "type": "object" }),
        Shape::Either(shapes) => json!({ "anyOf": shapes.iter().map(shape).collect::<Vec<_>>() }),
        Shape::Section(name) => json!({ "$ref": format!("#/definitions/{name}") }),
    }
}

/// A table that has the keys of exactly one of these forms: the form whose word is among its keys.
fn one_of_forms(forms: &'static [Form], value: fn(&Key) -> Value) -> Value {
    let all = forms.iter().map(|form| {
        json!({
            "description": form.says,
            "type": "object",
            "additionalProperties": false,
            "required": names_of_required(form.keys.iter()),
            "properties": properties(form.keys.iter(), value),
        })
    });
    json!({ "oneOf": all.collect::<Vec<_>>() })
}

fn trigger() -> Value {
    one_of_forms(&TRIGGERS, drawn)
}

/// What can occur, or a list of that.
fn occurrence() -> Value {
    let one = one_of_forms(&timing::OCCURRENCES, plain);
    json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
}

/// A trigger with the link on which it counts.
fn moment() -> Value {
    let mut moments = trigger();
    for form in moments["oneOf"].as_array_mut().into_iter().flatten() {
        form["properties"]["link"] = shape(&Shape::Link);
    }
    moments
}

/// A trigger, a moment's name, a moment with other keys, or several of these, from which the seed draws one.
fn when() -> Value {
    let name = json!({ "type": "string" });
    let mut keys: Map<_, _> =
        TRIGGERS.iter().flat_map(|form| form.keys).map(|key| (key.name.to_owned(), json!({}))).collect();
    keys.insert("moment".to_owned(), json!({ "anyOf": [name, { "type": "array", "items": name }] }));
    let of_moment =
        json!({ "type": "object", "required": ["moment"], "additionalProperties": false, "properties": keys });
    let one = [json!({ "$ref": "#/definitions/trigger" }), name, of_moment];
    let choice = one_of(&json!({ "anyOf": one }));
    json!({ "anyOf": one.into_iter().chain([choice]).collect::<Vec<_>>() })
}

/// The value of a field, or whether there is one.
fn wanted() -> Value {
    let present = json!({ "present": { "type": "boolean" } });
    let presence = json!({
        "type": "object", "required": ["present"], "additionalProperties": false, "properties": present,
    });
    json!({ "anyOf": [shape(&Shape::Scalar), presence] })
}

/// `{ one_of = [...] }`.
fn one_of(item: &Value) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["one_of"],
        "properties": { "one_of": { "type": "array", "minItems": 1, "items": item } },
    })
}

/// What stands under `do`: a verb, several from which the seed draws one, or such a choice with parameters of their own.
fn verb_word_or_choice() -> Value {
    let list = json!({ "type": "string" });
    let mut choice = one_of(&json!({ "anyOf": [with_verb(&[]), list] }));
    let several = choice["properties"]["one_of"].take();
    choice["properties"]["one_of"] = json!({ "anyOf": [several, list] });
    json!({ "anyOf": [verb_words(), choice] })
}

fn verb_words() -> Value {
    let words: Vec<_> = Registry::default().words().collect();
    json!({ "anyOf": [{ "enum": words }, { "type": "array", "minItems": 1, "items": { "enum": words } }] })
}

fn fault() -> Value {
    let beside: Vec<_> = FAULT.keys().filter(|key| key.name != "do").collect();
    let mut schema = with_verb(&beside);
    schema["required"] = json!(required(&FAULT));
    schema["properties"]["do"] = described_do();
    let names: Vec<_> = FAULT.keys().map(|key| key.name).collect();
    let choice = json!({ "properties": { "do": { "type": "object" } } });
    let rule = json!({ "if": choice, "then": { "propertyNames": { "enum": names } } });
    if let Some(rules) = schema["allOf"].as_array_mut() {
        rules.push(rule);
    }
    schema
}

fn described_do() -> Value {
    let key = FAULT.keys().find(|key| key.name == "do");
    key.map_or_else(verb_word_or_choice, |key| described(key, shape(&key.shape)))
}

/// A table with a verb under `do`, the verb's parameters, and these keys.
fn with_verb(beside: &[&'static Key]) -> Value {
    let here = beside.iter().map(|key| (key.name.to_owned(), described(key, shape(&key.shape))));
    let verbs = verbs::forms();
    let parameters_of_all = verbs.iter().flat_map(|verb| &verb.keys).map(|key| (key.name.to_owned(), json!({})));
    let mut keys: Map<_, _> = parameters_of_all.chain(here).collect();
    keys.insert("do".to_owned(), verb_words());
    let names: Vec<_> = beside.iter().map(|key| key.name).collect();
    json!({
        "type": "object",
        "required": ["do"],
        "properties": keys,
        "allOf": verbs.iter().map(|verb| parameters(verb, &names)).collect::<Vec<_>>(),
    })
}

/// That a table whose `do` is, or lists, a verb has no keys but the verb's parameters and these.
fn parameters(verb: &VerbForm, beside: &[&str]) -> Value {
    let word = verb.word;
    let names = [&["do"], beside, &verb.keys.iter().map(|key| key.name).collect::<Vec<_>>()[..]].concat();
    let is_or_lists = json!({ "anyOf": [{ "const": word }, { "type": "array", "contains": { "const": word } }] });
    json!({
        "if": { "required": ["do"], "properties": { "do": is_or_lists } },
        "then": {
            "allOf": [{ "$ref": format!("#/definitions/{}", definition_of(verb)) }],
            "propertyNames": { "enum": names },
        },
    })
}

/// The definition of a verb's parameters.
fn definition_of(verb: &VerbForm) -> String {
    format!("do_{}", verb.word)
}

/// The laws; a check of a catalogue's own is any table. `false` drops a check of the base.
fn all_checks() -> Value {
    let law = |law: &Form| {
        let table = closed(law.keys.iter());
        (law.word.to_owned(), json!({ "description": law.says, "anyOf": [table, { "const": false }] }))
    };
    let mut laws: Map<_, _> = checks::LAWS.iter().map(law).collect();
    let each = json!({ "const": EACH });
    let state = json!({ "anyOf": [shape(&Shape::Table(&checks::SIGN)), each] });
    let states = json!({ "anyOf": [{ "type": "object", "additionalProperties": state }, each, { "const": false }] });
    laws.insert("sometimes".to_owned(), states);
    for (name, table) in [("timing", &timing::RULE), ("backoff", &timing::BACKOFF)] {
        let rule = json!({ "anyOf": [closed(table.keys()), { "const": false }] });
        let rules = json!({ "anyOf": [{ "type": "object", "additionalProperties": rule }, { "const": false }] });
        laws.insert(name.to_owned(), rules);
    }
    let own = json!({ "anyOf": [{ "type": "object" }, { "const": false }] });
    json!({ "type": "object", "properties": laws, "additionalProperties": own })
}
