//! From a fault to the first notice of it to the service being back.

use std::time::Duration;

use halfopen::FactKind;
use halfopen::name::HostName;
use halfopen::trace::{FaultEvent, RecordKind};

use super::Run;

/// What followed from one fault on one host.
pub(crate) struct Span {
    /// The fault's number, from 1.
    pub(crate) fault: u32,
    pub(crate) host: HostName,
    pub(crate) fired: Duration,
    /// When its first outcome was felt, when the host noticed the loss, and when it was back.
    pub(crate) felt: Option<Duration>,
    pub(crate) noticed: Option<Duration>,
    pub(crate) back: Option<Duration>,
}

/// The spans of the faults that fired, for each host that tells of notices or recoveries; until the next fault fires.
pub(crate) fn of(run: &Run<'_>) -> Vec<Span> {
    let fired: Vec<(usize, u32)> = run
        .records
        .iter()
        .enumerate()
        .filter_map(|(index, record)| match &record.what {
            RecordKind::Fault { fault, event: FaultEvent::Fired { .. } } => Some((index, fault.0)),
            _ => None,
        })
        .collect();
    let mut spans: Vec<Span> = Vec::new();
    for (place, (index, fault)) in fired.iter().enumerate() {
        let end = fired.get(place + 1).map_or(run.records.len(), |(next, _)| *next);
        let first = spans.len();
        let at = run.records[*index].at;
        let mut felt = None;
        for record in &run.records[*index..end] {
            match &record.what {
                RecordKind::Fault { event: FaultEvent::FirstOutcome { .. }, .. } => felt = felt.or(Some(record.at)),
                RecordKind::Fact(fact) => {
                    let Some(host) = &record.host else { continue };
                    if !matches!(fact.kind, FactKind::Detected | FactKind::Recovered) {
                        continue;
                    }
                    let known = spans[first..].iter().position(|span| span.host == *host);
                    let span = match known {
                        Some(known) => &mut spans[first + known],
                        None => {
                            let (fault, host) = (fault + 1, host.clone());
                            spans.push(Span { fault, host, fired: at, felt, noticed: None, back: None });
                            let last = spans.len() - 1;
                            &mut spans[last]
                        }
                    };
                    if fact.kind == FactKind::Detected {
                        span.noticed = span.noticed.or(Some(record.at));
                    } else {
                        span.back = span.back.or(Some(record.at));
                    }
                }
                _ => {}
            }
        }
    }
    spans
}
