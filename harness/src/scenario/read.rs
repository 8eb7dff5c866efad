//! A scenario from its document.

use std::path::Path;
use std::time::Duration;

use super::date::Date;
use super::document::{Entry, Lines, Node, Place, Value};
use super::duration::Millis;
use super::error::{ScenarioError, list, nearest};
use super::names::Names;
use super::section::Section;
use super::typed;
use super::{FaultRule, HostSpec, LinkParameters, LinkSpec, Network, Role, Scenario, Specimen, facts, rule, validate};
use crate::check::{Expectations, Sign, current_name};
use crate::fault::{Fault, Middlebox};

const KEYS: [&str; 16] = [
    "name",
    "proves",
    "base",
    "starts_at",
    "time_limit",
    "settle",
    "network",
    "host",
    "actor",
    "link",
    "moment",
    "verbs",
    "fault",
    "facts",
    "checks",
    "specimen",
];

/// Reads and checks a scenario that is the whole of a document. `stem` is its name when it gives itself none.
///
/// # Errors
///
/// Every mistake that can be found beside the others, in the order in which they are looked for.
pub(crate) fn scenario(node: &Node, stem: Option<&str>) -> Result<Scenario, Vec<ScenarioError>> {
    let section = Section::any(node, "a scenario").map_err(|error| vec![error])?;
    let mut mistakes = Mistakes(Vec::new());
    let strangers = mistakes.keep(section.only(&KEYS)).is_none();
    let name = match (mistakes.keep(section.optional("name")).flatten(), stem) {
        (Some(name), _) => name,
        (None, Some(stem)) => stem.to_owned(),
        (None, None) => mistakes.keep(section.required("name")).unwrap_or_default(),
    };
    // An unknown key is probably the missing one, misspelt.
    let proves = match section.get("proves") {
        None if strangers => String::new(),
        Some(_) | None => mistakes.keep(section.required("proves")).unwrap_or_default(),
    };
    let mut scenario = Scenario::new(name, proves).written_at(Lines::of(node));
    let usual = Date(scenario.starts_at);
    scenario.starts_at = mistakes.keep(section.or("starts_at", usual)).unwrap_or(usual).0;
    let time = |mistakes: &mut Mistakes, key, usual| {
        mistakes.keep(section.or(key, Millis(usual))).map_or(usual, |time| time.0)
    };
    scenario.time_limit = time(&mut mistakes, "time_limit", scenario.time_limit);
    scenario.settle = time(&mut mistakes, "settle", scenario.settle);
    if let Some(node) = section.get("network") {
        scenario.network = mistakes.keep(network(node)).unwrap_or_default();
    }
    scenario.hosts = hosts(&section, &mut mistakes);
    scenario.links = mistakes.keep_each(section.items("link"), link);
    let (names, wrong_names) = Names::read(&section);
    let has_names = wrong_names.is_empty();
    mistakes.0.extend(wrong_names);
    // A name that could not be read is missing wherever it is used.
    if has_names {
        let rules = mistakes.keep_each(section.items("fault"), |node| rule::read(node, &names));
        let tables = rules.iter().enumerate().flat_map(|(table, rules)| rules.iter().map(move |_| table)).collect();
        scenario = scenario.with_fault_tables(tables);
        scenario.rules = rules.concat();
    }
    scenario.facts = mistakes.keep_each(section.items("facts"), facts::read);
    if let Some(node) = section.get("checks") {
        scenario.checks = mistakes.keep(checks(node, &scenario.rules)).unwrap_or_default();
    }
    scenario.specimens = mistakes.keep_each(section.items("specimen"), specimen);
    // What is not read leaves gaps that would be told as mistakes.
    if mistakes.0.is_empty() { scenario.checked_whole() } else { Err(mistakes.0) }
}

/// The first of some mistakes; `file` is what is meant when there is none.
pub(crate) fn first(mistakes: Vec<ScenarioError>, file: &Path) -> ScenarioError {
    mistakes.into_iter().next().unwrap_or_else(|| ScenarioError::whole(file, "the file has a mistake"))
}

/// The mistakes of a document that have been found so far.
struct Mistakes(Vec<ScenarioError>);

impl Mistakes {
    /// What was read, or nothing and one mistake more.
    fn keep<T>(&mut self, read: Result<T, ScenarioError>) -> Option<T> {
        read.map_err(|mistake| self.0.push(mistake)).ok()
    }

    /// What could be read of some tables.
    fn keep_each<'a, T>(
        &mut self,
        tables: Result<&'a [Node], ScenarioError>,
        read: impl Fn(&'a Node) -> Result<T, ScenarioError>,
    ) -> Vec<T> {
        let tables = self.keep(tables).unwrap_or_default();
        tables.iter().filter_map(|table| self.keep(read(table))).collect()
    }
}

/// Reads and checks a scenario that is one table of a document.
pub(crate) fn in_document(node: &Node) -> Result<Scenario, ScenarioError> {
    scenario(node, None).map_err(|mistakes| first(mistakes, &node.place.file))
}

/// Reads and checks the `[[fault]]` tables of a plan's document. In a plan nothing is left open.
pub(crate) fn faults(document: &Node, scenario: &Scenario) -> Result<Vec<Fault>, ScenarioError> {
    let lines = Lines::of(document);
    let tables = Section::any(document, "a plan")?.items("fault")?;
    let mut faults = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        for rule in rule::read(table, &Names::default())? {
            let checked = validate::rule(&rule, &format!("fault/{place}"), scenario);
            checked.map_err(|flaw| lines.error(flaw, &scenario.name))?;
            let open = || table.place.error("a plan leaves nothing open, and this fault is still to be drawn");
            faults.push(rule.fixed().ok_or_else(open)?);
        }
    }
    Ok(faults)
}

/// What `[network]` and `[[link]]` say of packets and buffers.
const LINK: [&str; 6] =
    ["latency", "send_buffer_bytes", "receive_buffer_bytes", "tcp_syn_linear_timeouts", "idle_timeout", "forgets"];

fn network(node: &Node) -> Result<Network, ScenarioError> {
    let section = Section::open(node, "the network", &[&LINK[..], &["interleaved", "arrivals"]].concat())?;
    let usual = Network::default();
    Ok(Network {
        link: LinkParameters {
            latency: section.or("latency", Millis(usual.link.latency))?.0,
            send_buffer_bytes: section.or("send_buffer_bytes", usual.link.send_buffer_bytes)?,
            receive_buffer_bytes: section.or("receive_buffer_bytes", usual.link.receive_buffer_bytes)?,
            middlebox: middlebox(&section)?,
            tcp_syn_linear_timeouts: section.or("tcp_syn_linear_timeouts", usual.link.tcp_syn_linear_timeouts)?,
        },
        interleaved: section.or("interleaved", usual.interleaved)?,
        arrivals: section.optional("arrivals")?,
    })
}

fn hosts(section: &Section, mistakes: &mut Mistakes) -> Vec<HostSpec> {
    let mut hosts = Vec::new();
    for (key, what, role) in [("host", "a host", Role::Host), ("actor", "an actor", Role::Actor)] {
        for (name, place, node) in mistakes.keep(section.named(key)).unwrap_or_default() {
            hosts.extend(mistakes.keep(host(name, place, node, what, role)));
        }
    }
    hosts
}

fn host(name: &str, place: &Place, node: &Node, what: &str, role: Role) -> Result<HostSpec, ScenarioError> {
    let section = Section::open(node, what, &["run", "start", "config", "tells"])?;
    let config = match section.get("config").map(Node::plain) {
        None => toml::Table::new(),
        Some(toml::Value::Table(config)) => config,
        Some(_) => return Err(section.place_of("config").error(format!("the `config` of `{name}` is a table"))),
    };
    if section.get("run").is_none() {
        return Err(place.error(format!("{what} needs `run`: what `{name}` runs")));
    }
    Ok(HostSpec {
        name: name.into(),
        run: section.required("run")?,
        role,
        start: section.or("start", Millis(Duration::ZERO))?.0,
        config,
        tells: section.or("tells", Vec::new())?,
    })
}

fn link(node: &Node) -> Result<LinkSpec, ScenarioError> {
    let section = Section::open(node, "a link", &[&["between"], &LINK[..]].concat())?;
    if LINK.iter().all(|key| section.get(key).is_none()) {
        let keys = list(LINK);
        return Err(section.place.error(format!("a link says in what it is another than the network: {keys}")));
    }
    Ok(LinkSpec {
        between: rule::between(&section)?,
        latency: section.optional::<Millis>("latency")?.map(|latency| latency.0),
        send_buffer_bytes: section.optional("send_buffer_bytes")?,
        receive_buffer_bytes: section.optional("receive_buffer_bytes")?,
        middlebox: middlebox(&section)?,
        tcp_syn_linear_timeouts: section.optional("tcp_syn_linear_timeouts")?,
    })
}

fn middlebox(section: &Section) -> Result<Option<Middlebox>, ScenarioError> {
    let idle_timeout = section.optional::<Millis>("idle_timeout")?.map(|time| time.0);
    let forgets = section.optional("forgets")?;
    match (idle_timeout, forgets) {
        (Some(idle_timeout), forgets) => Ok(Some(Middlebox { idle_timeout, forgets: forgets.unwrap_or_default() })),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let sentence = "a middlebox that forgets connections does so after an `idle_timeout`";
            Err(section.place_of("forgets").error(sentence))
        }
    }
}

/// A check that has no name of ours may be the catalogue's own, unless it looks like one of ours misspelt.
fn checks(node: &Node, rules: &[FaultRule]) -> Result<Expectations, ScenarioError> {
    let Value::Table(entries) = &node.value else { return typed::read(node) };
    let is_ours = |entry: &&Entry| Expectations::NAMES.contains(&entry.key.as_str());
    let (mut ours, mut each): (Vec<_>, _) = (entries.iter().filter(is_ours).cloned().collect(), false);
    for entry in ours.iter_mut().filter(|entry| entry.key == "sometimes") {
        each |= take_each(&mut entry.node)?;
    }
    let mut expectations: Expectations = typed::read(&Node { value: Value::Table(ours), place: node.place.clone() })?;
    if each {
        let of = |rule: &FaultRule| rule.verbs.iter().map(|verb| Sign::of(verb, &rule.target)).collect::<Vec<_>>();
        expectations.sometimes.get_or_insert_default().0.extend(rules.iter().flat_map(of));
    }
    for entry in entries.iter().filter(|entry| !is_ours(entry)) {
        let name = &entry.key;
        if let Some(near) = nearest(name, Expectations::NAMES) {
            return Err(entry.place.error_meaning((format!("there is no check `{name}`"), Some(near))));
        }
        let toml::Value::Table(config) = entry.node.plain() else {
            return Err(entry.place.error(format!("a check is a table: write [checks.{name}]")));
        };
        expectations.own.insert(name.clone(), config);
    }
    Ok(expectations)
}

/// What stands for a state of each verb that a fault may draw, on what the fault strikes.
const EACH: &str = "each verb of each fault";

/// Takes the sentence that stands for many states out of what is said of `sometimes`; says whether it was there.
fn take_each(node: &mut Node) -> Result<bool, ScenarioError> {
    if let Value::Scalar(_) = &node.value {
        is_each(node)?;
        node.value = Value::Table(Vec::new());
        return Ok(true);
    }
    let Value::Table(states) = &mut node.value else { return Ok(false) };
    let before = states.len();
    let sentences = states.iter().filter(|state| matches!(state.node.value, Value::Scalar(_)));
    sentences.map(|state| &state.node).try_for_each(is_each)?;
    states.retain(|state| !matches!(state.node.value, Value::Scalar(_)));
    Ok(states.len() < before)
}

fn is_each(node: &Node) -> Result<(), ScenarioError> {
    match &node.value {
        Value::Scalar(toml::Value::String(text)) if text == EACH => Ok(()),
        Value::Scalar(_) | Value::Array(_) | Value::Table(_) => {
            let sentence = format!("`sometimes` is a table of states, or the sentence \"{EACH}\"");
            Err(node.place.error(sentence))
        }
    }
}

fn specimen(node: &Node) -> Result<Specimen, ScenarioError> {
    let section = Section::open(node, "a specimen", &["name", "host", "run", "convicted_by"])?;
    Ok(Specimen {
        name: section.required("name")?,
        host: section.required("host")?,
        run: section.required("run")?,
        convicted_by: section
            .required::<Vec<String>>("convicted_by")?
            .iter()
            .map(|check| current_name(check).to_owned())
            .collect(),
    })
}
