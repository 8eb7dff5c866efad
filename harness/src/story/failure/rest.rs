//! Who was still waiting for what, and the sockets, when the run ended.

use super::super::alias::Aliases;
use super::super::table::Table;
use crate::check::Evidence;
use crate::trace::{Pending, SocketRow};

/// All of it.
pub(super) fn all(evidence: &Evidence, aliases: &mut Aliases) -> String {
    let pending: Vec<_> = evidence.last.pending.iter().collect();
    let sockets: Vec<_> = evidence.last.sockets.iter().collect();
    rendered(pending, sockets, aliases)
}

/// What says something: not a service that reads from a connection whose both ends are open, with nothing on its way.
pub(super) fn telling(evidence: &Evidence, aliases: &mut Aliases) -> String {
    let sockets = &evidence.last.sockets;
    let pending = evidence.last.pending.iter().filter(|pending| !is_idle_read(pending, sockets));
    let telling = sockets.iter().filter(|row| row.connection.is_some() && !is_sound(row, sockets));
    rendered(pending.collect(), telling.collect(), aliases)
}

fn rendered(pending: Vec<&Pending>, mut sockets: Vec<&SocketRow>, aliases: &mut Aliases) -> String {
    let mut text = String::new();
    if !pending.is_empty() {
        let mut table = Table::default();
        for pending in pending {
            table.row([pending.host.to_string(), aliases.shorten(&pending.on)]);
        }
        text.push_str("still waiting\n");
        text.push_str(&table.render());
    }
    if !sockets.is_empty() {
        sockets.sort_by_key(|row| (&row.host, row.incarnation, &row.connection, row.side));
        let mut table = Table::default();
        for row in sockets {
            let connection = row.connection.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            let queues = format!("recv-q {}, send-q {}", row.recv_q, row.send_q);
            table.row([row.host.to_string(), connection, row.side.to_string(), row.state.clone(), queues]);
        }
        text.push_str("sockets\n");
        text.push_str(&table.render());
    }
    text
}

/// Whether a host waits for the next bytes of a connection that is well.
fn is_idle_read(pending: &Pending, sockets: &[SocketRow]) -> bool {
    let Some(connection) = pending.on.strip_prefix("read on ") else { return false };
    let mut rows = sockets.iter().filter(|row| row.connection.as_ref().is_some_and(|id| id.to_string() == connection));
    rows.clone().count() > 0 && rows.all(|row| is_sound(row, sockets))
}

/// Whether both ends of a connection are open and nothing is stuck in this one.
fn is_sound(row: &SocketRow, sockets: &[SocketRow]) -> bool {
    let is_peer = |other: &&SocketRow| other.connection == row.connection && other.side == row.side.peer();
    let has_peer = sockets.iter().find(is_peer).is_some_and(SocketRow::is_established);
    row.is_established() && has_peer && (row.recv_q, row.send_q) == (0, 0)
}
