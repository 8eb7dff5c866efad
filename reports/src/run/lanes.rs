//! The hosts, in the order in which they stand beside each other: those that talk stand together, users on the left.

use std::collections::{BTreeMap, BTreeSet};

use halfopen::name::HostName;
use halfopen::trace::{Record, RecordKind};

/// Up to this many hosts every order is tried.
const TRIED: usize = 7;

/// The hosts of these records in the order of their lanes.
pub(crate) fn of<'a>(records: impl Iterator<Item = &'a Record>, actors: &[HostName]) -> Vec<HostName> {
    let mut talk: BTreeMap<(HostName, HostName), usize> = BTreeMap::new();
    let mut hosts = BTreeSet::new();
    for record in records {
        let link = match &record.what {
            RecordKind::Connection { id, .. } => Some(&id.link),
            RecordKind::Unit { connection, .. } | RecordKind::Observed { connection, .. } => Some(&connection.link),
            RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Fact(_)
            | RecordKind::Event(_)
            | RecordKind::BrokenRule { .. } => None,
        };
        hosts.extend(record.host.clone());
        if let Some(link) = link {
            hosts.extend([link.client.clone(), link.server.clone()]);
            *talk.entry((link.client.clone(), link.server.clone())).or_default() += 1;
        }
    }
    let start: Vec<_> = hosts.into_iter().collect();
    if start.len() > TRIED {
        return by_reach(start, &talk, actors);
    }
    let cost = |order: &[HostName]| {
        let place = |host: &HostName| order.iter().position(|at| at == host).unwrap_or(0);
        let distance = talk.keys().map(|(client, server)| place(client).abs_diff(place(server))).sum::<usize>();
        let from_right: usize = actors.iter().filter(|actor| order.contains(actor)).map(place).sum();
        let backwards = talk.keys().filter(|(client, server)| place(client) > place(server)).count();
        (distance, from_right, backwards)
    };
    let mut best = start.clone();
    let mut order = start;
    permute(&mut order, 0, &mut |order| {
        if cost(order) < cost(&best) {
            best = order.to_vec();
        }
    });
    best
}

fn permute(order: &mut Vec<HostName>, fixed: usize, look: &mut impl FnMut(&[HostName])) {
    if fixed + 1 >= order.len() {
        return look(order);
    }
    for next in fixed..order.len() {
        order.swap(fixed, next);
        permute(order, fixed + 1, look);
        order.swap(fixed, next);
    }
}

/// Many hosts: actors first, then whom they reach, and so on.
fn by_reach(hosts: Vec<HostName>, talk: &BTreeMap<(HostName, HostName), usize>, actors: &[HostName]) -> Vec<HostName> {
    let mut order: Vec<HostName> = actors.iter().filter(|actor| hosts.contains(actor)).cloned().collect();
    let mut next = 0;
    while next < order.len() {
        let host = order[next].clone();
        let reached = talk.keys().filter_map(|(client, server)| match (*client == host, *server == host) {
            (true, _) => Some(server),
            (false, true) => Some(client),
            (false, false) => None,
        });
        for reached in reached {
            if !order.contains(reached) {
                order.push(reached.clone());
            }
        }
        next += 1;
    }
    let rest: Vec<_> = hosts.into_iter().filter(|host| !order.contains(host)).collect();
    order.extend(rest);
    order
}
