//! Who waits: at the moment of the failure, and at the end.

use std::collections::BTreeMap;

use halfopen::FactKind;
use halfopen::name::Side;
use halfopen::trace::RecordKind;
use maud::{Markup, html};

use crate::run::Run;
use crate::run::connections::Connections;
use crate::run::rows::end;
use crate::text::{length, moment, visible};

/// As many rows of a table as a reader looks at.
const SHOWN: usize = 24;

pub(super) fn section(run: &mut Run<'_>, connections: &Connections) -> Markup {
    let last = &run.outcome.last;
    let moment_of_failure = run.first_proofs.last().copied();
    let waits: Vec<_> =
        last.pending.iter().map(|pending| (pending.host.to_string(), run.shorten(&pending.on))).collect();
    html! {
        section #waits aria-labelledby="waits-title" {
            h2 #waits-title { "Who waits" }
            div.columns {
                @if let Some(index) = moment_of_failure {
                    div {
                        h3 { "At the failure, " (moment(run.records[index].at)) }
                        (believed(run, connections, index))
                        (gauges(run, index))
                    }
                }
                div {
                    h3 { "At the end, " (moment(last.at)) }
                    @if waits.is_empty() { p.quiet { "No host waits for anything." } }
                    @else {
                        ul.plain { @for (host, on) in waits.iter().take(SHOWN) { li { b { (host) } " waits for " (on) } } }
                    }
                    (sockets(run))
                    (tasks(run))
                }
            }
        }
    }
}

/// What each end of each open connection believed at a moment.
fn believed(run: &Run<'_>, connections: &Connections, index: usize) -> Markup {
    let mut rows = Vec::new();
    for (id, connection) in connections.established() {
        let alive = [Side::Client, Side::Server].map(|side| {
            connection.belief(side).map(|belief| {
                let lives = belief.from <= index && belief.until.is_none_or(|until| until > index);
                (lives, belief.mistaken.filter(|since| *since <= index))
            })
        });
        if alive.iter().flatten().any(|(lives, _)| *lives) {
            rows.push((id, alive));
        }
    }
    let now = run.records[index].at;
    html! {
        table.small {
            caption { "What each end believes" }
            thead { tr { th scope="col" { "connection" } th scope="col" { "client" } th scope="col" { "server" } } }
            tbody {
                @for (id, alive) in rows.iter().take(SHOWN) {
                    tr {
                        th scope="row" { (visible(&id.to_string())) }
                        @for (side, state) in [Side::Client, Side::Server].into_iter().zip(alive) {
                            @match state {
                                Some((true, Some(since))) => td.wrong { (end(id, side).to_string()) ": open, mistaken for " (length(now.saturating_sub(run.records[*since].at))) },
                                Some((true, None)) => td { (end(id, side).to_string()) ": open" },
                                Some((false, _)) | None => td.quiet { (end(id, side).to_string()) ": gone" },
                            }
                        }
                    }
                }
            }
        }
        @if rows.is_empty() { p.quiet { "No connection was open." } }
    }
}

/// The gauges as they stood.
fn gauges(run: &Run<'_>, index: usize) -> Markup {
    let mut gauges = BTreeMap::new();
    for record in &run.records[..=index] {
        if let RecordKind::Fact(fact) = &record.what
            && fact.kind == FactKind::Gauge
            && let Some(host) = &record.host
        {
            gauges.insert((host.to_string(), fact.key.clone()), fact.value.clone().unwrap_or_default());
        }
    }
    let (idle, telling): (Vec<_>, Vec<_>) = gauges.iter().partition(|(_, value)| *value == "0");
    html! {
        @if !gauges.is_empty() {
            table.small {
                caption { "Gauges" }
                tbody {
                    @for ((host, name), value) in telling.iter().take(SHOWN) {
                        tr { th scope="row" { (visible(host)) " " (visible(name)) } td.number { (visible(value)) } }
                    }
                    @if !idle.is_empty() { tr { td.quiet colspan="2" { (idle.len()) " others stood at 0" } } }
                }
            }
        }
    }
}

fn sockets(run: &Run<'_>) -> Markup {
    let sockets: Vec<_> = run.outcome.last.sockets.iter().filter(|socket| socket.connection.is_some()).collect();
    html! {
        @if !sockets.is_empty() {
            table.small {
                caption { "Sockets" }
                thead { tr { th scope="col" { "host" } th scope="col" { "connection" } th scope="col" { "state" } th scope="col" { "unread" } th scope="col" { "unsent" } } }
                tbody {
                    @for socket in sockets.iter().take(SHOWN) {
                        tr.wrong[!socket.is_established()] {
                            th scope="row" { (socket.host.to_string()) }
                            td { (socket.connection.as_ref().map(ToString::to_string).unwrap_or_default()) }
                            td { (socket.state) }
                            td.number { (socket.recv_q) }
                            td.number { (socket.send_q) }
                        }
                    }
                }
            }
            @if sockets.len() > SHOWN { p.quiet { (sockets.len() - SHOWN) " more." } }
        }
    }
}

fn tasks(run: &Run<'_>) -> Markup {
    let left: Vec<_> = run.outcome.last.tasks.iter().filter(|(_, _, tasks)| *tasks > 0).collect();
    html! {
        @if !left.is_empty() {
            ul.plain { @for (host, _, tasks) in left { li { b { (host.to_string()) } " left " (tasks) " tasks behind when it was stopped" } } }
        }
    }
}
