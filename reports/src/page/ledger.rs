//! The ledger: a row a key, a column a kind of fact.

use maud::{Markup, html};

use super::to_record;
use crate::run::Run;
use crate::run::ledger::{self, Cell, Ledger, Row, heading};
use crate::text::{clipped, moment};

pub(super) fn section(run: &mut Run<'_>) -> Markup {
    let tables = ledger::of(run);
    html! {
        section #ledger aria-labelledby="ledger-title" {
            h2 #ledger-title { "Ledger" }
            p.hint { "What became of each thing, by the facts that hosts told. A red cell contradicts another; a circle is a fact that never came." }
            @if tables.is_empty() { p.quiet { "No fact was told in this run." } }
            @for table in &tables { (one(table)) }
        }
    }
}

fn one(table: &Ledger) -> Markup {
    html! {
        h3 { (table.title) }
        div.wide tabindex="0" role="region" aria-label=(table.title) {
            table.ledger {
                thead { tr { th scope="col" { "key" } @for kind in &table.columns { th scope="col" { (heading(*kind)) } } } }
                tbody { @for row in &table.rows { (line(row)) } }
            }
        }
        @if table.left > 0 { p.quiet { (table.left) " more rows are in the records." } }
    }
}

fn line(row: &Row) -> Markup {
    html! {
        tr.subject[row.is_subject] {
            th scope="row" {
                span.key { (clipped(&row.key, 60)) }
                @if row.count > 1 { span.times { " and " (row.count - 1) " like it" } }
            }
            @for cell in &row.cells { (shown(cell.as_ref())) }
        }
    }
}

fn shown(cell: Option<&Cell>) -> Markup {
    let Some(cell) = cell else {
        return html! { td.missing { span aria-hidden="true" { "○" } span.sr { "never" } } };
    };
    html! {
        td.wrong[cell.wrong.is_some()] {
            (to_record(cell.record, &moment(cell.at)))
            @if cell.count > 1 { b { " ×" (cell.count) } }
            span.who { (cell.who) @if !cell.value.is_empty() { ": " (clipped(&cell.value, 28)) } }
            @if let Some(wrong) = cell.wrong { span.why { (wrong) } }
        }
    }
}
