//! A scenario from its document.

use std::time::Duration;

use super::date::Date;
use super::document::{Entry, Lines, LocatedValue, Value};
use super::duration::Millis;
use super::error::{Mistakes, ScenarioError, list, nearest};
use super::language::Table;
use super::language::checks::{LAWS, SIGN};
use super::language::tables;
use super::names::Names;
use super::section::Section;
use super::validate::{self, Places};
use super::{
    FaultRule, HostSpec, LinkParameters, LinkSpec, Network, Role, Scenario, Specimen, backoff, convicts, facts,
    opposite, rule, timing, typed,
};
use crate::actors::Canned;
use crate::check::{Expectations, Sign, current_name};
use crate::fact::FactKind;
use crate::fault::{Fault, Middlebox, Registry, to_word};

/// Stands for a sentence or a name that could not be read, so that it is not told to be missing as well.
const UNREAD: &str = "unread";

/// Reads and checks a scenario that is the whole of a document. `stem` is its name when it gives itself none.
///
/// # Errors
///
/// Every mistake of every part; what depends on a part that could not be read is not looked at.
pub(crate) fn scenario(node: &LocatedValue, stem: Option<&str>, registry: &Registry) -> Result<Scenario, Mistakes> {
    let section = Section::any(node, tables::SCENARIO.what)?;
    let mut mistakes = section.check(tables::SCENARIO.keys());
    let name = match (section.optional("name").ok().flatten(), stem) {
        (Some(name), _) => name,
        (None, Some(stem)) => stem.to_owned(),
        (None, None) => mistakes.keep(section.required("name")).unwrap_or_else(|| UNREAD.to_owned()),
    };
    let proves = section.required("proves").unwrap_or_else(|_| UNREAD.to_owned());
    let mut scenario = Scenario::new(name, proves).written_at(Lines::of(node));
    scenario.starts_at = section.or("starts_at", Date(scenario.starts_at)).map_or(scenario.starts_at, |date| date.0);
    scenario.tags = section.or("tags", Vec::new()).unwrap_or_default();
    let time = |key, usual| section.or(key, Millis(usual)).map_or(usual, |time| time.0);
    scenario.time_limit = time("time_limit", scenario.time_limit);
    scenario.settle = time("settle", scenario.settle);
    scenario.seeds = section.optional("seeds").ok().flatten();
    if let Some(node) = section.get("network") {
        scenario.network = mistakes.keep(network(node)).unwrap_or_default();
    }
    scenario.hosts = hosts(&section, &mut mistakes);
    let mut places = Places::default();
    (scenario.links, places.links) = each(&mut mistakes, section.items("link"), link);
    let (names, wrong_names) = Names::read(&section, registry);
    // A name that could not be read is missing wherever it is used.
    let faults = if wrong_names.is_empty() { section.items("fault") } else { Ok(&[][..]) };
    mistakes.keep(wrong_names.unless(()));
    let (rules, tables) = each(&mut mistakes, faults, |node| rule::read(node, &names));
    let tables = tables.iter().zip(&rules).flat_map(|(table, rules)| rules.iter().map(|_| *table)).collect();
    scenario = scenario.with_fault_tables(tables);
    scenario.rules = rules.concat();
    (scenario.facts, places.facts) = each(&mut mistakes, section.items("facts"), facts::read);
    if let Some(node) = section.get("checks") {
        scenario.checks = checks(node, &scenario.rules, &mut mistakes);
    }
    (scenario.specimens, places.specimens) = each(&mut mistakes, section.items("specimen"), specimen);
    if let Some(node) = section.get("convicts") {
        scenario.convicts = mistakes.keep(convicts::read(node)).unwrap_or_default();
    }
    if mistakes.is_empty() {
        let opposites = opposite::read(node, &scenario.name, &mut scenario.convicts, registry);
        scenario.opposites = mistakes.keep(opposites).unwrap_or_default();
    }
    places.are_all = mistakes.is_empty();
    let checked = scenario.checked_at(&places);
    match mistakes.keep(checked) {
        Some(scenario) => mistakes.unless(scenario),
        None => Err(mistakes),
    }
}

/// What could be read of a list of tables, with the place of each in the list.
fn each<'a, T>(
    mistakes: &mut Mistakes,
    tables: Result<&'a [LocatedValue], ScenarioError>,
    read: impl Fn(&'a LocatedValue) -> Result<T, Mistakes>,
) -> (Vec<T>, Vec<usize>) {
    let tables = mistakes.keep(tables).unwrap_or_default();
    tables.iter().enumerate().filter_map(|(place, table)| Some((mistakes.keep(read(table))?, place))).unzip()
}

/// Reads and checks a scenario that is one table of a document.
pub(crate) fn in_document(node: &LocatedValue, registry: &Registry) -> Result<Scenario, ScenarioError> {
    scenario(node, None, registry).map_err(|mistakes| mistakes.first(&node.place.file))
}

/// Reads and checks the `[[fault]]` tables of a plan's document. In a plan nothing is left open.
pub(crate) fn faults(
    document: &LocatedValue,
    scenario: &Scenario,
    registry: &Registry,
) -> Result<Vec<Fault>, ScenarioError> {
    let lines = Lines::of(document);
    let tables = Section::any(document, "a plan")?.items("fault")?;
    let mut faults = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        let rules = rule::read(table, &Names::of(registry)).map_err(|mistakes| mistakes.first(&table.place.file))?;
        for rule in rules {
            let checked = validate::rule(&rule, &format!("fault/{place}"), scenario);
            checked.map_err(|flaw| lines.error(flaw, &scenario.name))?;
            let open = || table.place.error("a plan leaves nothing open, and this fault is still to be drawn");
            faults.push(rule.fixed().ok_or_else(open)?);
        }
    }
    Ok(faults)
}

fn network(node: &LocatedValue) -> Result<Network, Mistakes> {
    let section = Section::open(node, &tables::NETWORK)?;
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

/// A host that could not be read is there all the same: that others name it is no mistake.
fn hosts(section: &Section, mistakes: &mut Mistakes) -> Vec<HostSpec> {
    let mut hosts = Vec::new();
    for (key, table, role) in [("host", &tables::HOST, Role::Host), ("actor", &tables::ACTOR, Role::Actor)] {
        for (name, _, node) in mistakes.keep(section.named(key)).unwrap_or_default() {
            let read = mistakes.keep(host(name, node, table, role));
            hosts.push(read.unwrap_or_else(|| HostSpec { role, ..HostSpec::host(name, UNREAD) }));
        }
    }
    hosts
}

fn host(name: &str, node: &LocatedValue, table: &Table, role: Role) -> Result<HostSpec, Mistakes> {
    let section = Section::open(node, table)?;
    let config = match section.get("config").map(LocatedValue::plain) {
        None => toml::Table::new(),
        Some(toml::Value::Table(config)) => config,
        Some(_) => {
            return Err(section.place_of("config").error(format!("the `config` of `{name}` is a table")).into());
        }
    };
    let run: String = section.required("run")?;
    let mut tells: Vec<FactKind> = section.or("tells", Vec::new())?;
    if let Some((_, twice)) = tells.iter().enumerate().find(|(nth, kind)| tells[..*nth].contains(kind)) {
        return Err(section.place_of("tells").error(format!("`tells` lists `{}` twice", to_word(twice))).into());
    }
    if let Some(canned) = Canned::named(&run).filter(|_| role == Role::Actor) {
        // What an actor of this crate tells need not be said, and what is wrong with its configuration is known here.
        let nothing = LocatedValue { place: section.place.clone(), value: Value::Table(Vec::new()) };
        let told = canned.tells(section.get("config").unwrap_or(&nothing))?;
        tells.extend(told.into_iter().filter(|kind| !tells.contains(kind)).collect::<Vec<_>>());
    }
    let start = section.or("start", Millis(Duration::ZERO))?.0;
    Ok(HostSpec { name: name.into(), run, role, start, config, tells })
}

fn link(node: &LocatedValue) -> Result<LinkSpec, Mistakes> {
    let section = Section::open(node, &tables::LINK)?;
    let mut parameters = tables::OF_A_LINK.iter().map(|key| key.name);
    if parameters.clone().all(|key| section.get(key).is_none()) {
        let keys = list(&mut parameters);
        return Err(section.place.error(format!("a link overrides at least one of {keys}")).into());
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

/// The checks that have no mistake. A check that has no name of ours may be the catalogue's own, unless it looks like one
/// of ours misspelt.
fn checks(node: &LocatedValue, rules: &[FaultRule], mistakes: &mut Mistakes) -> Expectations {
    let Value::Table(entries) = &node.value else {
        return mistakes.keep(typed::read(node)).unwrap_or_default();
    };
    let (ours, own): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| Expectations::NAMES.contains(&entry.key.as_str()));
    let (mut ours, mut each): (Vec<Entry>, _) = (ours.into_iter().cloned().collect(), false);
    for entry in ours.iter_mut().filter(|entry| entry.key == "sometimes") {
        each |= mistakes.keep(take_each(&mut entry.node)).unwrap_or(false);
    }
    ours.retain(|entry| mistakes.keep(check(entry, node)).is_some());
    let whole = LocatedValue { value: Value::Table(ours), place: node.place.clone() };
    let mut expectations: Expectations = mistakes.keep(typed::read(&whole)).unwrap_or_default();
    if each {
        let of = |rule: &FaultRule| rule.acts.iter().map(Sign::of).collect::<Vec<_>>();
        expectations.sometimes.get_or_insert_default().0.extend(rules.iter().flat_map(of));
    }
    for entry in own {
        if let Some(config) = mistakes.keep(own_check(entry)) {
            expectations.own.insert(entry.key.clone(), config);
        }
    }
    expectations
}

/// Finds the mistakes in a check of this crate: first those that its keys tell, then what no single key shows.
fn check(entry: &Entry, checks: &LocatedValue) -> Result<(), Mistakes> {
    if let Some(law) = LAWS.iter().find(|law| law.word == entry.key) {
        let what = format!("the check `{}`", law.word);
        Section::any(&entry.node, &what)?.check(law.keys.iter()).unless(())?;
    } else if entry.key == "timing" {
        timing::check(entry)?;
    } else if entry.key == "backoff" {
        backoff::check(entry)?;
    } else if let Value::Table(states) = &entry.node.value {
        let mut mistakes = Mistakes::default();
        for state in states {
            mistakes.keep(Section::open(&state.node, &SIGN));
        }
        mistakes.unless(())?;
    }
    let alone = LocatedValue { value: Value::Table(vec![entry.clone()]), place: checks.place.clone() };
    typed::read::<Expectations>(&alone)?;
    Ok(())
}

fn own_check(entry: &Entry) -> Result<toml::Table, ScenarioError> {
    let name = &entry.key;
    if let Some(near) = nearest(name, Expectations::NAMES) {
        return Err(entry.place.error_meaning((format!("there is no check `{name}`"), Some(near))));
    }
    match entry.node.plain() {
        toml::Value::Table(config) => Ok(config),
        _ => Err(entry.place.error(format!("a check is a table: write [checks.{name}]"))),
    }
}

/// What stands for a state of each verb that a fault may draw, on what the fault strikes.
pub(super) const EACH: &str = "each verb of each fault";

/// Takes the sentence that stands for many states out of what is said of `sometimes`; says whether it was there.
fn take_each(node: &mut LocatedValue) -> Result<bool, ScenarioError> {
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

fn is_each(node: &LocatedValue) -> Result<(), ScenarioError> {
    match &node.value {
        Value::Scalar(toml::Value::String(text)) if text == EACH => Ok(()),
        Value::Scalar(_) | Value::Array(_) | Value::Table(_) => {
            let sentence = format!("`sometimes` is a table of states, or the sentence \"{EACH}\"");
            Err(node.place.error(sentence))
        }
    }
}

fn specimen(node: &LocatedValue) -> Result<Specimen, Mistakes> {
    let section = Section::open(node, &tables::SPECIMEN)?;
    Ok(Specimen {
        name: section.required("name")?,
        host: section.required("host")?,
        run: section.required("run")?,
        convicted_by: section
            .required::<Vec<String>>("convicted_by")?
            .iter()
            .map(|check| current_name(check).to_owned())
            .collect(),
        breaks: section.optional("breaks")?,
    })
}

/// Reads `[[fault]]` tables that stand alone; whether their hosts are there is not asked.
pub(crate) fn fault_rules(
    text: &str,
    file: &std::path::Path,
    registry: &Registry,
) -> Result<Vec<FaultRule>, Vec<ScenarioError>> {
    let read = || -> Result<Vec<FaultRule>, Mistakes> {
        let document = LocatedValue::parse(text, file)?;
        let section = Section::any(&document, "a list of faults")?;
        section.only(&["fault"])?;
        let mut mistakes = Mistakes::default();
        let (rules, _) = each(&mut mistakes, section.items("fault"), |node| rule::read(node, &Names::of(registry)));
        mistakes.unless(rules.concat())
    };
    read().map_err(|mistakes| mistakes.sorted(file))
}
