//! What is wrong with what checks are told.

use std::collections::BTreeSet;

use super::{Checked, Places, Role, Scenario, known, timing};
use crate::actors::Canned;
use crate::check::{Expectations, GaugeLaw, NoCheck, OwnChecks};
use crate::fact::FactKind;
use crate::fault::{Act, Registry, to_word};
use crate::name::HostName;
use crate::scenario::error::{Flaw, unknown};

/// Finds the mistakes in what the checks of this crate are told.
pub(super) fn checks(scenario: &Scenario, places: &Places) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if places.are_all {
        let needs = scenario.checks.needs().into_iter();
        flaws.extend(needs.filter_map(|(check, kind)| is_told(check, kind, scenario).err()));
        flaws.extend(chosen_faults(scenario));
    }
    if scenario.checks.broadcast.as_ref().is_some_and(|broadcast| broadcast.receivers.is_empty()) {
        let sentence = "`receivers` is empty: a broadcast without a receiver proves nothing";
        flaws.push(Flaw::new("checks/broadcast/receivers", sentence));
    }
    let named = named_hosts(&scenario.checks).into_iter();
    flaws.extend(named.filter_map(|(path, host)| known(host, path, scenario).err()));
    flaws.extend(timing::rules(scenario, places));
    let signs = scenario.checks.sometimes.iter().flat_map(|sometimes| &sometimes.0);
    let verbs = signs.filter_map(|(state, sign)| Some((state, sign.fault.as_deref()?)));
    // A verb of the catalogue's own is known by the faults that have it; one that none has never strikes.
    let own = scenario.rules.iter().flat_map(|rule| &rule.acts).map(Act::word);
    let registry = Registry::default();
    let known: Vec<_> = registry.words().chain(own).collect();
    flaws.extend(verbs.filter(|(_, verb)| !known.contains(verb)).map(|(state, verb)| {
        let sentence = unknown(format!("`{verb}` is no verb"), verb, known.iter().copied());
        Flaw::unknown(format!("checks/sometimes/{state}/fault"), sentence)
    }));
    flaws
}

/// Finds the faults that `detect` names and that are not there.
fn chosen_faults(scenario: &Scenario) -> Vec<Flaw> {
    let faults = scenario.rules.len();
    let chosen = scenario.checks.detect.iter().flat_map(|detect| &detect.faults);
    let missing = chosen.filter(|fault| usize::try_from(**fault).is_ok_and(|fault| fault >= faults));
    let tell = |fault: &u32| {
        let sentence = format!("there is no fault {fault}: the scenario has {faults}, and they are counted from 0");
        Flaw::new("checks/detect/faults", sentence)
    };
    missing.map(tell).collect()
}

/// Finds each check that is neither of this crate nor the catalogue's own, or is told what it does not understand.
pub(crate) fn own_checks(scenario: &Scenario, own: &OwnChecks) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (name, config) in &scenario.checks.own {
        let path = format!("checks/{name}");
        match own.make(name, config) {
            Err(NoCheck::Unknown) => {
                let known: Vec<_> = Expectations::NAMES.into_iter().chain(own.names()).collect();
                flaws.push(Flaw::unknown(path, unknown(format!("there is no check `{name}`"), name, known)));
            }
            Err(misconfigured @ NoCheck::Misconfigured(_)) => {
                flaws.push(Flaw::new(path, misconfigured.sentence(name)));
            }
            Ok(check) => {
                flaws.extend(check.needs().into_iter().filter_map(|kind| is_told(name, kind, scenario).err()));
            }
        }
    }
    flaws
}

fn is_told(check: &str, kind: FactKind, scenario: &Scenario) -> Checked {
    let mapped = scenario.facts.iter().map(|source| source.kind);
    let canned =
        scenario.hosts.iter().filter(|host| host.role == Role::Actor).filter_map(|host| Canned::named(&host.run));
    let may_tell = canned.flat_map(|canned| canned.may_tell().iter().copied());
    let tells = scenario.hosts.iter().flat_map(|host| host.tells.iter().copied());
    let told: BTreeSet<_> = tells.chain(mapped).chain(may_tell).collect();
    if told.contains(&kind) {
        return Ok(());
    }
    let kind = to_word(&kind);
    let sentence = format!(
        "the check `{check}` reads `{kind}` facts, and nothing is a source of them: map an event or a unit under \
         `[[facts]]`, or list `{kind}` in what an actor `tells`"
    );
    Err(Flaw::new(format!("checks/{check}"), sentence))
}

/// The hosts that checks name, and where.
fn named_hosts(checks: &Expectations) -> Vec<(&'static str, &HostName)> {
    let mut named: Vec<(&'static str, &HostName)> = Vec::new();
    let losses = checks.delivery.iter().flat_map(|delivery| &delivery.allowed_losses);
    named.extend(losses.filter_map(|loss| loss.host.as_ref()).map(|host| ("checks/delivery/allowed_losses", host)));
    if let Some(broadcast) = &checks.broadcast {
        named.extend(broadcast.receivers.iter().map(|host| ("checks/broadcast/receivers", host)));
        named.extend(broadcast.senders.iter().map(|host| ("checks/broadcast/senders", host)));
        let hosts = broadcast.allowed_losses.iter().filter_map(|loss| loss.host.as_ref());
        named.extend(hosts.map(|host| ("checks/broadcast/allowed_losses", host)));
    }
    if let Some(terminal) = &checks.terminal {
        named.extend(terminal.at.as_ref().map(|host| ("checks/terminal/at", host)));
        named.extend(terminal.while_alive.as_ref().map(|host| ("checks/terminal/while_alive", host)));
    }
    let order = checks.delivery.iter().flat_map(|delivery| &delivery.order_of);
    named.extend(order.map(|host| ("checks/delivery/order_of", host)));
    let held_back = checks.truthful.iter().flat_map(|truthful| &truthful.held_back_by);
    named.extend(held_back.map(|host| ("checks/truthful/held_back_by", host)));
    let codes = checks.close_code.iter().flat_map(|codes| codes.in_order.keys());
    named.extend(codes.map(|host| ("checks/close_code/in_order", host)));
    let detect = checks.detect.iter().flat_map(|detect| &detect.observers);
    named.extend(detect.map(|host| ("checks/detect/observers", host)));
    let recover = checks.recover.iter().flat_map(|recover| &recover.observers);
    named.extend(recover.map(|host| ("checks/recover/observers", host)));
    let up = checks.survival.iter().flat_map(|survival| &survival.stay_up);
    named.extend(up.map(|host| ("checks/survival/stay_up", host)));
    let stopping = checks.stops.iter().flat_map(|stops| stops.hosts.keys());
    named.extend(stopping.map(|host| ("checks/stops/hosts", host)));
    let clean = checks.hygiene.iter().flat_map(|hygiene| &hygiene.hosts);
    named.extend(clean.map(|host| ("checks/hygiene/hosts", host)));
    let signs = checks.sometimes.iter().flat_map(|sometimes| sometimes.0.values());
    named.extend(signs.filter_map(|sign| sign.host.as_ref()).map(|host| ("checks/sometimes", host)));
    let gauges = checks.leaks.iter().flat_map(|leaks| leaks.gauges.values());
    named.extend(gauges.flat_map(gauge_hosts).map(|host| ("checks/leaks/gauges", host)));
    named
}

fn gauge_hosts(gauge: &GaugeLaw) -> Vec<&HostName> {
    match gauge {
        GaugeLaw::Value(_) | GaugeLaw::Bounds(_) => Vec::new(),
        GaugeLaw::Sockets(sockets) => [&sockets.established_on].into_iter().chain(&sockets.with).collect(),
    }
}
