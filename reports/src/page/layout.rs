//! Where everything of a scene stands. Rows are records, so that time is not linear: what happens at one time stands in rows of its
//! own, and hours in which nothing of interest happens are one gap.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::name::{ConnectionId, HostName, Side};
use halfopen::trace::Record;

use crate::run::connections::{Belief, Connections};
use crate::run::rows::{Row, end};

/// Heights, in the units of the picture, which are CSS pixels.
pub(super) const ROW: f64 = 26.0;
const GAP: f64 = 34.0;
pub(super) const HEAD: f64 = 54.0;
/// The column of times.
pub(super) const TIMES: f64 = 92.0;
/// Left of the first lane and right of the last.
const MARGIN: f64 = 70.0;
/// Between two lanes, at least, and the width that a scene has where that is enough.
const LANE: f64 = 190.0;
const WIDTH: f64 = 880.0;
/// From this length on a time in which nothing is shown is a gap, and this many hidden records make one.
const LONG: Duration = Duration::from_millis(200);
const MANY: usize = 3;
/// A belief that is mistaken for less is a packet on its way.
const MISTAKEN: Duration = Duration::from_millis(100);
/// Bars beside a lane, each this far from the one before.
const BARS: usize = 4;
const BAR_STEP: f64 = 8.0;

/// The places of a scene.
pub(super) struct Layout {
    pub(super) lanes: Vec<HostName>,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The middle of each row.
    pub(super) rows: Vec<f64>,
    pub(super) gaps: Vec<Gap>,
    pub(super) bars: Vec<Bar>,
    spacing: f64,
}

/// Between two rows, what is not shown.
pub(super) struct Gap {
    pub(super) y: f64,
    pub(super) lasts: Duration,
    /// The records that are not shown, first and last.
    pub(super) hidden: Option<(usize, usize)>,
    pub(super) count: usize,
}

/// What an end believes, beside its lane.
pub(super) struct Bar {
    pub(super) connection: ConnectionId,
    pub(super) side: Side,
    pub(super) x: f64,
    pub(super) from: f64,
    pub(super) to: f64,
    /// From where on it is mistaken, and for how long; without a length, to the end of the run.
    pub(super) mistaken: Option<(f64, Option<Duration>)>,
    /// The number of its colour.
    pub(super) colour: usize,
    /// On which side of the lane it stands: 1 on the right, -1 on the left.
    pub(super) facing: f64,
    /// How far from it, away from the peer, its words stand; below zero, towards the peer.
    pub(super) outside: f64,
}

impl Layout {
    pub(super) fn of(
        lanes: Vec<HostName>,
        rows: &[Row],
        records: &[Record],
        worth: &dyn Fn(usize) -> bool,
        connections: &Connections,
    ) -> Self {
        let between = lanes.len().saturating_sub(1).max(1) as f64;
        let spacing = ((WIDTH - TIMES - 2.0 * MARGIN) / between).max(LANE);
        let width = if lanes.len() < 2 { WIDTH } else { TIMES + 2.0 * MARGIN + spacing * between };
        let mut layout =
            Self { lanes, width, height: 0.0, rows: Vec::new(), gaps: Vec::new(), bars: Vec::new(), spacing };
        let mut y = HEAD + ROW / 2.0;
        for (place, row) in rows.iter().enumerate() {
            if let Some(before) = place.checked_sub(1).and_then(|before| rows.get(before)) {
                y += ROW;
                if let Some(gap) = gap(before, row, worth) {
                    layout.gaps.push(Gap { y: y - ROW / 2.0 + GAP / 2.0, ..gap });
                    y += GAP;
                }
            }
            layout.rows.push(y);
        }
        layout.height = y + ROW;
        layout.bars = layout.bars_of(rows, records, connections);
        layout
    }

    pub(super) fn x(&self, host: &HostName) -> f64 {
        let place = self.lanes.iter().position(|lane| lane == host).unwrap_or(0);
        TIMES + MARGIN + self.spacing * place as f64
    }

    pub(super) fn is_last(&self, host: &HostName) -> bool {
        self.lanes.len() > 1 && self.lanes.last() == Some(host)
    }

    /// Where a record would stand.
    fn y_of(&self, rows: &[Row], record: usize) -> f64 {
        let place = rows.partition_point(|row| row.record < record);
        let after = self.rows.get(place).copied();
        if rows.get(place).is_some_and(|row| row.record == record) {
            return after.unwrap_or(HEAD);
        }
        let before = place.checked_sub(1).and_then(|before| self.rows.get(before)).copied();
        match (before, after) {
            (Some(before), Some(after)) => f64::midpoint(before, after),
            (None, Some(_)) | (None, None) => HEAD - 8.0,
            (Some(_), None) => self.height - ROW / 4.0,
        }
    }

    /// Where what row `place` sends arrives: below it, above the first row of a later time.
    pub(super) fn y_of_arrival(&self, rows: &[Row], place: usize, arrives: Duration) -> f64 {
        let y = self.rows[place];
        if arrives <= rows[place].at {
            return y;
        }
        let later = rows[place..].iter().position(|row| row.at >= arrives).map(|more| place + more);
        let at = match later {
            Some(later) if rows[later].at == arrives => self.rows[later] - 9.0,
            Some(later) => self.rows[later - 1] + 11.0,
            None => self.rows[rows.len() - 1] + 11.0,
        };
        at.clamp(y + 8.0, y + 2.4 * ROW)
    }

    fn bars_of(&self, rows: &[Row], records: &[Record], connections: &Connections) -> Vec<Bar> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
        let mut taken: BTreeMap<(usize, bool), Vec<f64>> = BTreeMap::new();
        let mut bars = Vec::new();
        let mut beliefs = Vec::new();
        for (id, connection) in connections.established() {
            for side in [Side::Client, Side::Server] {
                beliefs.extend(connection.belief(side).map(|belief| (belief.from, id, side, belief)));
            }
        }
        beliefs.sort_by_key(|(from, ..)| *from);
        let mut colours: BTreeMap<&ConnectionId, usize> = BTreeMap::new();
        for (from, id, side, belief) in beliefs {
            let host = end(id, side);
            let is_seen = from <= last.record && belief.until.is_none_or(|until| until >= first.record);
            let Some(lane) = self.lanes.iter().position(|lane| lane == host).filter(|_| is_seen) else { continue };
            let right = self.x(end(id, side.peer())) > self.x(host);
            let (top, bottom) =
                (self.y_of(rows, from), belief.until.map_or(self.height, |until| self.y_of(rows, until)));
            let slots = taken.entry((lane, right)).or_default();
            let free = slots.iter().position(|until| *until <= top);
            let slot = free.unwrap_or(slots.len());
            if slot >= BARS {
                continue;
            }
            if slot == slots.len() {
                slots.push(bottom);
            } else {
                slots[slot] = bottom;
            }
            let facing = if right { 1.0 } else { -1.0 };
            let next = colours.len();
            bars.push(Bar {
                connection: id.clone(),
                side,
                x: self.x(host) + facing * (6.0 + BAR_STEP * slot as f64),
                from: top,
                to: bottom.max(top + 2.0),
                mistaken: self.mistaken(rows, records, belief),
                colour: *colours.entry(id).or_insert(next),
                facing,
                // Beside the outermost lanes there is room; between two, only towards the peer.
                outside: if (lane == 0) == right && (lane == 0 || lane + 1 == self.lanes.len()) { 18.0 } else { -20.0 },
            });
        }
        bars
    }

    fn mistaken(&self, rows: &[Row], records: &[Record], belief: Belief) -> Option<(f64, Option<Duration>)> {
        let since = belief.mistaken?;
        let at = |index: usize| records.get(index).map_or(Duration::ZERO, |record| record.at);
        let lasts = belief.until.map(|until| at(until).saturating_sub(at(since)));
        if lasts.is_some_and(|lasts| lasts < MISTAKEN) {
            return None;
        }
        Some((self.y_of(rows, since), lasts))
    }
}

fn gap(before: &Row, after: &Row, worth: &dyn Fn(usize) -> bool) -> Option<Gap> {
    let between = before.record + 1..after.record;
    let count = between.clone().filter(|index| worth(*index)).count();
    let lasts = after.at.saturating_sub(before.at);
    let hidden = (!between.is_empty()).then_some((between.start, between.end.saturating_sub(1)));
    (lasts >= LONG || count >= MANY).then_some(Gap { y: 0.0, lasts, hidden, count })
}
