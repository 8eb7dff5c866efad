//! What is wrong with a scenario though each of its words is right.

mod check;
mod clash;
mod fault;

use std::collections::BTreeSet;
use std::time::Duration;

use super::duration;
use super::error::{Flaw, list, unknown};
use super::{Role, Scenario};
use crate::mapping::Origin;
use crate::name::HostName;
pub(crate) use check::own_checks;
pub(crate) use fault::rule;

/// The checks that judge every run, whatever a scenario expects.
const ALWAYS: [&str; 4] = ["integrity", "survival", "stops", "took_effect"];

type Checked = Result<(), Flaw>;

/// Finds the first mistake of each part of a scenario.
pub(crate) fn scenario(scenario: &Scenario) -> Vec<Flaw> {
    let parts = [name(&scenario.name, "name"), sentence(scenario), hosts(scenario), times(scenario), links(scenario)];
    let mut flaws: Vec<_> = parts.into_iter().filter_map(Result::err).collect();
    let rules = scenario.rules.iter().enumerate();
    let rules: Vec<_> =
        rules.filter_map(|(place, fault)| rule(fault, &format!("fault/{place}"), scenario).err()).collect();
    if rules.is_empty() {
        flaws.extend(clash::clashes(scenario).err());
    }
    flaws.extend(rules);
    flaws.extend([facts(scenario), check::checks(scenario), specimens(scenario)].into_iter().filter_map(Result::err));
    flaws
}

fn sentence(scenario: &Scenario) -> Checked {
    if scenario.proves.trim().is_empty() {
        return Err(Flaw::new("proves", "`proves` says nothing: it is the sentence that a run proves"));
    }
    Ok(())
}

/// Finds the first `run` that a catalogue does not have.
pub(crate) fn runs(scenario: &Scenario, hosts: &[&str], actors: &[&str]) -> Checked {
    for host in &scenario.hosts {
        let path = format!("{}/{}/run", key(host.role), host.name);
        run(&host.run, host.role, path, hosts, actors)?;
    }
    for (place, specimen) in scenario.specimens.iter().enumerate() {
        let role = scenario.host_named(&specimen.host).map_or(Role::Host, |host| host.role);
        run(&specimen.run, role, format!("specimen/{place}/run"), hosts, actors)?;
    }
    Ok(())
}

fn run(run: &str, role: Role, path: String, hosts: &[&str], actors: &[&str]) -> Checked {
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

fn hosts(scenario: &Scenario) -> Checked {
    let mut names = BTreeSet::new();
    for host in &scenario.hosts {
        let path = format!("{}/{}", key(host.role), host.name);
        name(host.name.as_str(), &path)?;
        if !names.insert(&host.name) {
            return Err(Flaw::new(path, format!("two hosts are named `{}`; actors are hosts, too", host.name)));
        }
    }
    if scenario.hosts.iter().all(|host| host.role == Role::Host) {
        return Err(Flaw::new(
            "",
            "nobody acts: a run ends when its actors have, so a scenario needs an `[actor.NAME]`",
        ));
    }
    Ok(())
}

fn times(scenario: &Scenario) -> Checked {
    let starts = scenario.hosts.iter().map(|host| (format!("{}/{}/start", key(host.role), host.name), host.start));
    let links = scenario.links.iter().enumerate();
    let links = links.filter_map(|(n, link)| Some((format!("link/{n}/latency"), link.latency?)));
    let boxes = scenario.links.iter().enumerate();
    let boxes = boxes.filter_map(|(n, link)| Some((format!("link/{n}/idle_timeout"), link.middlebox?)));
    let usual = scenario.network.link.middlebox.map(|middlebox| ("network/idle_timeout".to_owned(), middlebox));
    for (path, middlebox) in boxes.chain(usual) {
        virtual_time(middlebox.idle_timeout, &path)?;
        if middlebox.idle_timeout.is_zero() {
            return Err(Flaw::new(path, "a connection is idle for at least 1ms before it is forgotten"));
        }
    }
    let fixed = [
        ("network/latency".to_owned(), scenario.network.link.latency),
        ("time_limit".to_owned(), scenario.time_limit),
        ("settle".to_owned(), scenario.settle),
    ];
    fixed.into_iter().chain(starts).chain(links).try_for_each(|(path, time)| virtual_time(time, &path))?;
    let late = scenario.hosts.iter().find(|host| host.start >= scenario.time_limit);
    late.map_or(Ok(()), |host| {
        let [start, limit] = [host.start, scenario.time_limit].map(humantime::format_duration);
        let sentence = format!(
            "`{}` starts at {start}, and the run is over at {limit}: let it start earlier, or raise `time_limit`",
            host.name
        );
        Err(Flaw::new(format!("{}/{}/start", key(host.role), host.name), sentence))
    })
}

fn virtual_time(time: Duration, path: &str) -> Checked {
    match duration::flaw(time) {
        Some(flaw) => Err(Flaw::new(path, format!("{time:?} {flaw}"))),
        None => Ok(()),
    }
}

fn links(scenario: &Scenario) -> Checked {
    let usual = scenario.network.link;
    buffers("network", Some(usual.send_buffer_bytes), Some(usual.receive_buffer_bytes))?;
    syns("network", Some(usual.tcp_syn_linear_timeouts))?;
    for (place, link) in scenario.links.iter().enumerate() {
        buffers(&format!("link/{place}"), link.send_buffer_bytes, link.receive_buffer_bytes)?;
        syns(&format!("link/{place}"), link.tcp_syn_linear_timeouts)?;
        let path = format!("link/{place}/between");
        let (one, other) = &link.between;
        pair(one, other, &path, scenario)?;
        if scenario.links[..place].iter().any(|earlier| earlier.joins(one, other)) {
            return Err(Flaw::new(path, format!("the link between `{one}` and `{other}` is described twice")));
        }
    }
    Ok(())
}

fn buffers(path: &str, send: Option<u32>, receive: Option<u32>) -> Checked {
    for (key, bytes) in [("send_buffer_bytes", send), ("receive_buffer_bytes", receive)] {
        if bytes == Some(0) {
            return Err(Flaw::new(format!("{path}/{key}"), "a buffer of 0 bytes lets nothing pass: it has at least 1"));
        }
    }
    Ok(())
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

fn facts(scenario: &Scenario) -> Checked {
    for (place, source) in scenario.facts.iter().enumerate() {
        match &source.from {
            Origin::Event(event) => {
                if let Some(host) = &event.host {
                    known(host, &format!("facts/{place}/host"), scenario)?;
                }
            }
            Origin::Unit(unit) => {
                if let Some(link) = &unit.link {
                    pair(&link.client, &link.server, &format!("facts/{place}/link"), scenario)?;
                }
            }
            Origin::Connection(connection) => {
                if let Some(link) = &connection.link {
                    pair(&link.client, &link.server, &format!("facts/{place}/link"), scenario)?;
                }
            }
        }
    }
    Ok(())
}

fn specimens(scenario: &Scenario) -> Checked {
    let checks = scenario.checks.checks();
    let own = scenario.checks.own.keys().map(String::as_str);
    let expected: Vec<&str> = checks.iter().map(|check| check.name()).chain(own).collect();
    for (place, specimen) in scenario.specimens.iter().enumerate() {
        let path = format!("specimen/{place}");
        name(&specimen.name, format!("{path}/name"))?;
        if scenario.specimens[..place].iter().any(|earlier| earlier.name == specimen.name) {
            return Err(Flaw::new(format!("{path}/name"), format!("two specimens are named `{}`", specimen.name)));
        }
        known(&specimen.host, &format!("{path}/host"), scenario)?;
        let convicted_by = format!("{path}/convicted_by");
        if specimen.convicted_by.is_empty() {
            return Err(Flaw::new(convicted_by, "a specimen that no check convicts proves nothing"));
        }
        let judges = || expected.iter().copied().chain(ALWAYS.into_iter().filter(|check| !expected.contains(check)));
        if let Some(check) = specimen.convicted_by.iter().find(|check| !judges().any(|judge| judge == *check)) {
            let sentence = format!("the scenario is not judged by a check `{check}`");
            let judges: Vec<_> = judges().collect();
            return Err(Flaw::unknown(convicted_by, unknown(sentence, check, judges)));
        }
    }
    Ok(())
}
