//! The scene as text, for a terminal of 100 columns.

use halfopen::name::HostName;

use crate::run::connections::Connections;
use crate::run::rows::{self, Row, Shape};
use crate::run::{Run, lanes, window};
use crate::text::{clipped, length, moment};

/// What a terminal shows.
const COLUMNS: usize = 100;
/// The column of times, with the mark of a proof before it.
const TIMES: usize = 12;
/// From this length on a pause is told.
const PAUSE_MILLIS: u128 = 200;

/// The diagram, a line a record.
pub(crate) fn of(run: &mut Run<'_>) -> String {
    let connections = Connections::of(run.records);
    let records = window::of(run, &connections);
    let rows = rows::of(run, &connections, &records);
    let lanes = lanes::of(records.iter().map(|index| &run.records[*index]), &run.outcome.actors);
    if lanes.is_empty() {
        return "nothing of this run can be drawn\n".to_owned();
    }
    let grid = Grid::of(lanes);
    let mut text = grid.heads();
    let mut before: Option<&Row> = None;
    for row in &rows {
        let pause =
            before.map(|before| row.at.saturating_sub(before.at)).filter(|pause| pause.as_millis() >= PAUSE_MILLIS);
        if let Some(pause) = pause {
            text.push_str(&grid.line(&format!("+ {}", length(pause)), false, '┊', |_| {}));
        }
        let is_new = before.is_none_or(|before| before.at != row.at);
        let time = if is_new { moment(row.at) } else { String::new() };
        text.push_str(&grid.line(&time, row.proves, '│', |line| grid.draw(line, row)));
        before = Some(row);
    }
    text.push_str("> proves that the law was broken\n");
    text
}

/// The columns of the lanes.
struct Grid {
    lanes: Vec<HostName>,
    spacing: usize,
}

impl Grid {
    fn of(lanes: Vec<HostName>) -> Self {
        let between = lanes.len().saturating_sub(1).max(1);
        let spacing = ((COLUMNS - TIMES - 22) / between).clamp(10, 34);
        Self { lanes, spacing }
    }

    fn x(&self, host: &HostName) -> usize {
        let place = self.lanes.iter().position(|lane| lane == host).unwrap_or(0);
        (TIMES + 4 + place * self.spacing).min(COLUMNS - 1)
    }

    fn heads(&self) -> String {
        let mut line = vec![' '; COLUMNS];
        for host in &self.lanes {
            let name = clipped(host.as_str(), self.spacing.saturating_sub(1));
            let start = self.x(host).saturating_sub(name.chars().count() / 2);
            put(&mut line, start, &name);
        }
        ended(&line)
    }

    fn line(&self, time: &str, proves: bool, lane: char, draw: impl FnOnce(&mut Vec<char>)) -> String {
        let mut line = vec![' '; COLUMNS];
        for host in &self.lanes {
            line[self.x(host)] = lane;
        }
        draw(&mut line);
        if proves {
            line[0] = '>';
        }
        put(&mut line, TIMES.saturating_sub(2 + time.chars().count()), time);
        ended(&line)
    }

    fn draw(&self, line: &mut Vec<char>, row: &Row) {
        match &row.shape {
            Shape::Arrow { from, to, dashed, .. } => {
                let stroke = if *dashed { '╌' } else { '─' };
                self.stretch(line, (from, to), stroke, &row.label, |line, _, end, right| {
                    line[end] = if right { '>' } else { '<' };
                });
            }
            Shape::Both { one, other } => self.stretch(line, (one, other), '┄', &row.label, |_, _, _, _| {}),
            Shape::InVain { from, to } => {
                self.stretch(line, (from, to), '─', &row.label, |line, start, end, right| {
                    // It stops before it is there.
                    let stop = if right { end.saturating_sub(3) } else { end + 3 };
                    let rest = if right { stop..=end } else { end..=stop };
                    rest.for_each(|at| line[at] = ' ');
                    line[if stop == start { start } else { stop }] = '✕';
                });
            }
            Shape::Dot { on } => {
                let x = self.x(on);
                line[x] = '●';
                let room = COLUMNS - x - 2;
                let label = clipped(&row.label, room.max(x - TIMES));
                let chars = label.chars().count();
                let start = if chars <= room { x + 2 } else { x.saturating_sub(chars + 1) };
                put(line, start, &label);
            }
            Shape::Band { .. } => {
                let label = format!("══ {} ", clipped(&row.label, COLUMNS - TIMES - 8));
                for at in line.iter_mut().skip(TIMES) {
                    *at = '═';
                }
                put(line, TIMES, &label);
            }
        }
    }

    /// Draws from one lane to another, with words in the middle; `tip` draws the end.
    fn stretch(
        &self,
        line: &mut Vec<char>,
        (from, to): (&HostName, &HostName),
        stroke: char,
        label: &str,
        tip: impl FnOnce(&mut Vec<char>, usize, usize, bool),
    ) {
        let (start, end) = (self.x(from), self.x(to));
        let right = end > start;
        let (low, high) = (start.min(end) + 1, start.max(end).saturating_sub(1));
        if low >= high {
            return;
        }
        line[low..=high].fill(stroke);
        let (near, far) = if right { (low, high) } else { (high, low) };
        tip(line, near, far, right);
        let room = high - low;
        let words = clipped(label, room.saturating_sub(5));
        let words = format!(" {words} ");
        let wide = words.chars().count();
        put(line, low + (room + 1).saturating_sub(wide) / 2, &words);
    }
}

fn put(line: &mut [char], start: usize, text: &str) {
    for (place, c) in line.iter_mut().skip(start).zip(text.chars()) {
        *place = c;
    }
}

fn ended(line: &[char]) -> String {
    let text: String = line.iter().collect();
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::run::rows::Tone;

    #[test]
    fn an_arrow_a_loss_and_a_fact_have_their_shapes() {
        let grid = Grid::of(vec!["alice".into(), "chat".into()]);
        let row = |shape: Shape, label: &str| Row {
            record: 0,
            at: Duration::ZERO,
            shape,
            label: label.to_owned(),
            tone: Tone::Plain,
            proves: false,
            of_key: false,
        };
        let drawn = |row: &Row| grid.line("1.000 s", true, '│', |line| grid.draw(line, row));
        let (from, to) = (HostName::from("alice"), HostName::from("chat"));
        let arrow = Shape::Arrow { from: to.clone(), to: from.clone(), arrives: Duration::ZERO, dashed: false };
        assert_eq!(drawn(&row(arrow, "ack")), ">  1.000 s      │<───────────── ack ──────────────│\n");
        let lost = Shape::InVain { from: from.clone(), to };
        assert_eq!(drawn(&row(lost, "5 bytes lost")), ">  1.000 s      │───────── 5 bytes lost ──────✕   │\n");
        assert_eq!(
            drawn(&row(Shape::Dot { on: from }, "offered")),
            ">  1.000 s      ● offered                         │\n"
        );
    }
}
