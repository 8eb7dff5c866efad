//! A scenario as TOML: everything that it says, in the order in which a person would write it.

use std::fmt::Write;
use std::time::Duration;

use toml::{Table, Value};

use super::duration::written;
use super::facts::{self, written_link};
use super::rule::ANYWHERE;
use super::verb::as_toml;
use super::{FaultRule, HostSpec, LinkParameters, Network, Role, Scenario, When, trigger};
use crate::fault::{Act, Fault, Middlebox, Target};

type Keys = Vec<(&'static str, Value)>;

/// The whole scenario. Its tables stand below `prefix`, which is empty or ends with a dot.
pub(crate) fn document(scenario: &Scenario, prefix: &str) -> String {
    let mut text = String::new();
    let string = |text: &String| Value::String(text.clone());
    if let Some(table) = prefix.strip_suffix('.') {
        header(&mut text, "", table);
    }
    let tags = (!scenario.tags.is_empty()).then(|| ("tags", as_toml(&scenario.tags)));
    let own = vec![
        ("name", string(&scenario.name)),
        ("proves", string(&scenario.proves)),
        ("starts_at", super::date::written(scenario.starts_at)),
        ("time_limit", written(scenario.time_limit)),
        ("settle", written(scenario.settle)),
    ];
    lines(&mut text, own);
    lines(&mut text, scenario.seeds.map(|seeds| ("seeds", Value::Integer(seeds.into()))).into_iter().collect());
    lines(&mut text, tags.into_iter().collect());
    header(&mut text, prefix, "network");
    let Network { link, interleaved, arrivals } = scenario.network;
    lines(&mut text, link_keys(Some(link.latency), Some(link.send_buffer_bytes), Some(link.receive_buffer_bytes)));
    lines(&mut text, middlebox_keys(link.middlebox));
    let usual = LinkParameters::default().tcp_syn_linear_timeouts;
    lines(&mut text, syn_keys(Some(link.tcp_syn_linear_timeouts).filter(|timeouts| *timeouts != usual)));
    lines(&mut text, vec![("interleaved", Value::Boolean(interleaved))]);
    lines(&mut text, arrivals.map(|arrivals| ("arrivals", as_toml(&arrivals))).into_iter().collect());
    scenario.hosts.iter().for_each(|spec| host(&mut text, prefix, spec));
    for link in &scenario.links {
        item(&mut text, prefix, "link");
        let (one, other) = &link.between;
        lines(&mut text, vec![("between", as_toml(&[one, other]))]);
        lines(&mut text, link_keys(link.latency, link.send_buffer_bytes, link.receive_buffer_bytes));
        lines(&mut text, middlebox_keys(link.middlebox));
        lines(&mut text, syn_keys(link.tcp_syn_linear_timeouts));
    }
    for rule in &scenario.rules {
        item(&mut text, prefix, "fault");
        fault_rule(&mut text, rule);
    }
    for source in &scenario.facts {
        item(&mut text, prefix, "facts");
        lines(&mut text, facts::keys(source));
    }
    if scenario.checks != Default::default() {
        let mut checks: Table = Table::try_from(&scenario.checks).expect("expectations can be written as TOML");
        checks.extend(scenario.checks.own.iter().map(|(name, config)| (name.clone(), Value::Table(config.clone()))));
        below(&mut text, prefix, &["checks"], Value::Table(checks));
    }
    convictions(&mut text, prefix, scenario);
    text
}

/// What must be convicted: specimens, and what a catalogue has not been asked for yet.
fn convictions(text: &mut String, prefix: &str, scenario: &Scenario) {
    let string = |text: &String| Value::String(text.clone());
    for specimen in &scenario.specimens {
        item(text, prefix, "specimen");
        let keys = vec![
            ("name", string(&specimen.name)),
            ("host", as_toml(&specimen.host)),
            ("run", string(&specimen.run)),
            ("convicted_by", as_toml(&specimen.convicted_by)),
        ];
        let breaks = specimen.breaks.as_ref().map(|breaks| ("breaks", string(breaks)));
        lines(text, keys.into_iter().chain(breaks).collect());
    }
    if !scenario.convicts.is_empty() {
        header(text, prefix, "convicts");
        for conviction in &scenario.convicts {
            let by = as_toml(&conviction.by);
            let value = match &conviction.breaks {
                None => by.to_string(),
                Some(breaks) => inline(vec![("by", by), ("breaks", string(breaks))]),
            };
            push(text, format_args!("{} = {value}\n", conviction.of));
        }
    }
}

fn link_keys(latency: Option<Duration>, send: Option<u32>, receive: Option<u32>) -> Keys {
    let bytes = |key, bytes: Option<u32>| bytes.map(|bytes| (key, Value::Integer(bytes.into())));
    let latency = latency.map(|latency| ("latency", written(latency)));
    latency.into_iter().chain(bytes("send_buffer_bytes", send)).chain(bytes("receive_buffer_bytes", receive)).collect()
}

fn middlebox_keys(middlebox: Option<Middlebox>) -> Keys {
    let keys = middlebox
        .map(|middlebox| [("idle_timeout", written(middlebox.idle_timeout)), ("forgets", as_toml(&middlebox.forgets))]);
    keys.into_iter().flatten().collect()
}

fn syn_keys(linear_timeouts: Option<u32>) -> Keys {
    linear_timeouts.map(|timeouts| ("tcp_syn_linear_timeouts", Value::Integer(timeouts.into()))).into_iter().collect()
}

/// Faults as the `[[fault]]` tables of a plan.
pub(crate) fn fault_tables(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults {
        item(&mut text, "", "fault");
        fault_rule(&mut text, &FaultRule::from(fault.clone()));
    }
    text.trim_start().to_owned()
}

fn host(text: &mut String, prefix: &str, host: &HostSpec) {
    let role = match host.role {
        Role::Host => "host",
        Role::Actor => "actor",
    };
    header(text, prefix, &format!("{role}.{}", host.name));
    let mut keys = vec![("run", Value::String(host.run.clone())), ("start", written(host.start))];
    if !host.tells.is_empty() {
        keys.push(("tells", as_toml(&host.tells)));
    }
    lines(text, keys);
    if !host.config.is_empty() {
        below(text, prefix, &[role, host.name.as_str(), "config"], Value::Table(host.config.clone()));
    }
}

fn fault_rule(text: &mut String, rule: &FaultRule) {
    if let Some(act) = rule.acts.first() {
        lines(text, target(act.target()));
    }
    if rule.anywhere {
        lines(text, vec![("when", Value::String(ANYWHERE.to_owned()))]);
    } else {
        whens(text, &rule.when);
    }
    match &rule.acts[..] {
        [act] => lines(text, verb(act)),
        several => one_of(text, "do", several.iter().map(verb)),
    }
}

fn target(target: Target) -> Keys {
    match target {
        Target::Link { link, connection } => {
            let nth = connection.map(|nth| ("connection", Value::Integer(nth.into())));
            [("link", written_link(link))].into_iter().chain(nth).collect()
        }
        Target::Between(one, other) => vec![("between", as_toml(&[one, other]))],
        Target::Host(host) => vec![("host", as_toml(host))],
    }
}

fn verb(act: &Act) -> Keys {
    let mut keys = vec![("do", Value::String(act.word().to_owned()))];
    keys.extend(act.verb().keys());
    keys
}

fn whens(text: &mut String, whens: &[When]) {
    match whens {
        [when] => push(text, format_args!("when = {}\n", inline(trigger::keys(when)))),
        several => one_of(text, "when", several.iter().map(trigger::keys)),
    }
}

fn one_of(text: &mut String, key: &str, choices: impl Iterator<Item = Keys>) {
    push(text, format_args!("{key}.one_of = [\n"));
    choices.for_each(|choice| push(text, format_args!("    {},\n", inline(choice))));
    push(text, format_args!("]\n"));
}

fn inline(keys: Keys) -> String {
    let keys: Vec<_> = keys.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", keys.join(", "))
}

fn lines(text: &mut String, keys: Keys) {
    keys.into_iter().for_each(|(key, value)| push(text, format_args!("{key} = {value}\n")));
}

fn header(text: &mut String, prefix: &str, table: &str) {
    let gap = if text.is_empty() { "" } else { "\n" };
    push(text, format_args!("{gap}[{prefix}{table}]\n"));
}

fn item(text: &mut String, prefix: &str, table: &str) {
    push(text, format_args!("\n[[{prefix}{table}]]\n"));
}

/// A table of somebody else's making.
fn below(text: &mut String, prefix: &str, path: &[&str], table: Value) {
    let steps = prefix.split('.').filter(|step| !step.is_empty()).chain(path.iter().copied());
    let nested = steps
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .fold(table, |inner, step| Value::Table(Table::from_iter([(step.to_owned(), inner)])));
    push(text, format_args!("\n{}", toml::to_string(&nested).expect("tables of TOML values can be written as TOML")));
}

fn push(text: &mut String, more: std::fmt::Arguments) {
    text.write_fmt(more).expect("writing to a string succeeds");
}
