//! The scene as a list: for narrow screens, and for those who have it read to them.

use maud::{Markup, html};

use super::to_record;
use crate::run::rows::{Row, Shape};
use crate::text::moment;

pub(super) fn list(rows: &[Row]) -> Markup {
    html! {
        ol.scene-list aria-label="The scene as a list" {
            @for row in rows {
                li.proves[row.proves].band[matches!(row.shape, Shape::Band { .. })] {
                    (to_record(row.record, &moment(row.at)))
                    span.who { (who(row)) }
                    span.text { (row.label) @if row.proves { span.sr { " (proves it)" } } }
                }
            }
        }
    }
}

fn who(row: &Row) -> String {
    match &row.shape {
        Shape::Arrow { from, to, .. } => format!("{from} → {to}"),
        Shape::Both { one, other } => format!("{one} ⇄ {other}"),
        Shape::InVain { from, to } => format!("{from} ⇥ {to}"),
        Shape::Dot { on } => on.to_string(),
        Shape::Band { .. } => String::new(),
    }
}
