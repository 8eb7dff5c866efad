//! Law: a truncated stream never looks complete.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fact_index::{Entry, FactIndex, KeyHistory};
use super::process_timeline::ProcessTimeline;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::trace::{Seconds, told_apart};

/// A truncated stream never looks complete: what its reader sees is a prefix of what was produced, there is exactly one
/// terminator, none before everything has arrived or an error was told, every stream ends in one of these ways, and the
/// source stops soon after the reader has left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// How many events a whole stream has. Without it a stream is whole when all that was produced has arrived, which
    /// cannot tell a source that died early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u32>,
    /// How soon after the reader has left the source is told to stop; not judged, without.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde")]
    pub cancelled_within: Option<Duration>,
}

const KINDS: [FactKind; 8] = [
    FactKind::StreamOpened,
    FactKind::StreamProduced,
    FactKind::StreamEvent,
    FactKind::StreamTerminator,
    FactKind::StreamError,
    FactKind::StreamEnded,
    FactKind::StreamLeft,
    FactKind::StreamCancelled,
];

impl Check for Stream {
    fn name(&self) -> &'static str {
        "stream"
    }

    fn law(&self) -> &'static str {
        "a truncated stream never looks complete, and production stops when its reader has left"
    }

    fn needs(&self) -> Vec<FactKind> {
        let mut needs = vec![FactKind::StreamProduced, FactKind::StreamEvent, FactKind::StreamTerminator];
        if self.cancelled_within.is_some() {
            needs.extend([FactKind::StreamLeft, FactKind::StreamCancelled]);
        }
        needs
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let processes = ProcessTimeline::of(evidence.records);
        let (mut whole, mut told, mut left) = (0, 0, 0);
        let facts_by_key = FactIndex::of(evidence.records, &KINDS);
        for history in facts_by_key.histories() {
            is_prefix(history)?;
            one_terminator(history)?;
            self.looks_as_it_is(history)?;
            if history.first(FactKind::StreamError).is_some() {
                told += 1;
            } else if history.first(FactKind::StreamTerminator).is_some() {
                whole += 1;
            } else if let Some(leave) = history.first(FactKind::StreamLeft) {
                left += 1;
                self.source_stops(history, leave, evidence)?;
            } else {
                ends(history, &processes, evidence)?;
            }
        }
        if facts_by_key.histories().is_empty() {
            evidence.must_tell(&KINDS[..4])?;
        }
        let mut summary = format!("{whole} of {} streams whole", facts_by_key.histories().len());
        for (count, word) in [(told, "ended by an error"), (left, "left by the reader")] {
            if count > 0 {
                summary.push_str(&format!(", {count} {word}"));
            }
        }
        Ok(summary)
    }
}

impl Stream {
    /// A terminator with no error before it says "that was all".
    fn looks_as_it_is(&self, history: &KeyHistory) -> Result<(), Finding> {
        let Some(terminator) = history.first(FactKind::StreamTerminator) else { return Ok(()) };
        let told = history.first(FactKind::StreamError).is_some_and(|error| error.index < terminator.index);
        let before = |entry: &&Entry| entry.index < terminator.index;
        let arrived = history.all(FactKind::StreamEvent).filter(before).count();
        let whole = match self.events {
            Some(events) => usize::try_from(events).unwrap_or(usize::MAX),
            None => history.all(FactKind::StreamProduced).count(),
        };
        if told || arrived >= whole {
            return Ok(());
        }
        let sentence = format!(
            "the terminator told {} at {} that {} was complete, with {arrived} of {whole} events and no error.",
            terminator.by(),
            Seconds(terminator.at),
            history.key,
        );
        let last = history.all(FactKind::StreamEvent).rfind(before).map(|event| event.index);
        Err(Finding::new("truncated, looks complete", sentence)
            .witness(last.into_iter().chain([terminator.index]))
            .role(terminator.host))
    }

    fn source_stops(&self, history: &KeyHistory, leave: &Entry, evidence: &Evidence) -> Result<(), Finding> {
        let Some(bound) = self.cancelled_within else { return Ok(()) };
        let cancelled = history.first(FactKind::StreamCancelled);
        let deadline = leave.at + bound;
        let (how, at) = match cancelled {
            Some(stop) if stop.at <= deadline => return Ok(()),
            Some(stop) => (format!("only at {}", Seconds(stop.at)), Some(stop.index)),
            None if evidence.last.at < deadline => return Ok(()),
            None => ("never".to_owned(), None),
        };
        let sentence = format!(
            "{} left {} at {}, but its source was {how} told to stop (bound {}).",
            leave.by(),
            history.key,
            Seconds(leave.at),
            Seconds(bound),
        );
        Err(Finding::new("not cancelled", sentence).witness([leave.index].into_iter().chain(at)).role(leave.host))
    }
}

fn is_prefix(history: &KeyHistory) -> Result<(), Finding> {
    let mut produced = history.all(FactKind::StreamProduced);
    for (place, event) in history.all(FactKind::StreamEvent).enumerate() {
        let source = produced.next();
        if source.is_some_and(|source| source.value == event.value) {
            continue;
        }
        let word = |value: Option<&str>| value.map_or("no value".to_owned(), |value| format!("`{value}`"));
        let sentence = format!(
            "event {} of {} reached {} as {}, but {}.",
            place + 1,
            history.key,
            event.by(),
            word(event.value),
            source.map_or("that event was never produced".to_owned(), |source| format!("was {}", word(source.value))),
        );
        let source = source.map(|source| source.index);
        return Err(Finding::new("no prefix", sentence)
            .witness(source.into_iter().chain([event.index]))
            .role(event.host));
    }
    Ok(())
}

fn one_terminator(history: &KeyHistory) -> Result<(), Finding> {
    let mut terminators = history.all(FactKind::StreamTerminator);
    let Some(first) = terminators.next() else { return Ok(()) };
    let second = terminators.next();
    let late = history.all(FactKind::StreamEvent).next_back().filter(|event| event.index > first.index);
    let (clause, what, after) = match (second, late) {
        (Some(second), _) => ("two terminators", "another terminator", second),
        (None, Some(late)) => ("event after the end", "an event", late),
        (None, None) => return Ok(()),
    };
    let [ended, late] = told_apart([first.at, after.at]);
    let sentence = format!("{what} of {} followed the terminator of {ended} at {late}.", history.key);
    Err(Finding::new(clause, sentence).witness([first.index, after.index]).role(after.host))
}

/// A stream with neither terminator nor error nor a reader that left.
fn ends(history: &KeyHistory, processes: &ProcessTimeline, evidence: &Evidence) -> Result<(), Finding> {
    if let Some(end) = history.first(FactKind::StreamEnded) {
        let sentence = format!(
            "{} ended for {} at {} with neither a terminator nor an error.",
            history.key,
            end.by(),
            Seconds(end.at)
        );
        return Err(Finding::new("ended in silence", sentence).witness([end.index]).role(end.host));
    }
    let Some(open) = history.first(FactKind::StreamOpened) else { return Ok(()) };
    if open.host.is_some_and(|reader| processes.ends_after(reader, open.index).is_some()) {
        return Ok(());
    }
    let sentence = format!(
        "{}, opened by {} at {}, had not ended when the run did at {}.",
        history.key,
        open.by(),
        Seconds(open.at),
        Seconds(evidence.last.at),
    );
    let last = history.all(FactKind::StreamEvent).next_back().map(|event| event.index);
    Err(Finding::new("never ends", sentence).witness([open.index].into_iter().chain(last)).role(open.host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::FactKind::{
        StreamCancelled, StreamEnded, StreamError, StreamEvent, StreamLeft, StreamOpened, StreamProduced,
        StreamTerminator,
    };

    #[test]
    fn a_stream_that_arrives_whole_with_one_terminator_holds() {
        let run = streamed(3, 3).fact(2000, "app", StreamTerminator, "chat-1").fact(2001, "app", StreamEnded, "chat-1");
        assert_eq!(run.held(&Stream::default()), "1 of 1 streams whole");
    }

    #[test]
    fn a_run_without_a_stream_says_nothing() {
        assert_eq!(TraceBuilder::new().broken(&Stream::default()), "stream: says nothing");
        assert_eq!(TraceBuilder::new().optional(StreamOpened).held(&Stream::default()), "0 of 0 streams whole");
    }

    #[test]
    fn a_truncated_stream_with_a_terminator_is_convicted() {
        let run = streamed(3, 2).fact(2000, "app", StreamTerminator, "chat-1");
        insta::assert_snapshot!(run.failure(&Stream::default()));
    }

    #[test]
    fn a_source_that_died_early_is_known_by_the_length_of_a_whole_stream() {
        let run = streamed(2, 2).fact(2000, "app", StreamTerminator, "chat-1");
        assert_eq!(run.held(&Stream::default()), "1 of 1 streams whole");
        let three = Stream { events: Some(3), ..Stream::default() };
        assert_eq!(run.broken(&three), "stream: truncated, looks complete @ app");
    }

    #[test]
    fn a_truncated_stream_may_terminate_once_an_error_was_told() {
        let run = streamed(3, 2).value(1999, "app", StreamError, "chat-1", "upstream").fact(
            2000,
            "app",
            StreamTerminator,
            "chat-1",
        );
        assert_eq!(run.held(&Stream::default()), "0 of 1 streams whole, 1 ended by an error");
    }

    #[test]
    fn a_second_terminator_an_event_after_the_end_and_a_silent_end_are_convicted() {
        let whole = || streamed(1, 1).fact(2000, "app", StreamTerminator, "chat-1");
        let twice = whole().fact(2001, "app", StreamTerminator, "chat-1");
        assert_eq!(twice.broken(&Stream::default()), "stream: two terminators @ app");
        let after = whole().value(2001, "model", StreamProduced, "chat-1", "e2").value(
            2002,
            "app",
            StreamEvent,
            "chat-1",
            "e2",
        );
        assert_eq!(after.broken(&Stream::default()), "stream: event after the end @ app");
        let silent = streamed(3, 2).fact(2000, "app", StreamEnded, "chat-1");
        assert_eq!(silent.broken(&Stream::default()), "stream: ended in silence @ app");
        assert_eq!(streamed(3, 2).broken(&Stream::default()), "stream: never ends @ app");
    }

    #[test]
    fn an_event_that_was_not_produced_is_convicted() {
        let run = streamed(1, 1).value(1500, "app", StreamEvent, "chat-1", "e9");
        assert_eq!(run.broken(&Stream::default()), "stream: no prefix @ app");
    }

    #[test]
    fn a_source_that_runs_on_after_its_reader_left_is_convicted() {
        let bound = Stream { cancelled_within: Some(Duration::from_secs(1)), ..Stream::default() };
        let left = || streamed(3, 2).fact(2000, "app", StreamLeft, "chat-1");
        let prompt = left().fact(2100, "model", StreamCancelled, "chat-1");
        assert_eq!(prompt.held(&bound), "0 of 1 streams whole, 1 left by the reader");
        let late = left().fact(3100, "model", StreamCancelled, "chat-1");
        assert_eq!(late.broken(&bound), "stream: not cancelled @ app");
        assert_eq!(left().ending(60_000).broken(&bound), "stream: not cancelled @ app");
    }

    fn streamed(produced: u64, arrived: u64) -> TraceBuilder {
        let mut run = TraceBuilder::new().fact(1000, "app", StreamOpened, "chat-1");
        for n in 1..=produced {
            run = run.value(1000 + 10 * n, "model", StreamProduced, "chat-1", &format!("e{n}"));
        }
        for n in 1..=arrived {
            run = run.value(1200 + 10 * n, "app", StreamEvent, "chat-1", &format!("e{n}"));
        }
        run
    }
}
