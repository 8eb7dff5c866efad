//! What is wrong with what checks are told.

use std::collections::BTreeSet;

use super::{Checked, Scenario, known};
use crate::check::{Expectations, GaugeLaw, NoCheck, OwnChecks};
use crate::fact::FactKind;
use crate::fault::{Verb, spelling};
use crate::name::HostName;
use crate::scenario::error::{Flaw, unknown};

/// Finds the first mistake in what the checks of this crate are told.
pub(super) fn checks(scenario: &Scenario) -> Checked {
    scenario.checks.needs().into_iter().try_for_each(|(check, kind)| is_told(check, kind, scenario))?;
    if scenario.checks.broadcast.as_ref().is_some_and(|broadcast| broadcast.receivers.is_empty()) {
        let sentence = "`receivers` names nobody: a broadcast that nobody is to receive proves nothing";
        return Err(Flaw::new("checks/broadcast/receivers", sentence));
    }
    let mut chosen = scenario.checks.detect.iter().flat_map(|detect| &detect.faults);
    let is_missing = |fault: &&u32| usize::try_from(**fault).is_ok_and(|fault| fault >= scenario.rules.len());
    if let Some(fault) = chosen.find(is_missing) {
        let faults = scenario.rules.len();
        let sentence = format!("there is no fault {fault}: the scenario has {faults}, and they are counted from 0");
        return Err(Flaw::new("checks/detect/faults", sentence));
    }
    named_hosts(&scenario.checks).into_iter().try_for_each(|(path, host)| known(host, path, scenario))?;
    let signs = scenario.checks.sometimes.iter().flat_map(|sometimes| &sometimes.0);
    let verbs = signs.filter_map(|(state, sign)| Some((state, sign.fault.as_deref()?)));
    verbs.into_iter().try_for_each(|(state, verb)| {
        if Verb::NAMES.contains(&verb) {
            return Ok(());
        }
        let sentence = unknown(format!("`{verb}` is no verb"), verb, Verb::NAMES);
        Err(Flaw::unknown(format!("checks/sometimes/{state}/fault"), sentence))
    })
}

/// Finds the first check that is neither of this crate nor the catalogue's own, or is told what it does not understand.
pub(crate) fn own_checks(scenario: &Scenario, own: &OwnChecks) -> Checked {
    for (name, config) in &scenario.checks.own {
        let path = format!("checks/{name}");
        match own.make(name, config) {
            Err(NoCheck::Unknown) => {
                let known: Vec<_> = Expectations::NAMES.into_iter().chain(own.names()).collect();
                return Err(Flaw::unknown(path, unknown(format!("there is no check `{name}`"), name, known)));
            }
            Err(misconfigured @ NoCheck::Misconfigured(_)) => {
                return Err(Flaw::new(path, misconfigured.sentence(name)));
            }
            Ok(check) => check.needs().into_iter().try_for_each(|kind| is_told(name, kind, scenario))?,
        }
    }
    Ok(())
}

fn is_told(check: &str, kind: FactKind, scenario: &Scenario) -> Checked {
    let mapped = scenario.facts.iter().map(|source| source.kind);
    let told: BTreeSet<_> = scenario.hosts.iter().flat_map(|host| host.tells.iter().copied()).chain(mapped).collect();
    if told.contains(&kind) {
        return Ok(());
    }
    let kind = spelling(&kind);
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
