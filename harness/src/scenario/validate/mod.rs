//! What is wrong with a scenario though each of its words is right.

mod check;
mod clash;
mod fault;
mod timing;

use std::collections::BTreeSet;
use std::time::Duration;

use super::duration;
use super::error::{Flaw, list, unknown};
use super::{Role, Scenario};
use crate::fault::Middlebox;
use crate::mapping::Origin;
use crate::name::{HostName, Link};
pub(crate) use check::own_checks;
pub(crate) use fault::rule;

/// The checks that judge every run, whatever a scenario expects.
const ALWAYS: [&str; 4] = ["integrity", "survival", "stops", "took_effect"];

type Checked = Result<(), Flaw>;

/// Where the parts of a scenario stand in the lists of its file, when not all of them could be read.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) links: Vec<usize>,
    pub(crate) facts: Vec<usize>,
    pub(crate) specimens: Vec<usize>,
    /// Whether all of the scenario could be read: only then is it known what one part lacks of another.
    pub(crate) are_all: bool,
}

impl Places {
    /// Those of a whole scenario.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self {
            links: (0..scenario.links.len()).collect(),
            facts: (0..scenario.facts.len()).collect(),
            specimens: (0..scenario.specimens.len()).collect(),
            are_all: true,
        }
    }
}

/// Finds the mistakes of each part of a scenario.
pub(crate) fn scenario(scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    flaws.extend(name(&scenario.name, "name").err());
    flaws.extend(sentence(scenario).err());
    flaws.extend(seeds(scenario).err());
    flaws.extend(hosts(scenario));
    flaws.extend(times(scenario, places));
    flaws.extend(links(scenario, places));
    let rules = scenario.rules.iter().enumerate();
    let rules: Vec<_> =
        rules.filter_map(|(place, fault)| rule(fault, &format!("fault/{place}"), scenario).err()).collect();
    if rules.is_empty() && places.are_all {
        flaws.extend(clash::clashes(scenario).err());
    }
    flaws.extend(rules);
    flaws.extend(facts(scenario, places));
    flaws.extend(check::checks(scenario, places));
    flaws.extend(specimens(scenario, places));
    flaws
}

fn sentence(scenario: &Scenario) -> Checked {
    if scenario.proves.trim().is_empty() {
        return Err(Flaw::new("proves", "`proves` says nothing: it is the sentence that a run proves"));
    }
    Ok(())
}

fn seeds(scenario: &Scenario) -> Checked {
    if scenario.seeds == Some(0) {
        return Err(Flaw::new("seeds", "`seeds` is 0: a scenario is played under one seed at least"));
    }
    Ok(())
}

/// Finds each `run` that a catalogue does not have.
pub(crate) fn runs(scenario: &Scenario, hosts: &[&str], actors: &[&str]) -> Vec<Flaw> {
    let of_hosts = scenario.hosts.iter().map(|host| {
        let path = format!("{}/{}/run", key(host.role), host.name);
        run(&host.run, host.role, path, hosts, actors)
    });
    let of_specimens = scenario.specimens.iter().enumerate().map(|(place, specimen)| {
        let role = scenario.host_named(&specimen.host).map_or(Role::Host, |host| host.role);
        run(&specimen.run, role, format!("specimen/{place}/run"), hosts, actors)
    });
    of_hosts.chain(of_specimens).filter_map(Result::err).collect()
}

/// Checks that a catalogue has a `run` for this role.
pub(crate) fn run(run: &str, role: Role, path: String, hosts: &[&str], actors: &[&str]) -> Checked {
    let (what, known, others) = match role {
        Role::Host => ("a host", hosts, actors),
        Role::Actor => ("an actor", actors, hosts),
    };
    if known.contains(&run) {
        return Ok(());
    }
    if others.contains(&run) {
        let known = list(known.iter().copied());
        return Err(Flaw::new(path, format!("`{run}` is registered, but not as {what}; so registered are {known}")));
    }
    let sentence = format!("nothing is registered as {what} under the name `{run}`");
    Err(Flaw::unknown(path, unknown(sentence, run, known.iter().copied())))
}

fn key(role: Role) -> &'static str {
    match role {
        Role::Host => "host",
        Role::Actor => "actor",
    }
}

fn name(name: &str, path: impl Into<String>) -> Checked {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(Flaw::new(path, format!("`{name}` cannot be a name: names are made of letters, digits, `_` and `-`")))
}

fn hosts(scenario: &Scenario) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut names = BTreeSet::new();
    for host in &scenario.hosts {
        let path = format!("{}/{}", key(host.role), host.name);
        flaws.extend(name(host.name.as_str(), &path).err());
        if !names.insert(&host.name) {
            flaws.push(Flaw::new(path, format!("two hosts are named `{}`; actors are hosts, too", host.name)));
        }
    }
    if scenario.hosts.iter().all(|host| host.role == Role::Host) {
        let sentence = "the scenario has no actor: a run ends when its actors have, so it needs an `[actor.NAME]`";
        flaws.push(Flaw::new("", sentence));
    }
    flaws
}

fn times(scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    let usual = scenario.network.link;
    let links = || places.links.iter().zip(&scenario.links);
    let mut flaws = Vec::new();
    let mut time = |path: &str, time: Duration| flaws.extend(virtual_time(time, path).err());
    time("time_limit", scenario.time_limit);
    time("settle", scenario.settle);
    time("network/latency", usual.latency);
    for (place, link) in links() {
        link.latency.into_iter().for_each(|latency| time(&format!("link/{place}/latency"), latency));
    }
    for host in &scenario.hosts {
        time(&format!("{}/{}/start", key(host.role), host.name), host.start);
    }
    flaws.extend(usual.middlebox.and_then(|middlebox| idle_timeout("network", middlebox).err()));
    for (place, link) in links() {
        let flaw = link.middlebox.and_then(|middlebox| idle_timeout(&format!("link/{place}"), middlebox).err());
        flaws.extend(flaw);
    }
    for host in scenario.hosts.iter().filter(|host| host.start >= scenario.time_limit) {
        let [start, limit] = [host.start, scenario.time_limit].map(humantime::format_duration);
        let sentence = format!(
            "`{}` starts at {start}, and the run is over at {limit}: let it start earlier, or raise `time_limit`",
            host.name
        );
        flaws.push(Flaw::new(format!("{}/{}/start", key(host.role), host.name), sentence));
    }
    flaws
}

fn idle_timeout(path: &str, middlebox: Middlebox) -> Checked {
    let path = format!("{path}/idle_timeout");
    virtual_time(middlebox.idle_timeout, &path)?;
    if middlebox.idle_timeout.is_zero() {
        return Err(Flaw::new(path, "a connection is idle for at least 1ms before it is forgotten"));
    }
    Ok(())
}

fn virtual_time(time: Duration, path: &str) -> Checked {
    match duration::flaw(time) {
        Some(flaw) => Err(Flaw::new(path, format!("{time:?} {flaw}"))),
        None => Ok(()),
    }
}

fn links(scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    let usual = scenario.network.link;
    let mut flaws = buffers("network", Some(usual.send_buffer_bytes), Some(usual.receive_buffer_bytes));
    flaws.extend(syns("network", Some(usual.tcp_syn_linear_timeouts)).err());
    for (nth, (place, link)) in places.links.iter().zip(&scenario.links).enumerate() {
        flaws.extend(buffers(&format!("link/{place}"), link.send_buffer_bytes, link.receive_buffer_bytes));
        flaws.extend(syns(&format!("link/{place}"), link.tcp_syn_linear_timeouts).err());
        let path = format!("link/{place}/between");
        let (one, other) = &link.between;
        flaws.extend(pair(one, other, &path, scenario).err());
        if scenario.links[..nth].iter().any(|earlier| earlier.joins(one, other)) {
            flaws.push(Flaw::new(path, format!("the link between `{one}` and `{other}` is described twice")));
        }
    }
    flaws
}

fn buffers(path: &str, send: Option<u32>, receive: Option<u32>) -> Vec<Flaw> {
    let buffers = [("send_buffer_bytes", send), ("receive_buffer_bytes", receive)];
    let empty = buffers.into_iter().filter(|(_, bytes)| *bytes == Some(0));
    empty
        .map(|(key, _)| Flaw::new(format!("{path}/{key}"), "a buffer of 0 bytes lets nothing pass: it has at least 1"))
        .collect()
}

/// Linux's own bound.
const MOST_LINEAR_TIMEOUTS: u32 = 127;

fn syns(path: &str, linear_timeouts: Option<u32>) -> Checked {
    let Some(timeouts) = linear_timeouts.filter(|timeouts| *timeouts > MOST_LINEAR_TIMEOUTS) else { return Ok(()) };
    let sentence =
        format!("{timeouts} SYNs a second apart are more than Linux sends: it is at most {MOST_LINEAR_TIMEOUTS}");
    Err(Flaw::new(format!("{path}/tcp_syn_linear_timeouts"), sentence))
}

fn known(name: &HostName, path: &str, scenario: &Scenario) -> Checked {
    if scenario.host_named(name).is_some() {
        return Ok(());
    }
    let names = scenario.hosts.iter().map(|host| host.name.as_str());
    Err(Flaw::unknown(path, unknown(format!("there is no host `{name}`"), name.as_str(), names)))
}

fn pair(one: &HostName, other: &HostName, path: &str, scenario: &Scenario) -> Checked {
    known(one, path, scenario)?;
    known(other, path, scenario)?;
    if one == other {
        return Err(Flaw::new(path, format!("a link joins two hosts, not `{one}` with itself")));
    }
    Ok(())
}

fn facts(scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    let sources = places.facts.iter().zip(&scenario.facts);
    let checked = sources.map(|(place, source)| {
        let on_link = |link: &Link| pair(&link.client, &link.server, &format!("facts/{place}/link"), scenario);
        match &source.from {
            Origin::Event(event) => {
                event.host.iter().try_for_each(|host| known(host, &format!("facts/{place}/host"), scenario))
            }
            Origin::Unit(unit) => unit.link.iter().try_for_each(on_link),
            Origin::Connection(connection) => connection.link.iter().try_for_each(on_link),
        }
    });
    checked.filter_map(Result::err).collect()
}

fn specimens(scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (nth, (place, specimen)) in places.specimens.iter().zip(&scenario.specimens).enumerate() {
        let path = format!("specimen/{place}");
        flaws.extend(name(&specimen.name, format!("{path}/name")).err());
        if scenario.specimens[..nth].iter().any(|earlier| earlier.name == specimen.name) {
            flaws.push(Flaw::new(format!("{path}/name"), format!("two specimens are named `{}`", specimen.name)));
        }
        flaws.extend(known(&specimen.host, &format!("{path}/host"), scenario).err());
        flaws.extend(convicting(&specimen.convicted_by, &format!("{path}/convicted_by"), scenario, places));
        flaws.extend(breaking(specimen.breaks.as_deref(), &format!("{path}/breaks"), scenario).err());
    }
    let named = scenario.convicts.iter().map(|conviction| (&conviction.of, &conviction.by, &conviction.breaks));
    let opposites = scenario.opposites.iter().map(|of| (&of.name, &of.convicted_by, &of.breaks));
    for (of, by, breaks) in named.chain(opposites) {
        let path = format!("convicts/{of}");
        flaws.extend(name(of, &path).err());
        if scenario.specimens.iter().any(|specimen| specimen.name == *of) {
            flaws.push(Flaw::new(&path, format!("two defects are named `{of}`")));
        }
        flaws.extend(convicting(by, &path, scenario, places));
        flaws.extend(breaking(breaks.as_deref(), &format!("{path}/breaks"), scenario).err());
    }
    flaws
}

/// Checks that what a defect breaks is a part of the scenario's sentence.
fn breaking(breaks: Option<&str>, path: &str, scenario: &Scenario) -> Checked {
    match breaks.filter(|part| part.trim().is_empty() || !scenario.proves.contains(part)) {
        Some(part) => Err(Flaw::new(path, format!("`{part}` is no part of what the scenario proves"))),
        None => Ok(()),
    }
}

/// Finds the mistakes in the list of the checks that must convict a defect.
fn convicting(by: &[String], path: &str, scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    if by.is_empty() {
        return vec![Flaw::new(path, "a defect that no check convicts proves nothing")];
    }
    if !places.are_all {
        return Vec::new();
    }
    let checks = scenario.checks.checks();
    let own = scenario.checks.own.keys().map(String::as_str);
    let expected: Vec<&str> = checks.iter().map(|check| check.name()).chain(own).collect();
    let always = ALWAYS.into_iter().filter(|check| !expected.contains(check));
    let judges: Vec<&str> = expected.iter().copied().chain(always).collect();
    let strangers = by.iter().filter(|check| !judges.contains(&check.as_str()));
    let tell = |check: &String| {
        let sentence = format!("the scenario is not judged by a check `{check}`");
        Flaw::unknown(path, unknown(sentence, check, judges.iter().copied()))
    };
    strangers.map(tell).collect()
}
