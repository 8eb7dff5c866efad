//! Where a run and its twin part.

use std::time::Duration;

use halfopen::report::Said;
use halfopen::trace::RecordKind;

use super::rows::unit_label;
use super::{Run, window};

/// How many lines of what both did are shown before they part, and how many of each behind it.
const COMMON: usize = 3;
const APART: usize = 12;

/// Two runs, aligned at their first difference.
pub(crate) struct Parting {
    /// What both did last.
    pub(crate) common: Vec<Line>,
    pub(crate) here: Vec<Line>,
    pub(crate) there: Vec<Line>,
}

/// A record as a line.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) record: usize,
    pub(crate) at: Duration,
    pub(crate) who: String,
    pub(crate) text: String,
    /// What two runs have in common at this line: a message's type, since its tokens are drawn, or the text.
    kind: String,
    /// Whether it proves that a law was broken.
    pub(crate) proves: bool,
}

/// Where the runs part; `None` when all that they tell is the same.
pub(crate) fn parting(run: &mut Run<'_>, twin: &mut Run<'_>) -> Option<Parting> {
    let (here, there) = (lines(run), lines(twin));
    let same = |(one, other): &(&Line, &Line)| (one.at, &one.who, &one.kind) == (other.at, &other.who, &other.kind);
    let common = here.iter().zip(&there).take_while(same).count();
    if common == here.len() && common == there.len() {
        return None;
    }
    let part = |lines: &[Line]| lines.iter().skip(common).take(APART).cloned().collect();
    let before = here[common.saturating_sub(COMMON)..common].to_vec();
    Some(Parting { common: before, here: part(&here), there: part(&there) })
}

fn lines(run: &mut Run<'_>) -> Vec<Line> {
    let shown: Vec<usize> = (0..run.records.len()).filter(|index| window::is_shown(run, *index)).collect();
    shown.into_iter().map(|index| line(run, index)).collect()
}

fn line(run: &mut Run<'_>, index: usize) -> Line {
    let (at, proves) = (run.records[index].at, run.proofs.contains(&index));
    match &run.records[index].what {
        RecordKind::Unit { unit, .. } => {
            let (kind, _) = unit_label(unit);
            let Said { who, text } = run.in_full(index);
            Line { record: index, at, who, text, kind, proves }
        }
        RecordKind::Connection { .. }
        | RecordKind::Fault { .. }
        | RecordKind::Process(_)
        | RecordKind::Fact(_)
        | RecordKind::Event(_)
        | RecordKind::Observed { .. }
        | RecordKind::BrokenRule { .. } => {
            let Said { who, text } = run.brief(index);
            Line { record: index, at, who, kind: text.clone(), text, proves }
        }
    }
}
