//! What did happen in a run in which something was waited for in vain: the nearest event that was logged, and what passed.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{Direction, Link};
use crate::scenario::nearest;
use crate::trace::{Record, RecordKind, Unit};

/// Messages that are named when none is near.
const NAMED: usize = 4;

/// The event that is nearest to one that no host logged, with its fields, or what was logged instead, as the end of a
/// sentence; nothing when nothing was logged.
pub(crate) fn nearest_event(records: &[Record], wanted: &str) -> String {
    let mut logged: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in records {
        if let RecordKind::Event(event) = &record.what {
            let fields = event.fields.iter().map(|(name, _)| name.as_str());
            logged.entry(&event.message).or_default().extend(fields);
        }
    }
    if logged.contains_key(wanted) {
        return String::new();
    }
    if let Some(near) = nearest(wanted, logged.keys().copied()) {
        let fields: Vec<_> = logged.get(near.as_str()).into_iter().flatten().copied().collect();
        let with = if fields.is_empty() { String::new() } else { format!(" (its fields: {})", fields.join(", ")) };
        return format!("; the nearest that was logged is `{near}`{with}");
    }
    let named: Vec<_> = logged.keys().take(NAMED).map(|message| format!("`{message}`")).collect();
    match (named.len(), logged.len()) {
        (0, _) => "; nothing was logged at all".to_owned(),
        (shown, all) if shown < all => format!("; {} and {} other messages were logged", named.join(", "), all - shown),
        _ => format!("; logged were {}", named.join(", ")),
    }
}

/// What passed on a link, by kind and direction; without a connection of it, who did connect. `None` when nothing did.
pub(crate) fn passed(records: &[Record], link: &Link) -> Option<String> {
    let mut units: BTreeMap<(&'static str, Direction), u32> = BTreeMap::new();
    let mut links: BTreeSet<&Link> = BTreeSet::new();
    for record in records {
        match &record.what {
            RecordKind::Connection { id, .. } => _ = links.insert(&id.link),
            RecordKind::Unit { connection, direction, unit, .. } if connection.link == *link => {
                *units.entry((word(unit), *direction)).or_default() += 1;
            }
            RecordKind::Unit { .. }
            | RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Fact(_)
            | RecordKind::Event(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => {}
        }
    }
    if !links.contains(link) {
        let others: Vec<_> =
            links.iter().take(NAMED).map(|link| format!("{} -> {}", link.client, link.server)).collect();
        return (!others.is_empty()).then(|| format!("there is {}", others.join(", ")));
    }
    let told = units.into_iter().map(|((word, direction), times)| match times {
        1 => format!("1 {word} {direction}"),
        times => format!("{times} {word}s {direction}"),
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| format!("on {} -> {} passed {}", link.client, link.server, told.join(", ")))
}

/// Whether no host ever connected so.
pub(crate) fn is_strange(records: &[Record], link: &Link) -> bool {
    !records.iter().any(|record| matches!(&record.what, RecordKind::Connection { id, .. } if id.link == *link))
}

fn word(unit: &Unit) -> &'static str {
    match unit {
        Unit::HttpRequest { .. } => "request head",
        Unit::HttpResponse { .. } => "response head",
        Unit::HttpChunk { .. } => "chunk",
        Unit::WsControl { .. } => "control frame",
        Unit::WsMessage { .. } => "message",
        Unit::SseEvent { .. } => "SSE event",
    }
}
