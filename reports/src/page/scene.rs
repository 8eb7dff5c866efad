//! The scene: a lane a host, a row a record, slanted messages, and beside each lane what it believes of its connections.

use halfopen::name::HostName;
use maud::{Markup, html};

use super::layout::{Bar, Gap, HEAD, Layout, ROW, TIMES};
use crate::run::connections::Connections;
use crate::run::rows::{self, Row, Shape, Tone};
use crate::run::{Run, lanes, window};
use crate::text::{clipped, length, moment};

/// How many colours there are for connections.
const COLOURS: usize = 6;
/// How wide a letter is, about, of the words of the scene, and of those in bold.
const LETTER: f64 = 6.6;
const BOLD: f64 = 7.6;
/// As much of a label as a pill holds, in characters.
const PILL: usize = 48;
/// Beside a lane there is room for its bars.
const BESIDE: f64 = 16.0;

/// What is drawn.
pub(super) struct Scene {
    pub(super) rows: Vec<Row>,
    layout: Layout,
    sentence: String,
}

impl Scene {
    pub(super) fn of(run: &mut Run<'_>, connections: &Connections) -> Self {
        let records = window::of(run, connections);
        let rows = rows::of(run, connections, &records);
        let lanes = lanes::of(records.iter().map(|index| &run.records[*index]), &run.outcome.actors);
        let layout = Layout::of(lanes, &rows, run.records, &|index| run.is_worth_a_line(index), connections);
        let broken = run.broken();
        let sentence = broken.first().map(|first| run.shorten(&first.sentence)).unwrap_or_default();
        Self { rows, layout, sentence }
    }

    pub(super) fn told(&self) -> Markup {
        let Layout { width, height, .. } = self.layout;
        html! {
            div.picture tabindex="0" role="group" aria-label="The scene; arrow keys step through its rows, Enter shows the record" {
                svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width:.0} {height:.0}")) style=(format!("min-width:{:.0}px", width * 0.86)) role="img" aria-labelledby="scene-name scene-text" {
                    title #scene-name { "A sequence diagram of " (self.rows.len()) " records" }
                    desc #scene-text { (self.sentence) " The list behind the picture has the same rows." }
                    (definitions())
                    (self.lanes())
                    @for gap in &self.layout.gaps { (self.gap(gap)) }
                    @for (_, y) in self.rows.iter().zip(&self.layout.rows).filter(|(row, _)| row.proves) {
                        rect.ground x="0" y=(num(y - ROW / 2.0)) width=(num(width)) height=(num(ROW)) {}
                    }
                    @for bar in &self.layout.bars { (bar_shape(bar)) }
                    (self.spine())
                    @for (place, row) in self.rows.iter().enumerate() { (self.row(place, row)) }
                }
            }
            (legend())
        }
    }

    fn lanes(&self) -> Markup {
        html! {
            @for host in &self.layout.lanes {
                @let x = self.layout.x(host);
                line.lane x1=(num(x)) x2=(num(x)) y1=(num(HEAD - 16.0)) y2=(num(self.layout.height)) {}
                g.host {
                    @let wide = (host.as_str().chars().count() as f64 * 7.6 + 22.0).max(56.0);
                    rect x=(num(x - wide / 2.0)) y="6" width=(num(wide)) height="26" rx="6" {}
                    text x=(num(x)) y="24" text-anchor="middle" { (host.as_str()) }
                }
            }
        }
    }

    fn gap(&self, gap: &Gap) -> Markup {
        let words = match (gap.lasts.is_zero(), gap.count) {
            (false, 0) => length(gap.lasts),
            (false, count) => format!("{} · {count} more", length(gap.lasts)),
            (true, count) => format!("{count} more at the same time"),
        };
        let drawn = html! {
            line.gap x1=(num(TIMES - 4.0)) x2=(num(self.layout.width - 8.0)) y1=(num(gap.y)) y2=(num(gap.y)) {}
            text.gap x=(num(TIMES - 12.0)) y=(num(gap.y + 4.0)) text-anchor="end" { "↕ " (length(gap.lasts)) }
            @if gap.count > 0 {
                text.gap.more x=(num(TIMES - 2.0)) y=(num(gap.y - 4.0)) { (gap.count) " more" }
            }
        };
        html! {
            @match gap.hidden.filter(|_| gap.count > 0) {
                Some((first, last)) => a href=(format!("#w={first}-{last}")) tabindex="-1" aria-label=(words) { (drawn) },
                None => (drawn),
            }
        }
    }

    /// The line from the sentence to what proves it.
    fn spine(&self) -> Markup {
        let last = self.rows.iter().zip(&self.layout.rows).filter(|(row, _)| row.proves).map(|(_, y)| *y).next_back();
        html! { @if let Some(y) = last { path.spine d=(format!("M3 0V{}", num(y))) {} } }
    }

    fn row(&self, place: usize, row: &Row) -> Markup {
        let y = self.layout.rows[place];
        let before = place.checked_sub(1).map(|before| moment(self.rows[before].at));
        let at = moment(row.at);
        let class = format!(
            "row {}{}{}",
            tone(row.tone),
            if row.proves { " proves" } else { "" },
            if row.of_key { " of-key" } else { "" }
        );
        html! {
            a class=(class) href=(format!("#r={}", row.record)) tabindex="-1" data-y=(num(y)) {
                title { (at) ": " (row.label) @if row.proves { " (this proves it)" } }
                rect.hit x="0" y=(num(y - ROW / 2.0)) width=(num(self.layout.width)) height=(num(ROW)) {}
                @if row.proves { path.proof d=(format!("M3 {0}h9l-4-4m4 4l-4 4", num(y))) {} }
                @if before.as_deref() != Some(at.as_str()) { text.time x=(num(TIMES - 12.0)) y=(num(y + 4.0)) text-anchor="end" { (at) } }
                (self.shape(place, row, y))
            }
        }
    }

    fn shape(&self, place: usize, row: &Row, y: f64) -> Markup {
        match &row.shape {
            Shape::Arrow { from, to, arrives, dashed, .. } => {
                let arrival = self.layout.y_of_arrival(&self.rows, place, *arrives);
                let start = if arrival > y { y } else { y - 10.0 };
                self.arrow(row, from, to, (start, arrival), *dashed)
            }
            Shape::Both { one, other } => {
                let (left, right) = self.sides(one, other);
                html! {
                    line.both x1=(num(left + BESIDE)) x2=(num(right - BESIDE)) y1=(num(y)) y2=(num(y)) {}
                    (self.words(f64::midpoint(left, right), y + 4.0, &row.label, (right - left).abs() - 60.0))
                }
            }
            Shape::InVain { from, to } => {
                let (x, towards) = (self.layout.x(from), self.layout.x(to));
                let stop = x + (towards - x) * 0.72;
                html! {
                    line x1=(num(x + BESIDE * (towards - x).signum())) x2=(num(stop)) y1=(num(y)) y2=(num(y)) {}
                    path.cross d=(format!("M{} {}l10 10m0 -10l-10 10", num(stop - 5.0), num(y - 5.0))) {}
                    (self.words(f64::midpoint(x, stop), y - 4.0, &row.label, (stop - x).abs() - 30.0))
                }
            }
            Shape::Dot { on } => self.dot(row, on, y),
            Shape::Band { hosts } => self.band(row, hosts, y),
        }
    }

    fn sides(&self, one: &HostName, other: &HostName) -> (f64, f64) {
        let (one, other) = (self.layout.x(one), self.layout.x(other));
        (one.min(other), one.max(other))
    }

    fn arrow(&self, row: &Row, from: &HostName, to: &HostName, (start, arrival): (f64, f64), dashed: bool) -> Markup {
        let (x1, x2) = (self.layout.x(from), self.layout.x(to));
        let way = (x2 - x1).signum();
        let (tail, head) = (x1 + way * BESIDE, x2 - way * BESIDE);
        let (length, rise) = (head - tail, arrival - start);
        let size = length.hypot(rise).max(1.0);
        let (ux, uy) = (length / size, rise / size);
        let wing = |turn: f64| (head - 8.0 * ux - turn * 4.0 * uy, arrival - 8.0 * uy + turn * 4.0 * ux);
        let (one, other) = (wing(1.0), wing(-1.0));
        html! {
            line.dashed[dashed] x1=(num(tail)) y1=(num(start)) x2=(num(head)) y2=(num(arrival)) {}
            path.tip d=(format!("M{} {}L{} {}L{} {}z", num(head), num(arrival), num(one.0), num(one.1), num(other.0), num(other.1))) {}
            // Nearer to the sender, where fewer arrows cross.
            (self.words(tail + length * 0.45, start + rise * 0.45 - 5.0, &row.label, length.abs() - 24.0))
        }
    }

    fn words(&self, x: f64, y: f64, words: &str, room: f64) -> Markup {
        let chars = (room / LETTER).max(6.0) as usize;
        html! { text.words x=(num(x)) y=(num(y)) text-anchor="middle" { (clipped(words, chars)) } }
    }

    fn dot(&self, row: &Row, on: &HostName, y: f64) -> Markup {
        let x = self.layout.x(on);
        let to_left = self.layout.is_last(on);
        let beside = self.layout.bars.iter().filter(|bar| {
            let facing = if to_left { -1.0 } else { 1.0 };
            (bar.x - x).abs() < 40.0 && bar.facing == facing && bar.from <= y && bar.to >= y
        });
        let off = beside.map(|bar| (bar.x - x).abs()).fold(6.0, f64::max) + 9.0;
        let letter = if row.proves || row.of_key { BOLD } else { LETTER };
        let room = if to_left { x - TIMES } else { self.layout.width - x } - off - 24.0;
        let label = clipped(&row.label, ((room / letter).max(8.0) as usize).min(PILL));
        let wide = label.chars().count() as f64 * letter + 14.0;
        let left = if to_left { x - off - wide } else { x + off };
        html! {
            line.stem x1=(num(x)) x2=(num(if to_left { x - off } else { x + off })) y1=(num(y)) y2=(num(y)) {}
            circle cx=(num(x)) cy=(num(y)) r="4.5" {}
            rect.pill x=(num(left)) y=(num(y - 10.0)) width=(num(wide)) height="20" rx="5" {}
            text.pill x=(num(left + wide / 2.0)) y=(num(y + 4.0)) text-anchor="middle" { (label) }
        }
    }

    fn band(&self, row: &Row, hosts: &[HostName], y: f64) -> Markup {
        let struck: Vec<f64> =
            hosts.iter().filter(|host| self.layout.lanes.contains(host)).map(|host| self.layout.x(host)).collect();
        let low = struck.iter().copied().reduce(f64::min);
        let high = struck.iter().copied().reduce(f64::max);
        let (left, right) = match low.zip(high) {
            Some((low, high)) if high > low => (low - 26.0, high + 26.0),
            Some((x, _)) => (x - 120.0, x + 120.0),
            None => (TIMES, self.layout.width - 8.0),
        };
        let left = left.max(TIMES);
        let chars = ((right - left - 16.0) / LETTER).max(10.0) as usize;
        html! {
            rect.band x=(num(left)) y=(num(y - 11.0)) width=(num(right - left)) height="22" rx="4" {}
            text.band x=(num(f64::midpoint(left, right))) y=(num(y + 4.0)) text-anchor="middle" { (clipped(&row.label, chars)) }
        }
    }
}

/// What an end believes, hatched where it is mistaken.
fn bar_shape(bar: &Bar) -> Markup {
    let x = bar.x - 2.5;
    let words = format!("{} believes that {} is open", rows::end(&bar.connection, bar.side), bar.connection);
    html! {
        g.belief {
            title { (words) }
            rect class=(format!("c{}", bar.colour % COLOURS)) x=(num(x)) y=(num(bar.from)) width="5" height=(num(bar.to - bar.from)) rx="2.5" {}
            @if let Some((since, lasts)) = bar.mistaken {
                @let tall = (bar.to - since).max(3.0);
                rect.mistaken x=(num(x - 1.5)) y=(num(since)) width="8" height=(num(tall)) rx="2" {}
                @if tall > 70.0 {
                    @let told = lasts.map_or("half-open to the end".to_owned(), |lasts| format!("half-open {}", length(lasts)));
                    @let (tx, ty) = (bar.x - bar.facing * bar.outside, since + tall / 2.0);
                    text.mistaken x=(num(tx)) y=(num(ty)) text-anchor="middle" transform=(format!("rotate(-90 {} {})", num(tx), num(ty))) { (told) }
                }
            }
        }
    }
}

fn definitions() -> Markup {
    html! {
        defs {
            pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect.hatch-ground width="6" height="6" {}
                rect.hatch-line width="3" height="6" {}
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            li { svg width="18" height="18" aria-hidden="true" { rect.c0 x="6" y="1" width="5" height="16" rx="2.5" {} } "this end believes that the connection lives" }
            li { svg width="18" height="18" aria-hidden="true" { rect.mistaken x="5" y="1" width="8" height="16" rx="2" {} } "half-open: it is mistaken" }
            li { svg width="26" height="18" aria-hidden="true" { rect.band x="1" y="3" width="24" height="12" rx="3" {} } "a fault" }
            li { svg width="18" height="18" aria-hidden="true" { path.proof d="M2 9h10l-4-4m4 4l-4 4" {} } "proves that the law was broken" }
        }
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Fact => "fact",
        Tone::Bad => "bad",
        Tone::Quiet => "quiet",
        Tone::Fault => "fault",
    }
}

/// A coordinate with one digit, so that pages are small and the same everywhere.
fn num(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
