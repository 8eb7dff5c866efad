//! How an answer ends: as its upstream did, and the upstream's call with it.

use std::collections::BTreeSet;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::trace::Seconds;

use super::exchange::{Exchange, Mark};
use super::said::Said;
use super::{Judged, SLACK};

/// How an upstream's answer ended.
struct End {
    mark: Mark,
    /// When the gateway can know.
    known: Duration,
    /// Whether the answer was whole then.
    whole: bool,
    /// What the upstream itself said went wrong.
    message: Option<String>,
}

impl Judged<'_> {
    /// The answer is whole if the upstream's was, and ends by an error if not, at once.
    pub(super) fn ends_as_the_upstream_did(&self, call: &Exchange) -> Result<(), Finding> {
        let end = self.end_of(call);
        let told = self.exchange.done().or(self.exchange.body_end).or(self.answered());
        if let Some(error) = self.exchange.error() {
            self.error_has_a_cause(call, end.as_ref(), error.mark, &error.said)?;
        }
        self.done_has_a_cause(call, end.as_ref())?;
        let Some(end) = end else {
            return self.silence_is_noticed(call, told);
        };
        let deadline = end.known + self.law.prompt;
        let struck = call.struck.is_some_and(|struck| struck.at <= deadline);
        if told.is_some_and(|told| told.at <= deadline) || self.exchange.rests || !self.binds(deadline) {
            return self.is_whole_if(&end, struck);
        }
        if struck {
            return Ok(());
        }
        let how = told.map_or("never".to_owned(), |told| format!("only at {}", Seconds(told.at)));
        let sentence = format!("the upstream had ended at {}, and {how} did {}.", Seconds(end.known), self.name());
        Err(self.finding("end not told", sentence, [end.mark].into_iter().chain(told)))
    }

    /// `[DONE]` with no error before it follows the upstream's end, or its silence behind a whole answer.
    fn done_has_a_cause(&self, call: &Exchange, end: Option<&End>) -> Result<(), Finding> {
        let Some(done) = self.exchange.done().filter(|_| self.exchange.error().is_none()) else { return Ok(()) };
        let (since, silence) = self.last_byte(call);
        let ended = end.is_some_and(|end| end.known <= done.at + EARLY) || done.at + SLACK >= since + silence;
        if ended || done.at >= self.until || call.struck.is_some_and(|struck| struck.at <= done.at) {
            return Ok(());
        }
        let sentence =
            format!("{} was said to be whole at {}, and its upstream had not ended.", self.name(), Seconds(done.at));
        Err(self.finding("done too early", sentence, [done]))
    }

    /// A whole answer of the upstream's is no error.
    fn is_whole_if(&self, end: &End, struck: bool) -> Result<(), Finding> {
        match (self.exchange.error(), end.whole) {
            (Some(error), true) if !struck && error.mark.at < self.until => {
                let sentence =
                    format!("the upstream finished at {}, and {} ends by an error.", Seconds(end.mark.at), self.name());
                Err(self.finding("whole, told as an error", sentence, [end.mark, error.mark]))
            }
            (_, _) => Ok(()),
        }
    }

    /// What does not stream, and an answer that failed before its stream began, is told as a whole.
    fn answered(&self) -> Option<Mark> {
        let is_whole = |status: u16| status >= 400 || !self.exchange.streams;
        self.exchange.status.filter(|(status, _)| is_whole(*status)).map(|(_, mark)| mark)
    }

    /// The first event that is no part, or the end of the body or of the connection.
    fn end_of(&self, call: &Exchange) -> Option<End> {
        let (mut started, mut finished) = (BTreeSet::new(), BTreeSet::new());
        for event in &call.events {
            let (whole, message) = match &event.said {
                Said::Comment => continue,
                Said::Part(choices) => {
                    started.extend(choices.iter().map(|(index, _)| *index));
                    finished.extend(choices.iter().filter(|(_, ends)| *ends).map(|(index, _)| *index));
                    continue;
                }
                Said::Done => (!finished.is_empty() && started.is_subset(&finished), None),
                Said::Error { message, .. } => (false, Some(message.clone())),
                Said::Malformed => (false, None),
            };
            return Some(End { mark: event.mark, known: event.mark.at + self.law.latency, whole, message });
        }
        // Whether an answer is whole that only ends depends on what was asked for, which the wire does not show.
        let body = call.body_end.map(|mark| (mark, mark.at + self.law.latency));
        // An end that follows the gateway's own is none of the upstream's.
        let first = |gone: &Mark| call.client_closed.is_none_or(|closed| gone.place < closed.place);
        let gone = call.server_gone.filter(first).map(|mark| (mark, mark.at));
        let (mark, known) = body.into_iter().chain(gone).min_by_key(|(_, known)| *known)?;
        Some(End { mark, known, whole: false, message: None })
    }

    /// An error follows the upstream's end, its silence or the gateway's own stop, and tells what the upstream said.
    fn error_has_a_cause(&self, call: &Exchange, end: Option<&End>, mark: Mark, said: &Said) -> Result<(), Finding> {
        let Said::Error { code, message } = said else { return Ok(()) };
        if mark.at >= self.until
            || call.struck.is_some_and(|struck| struck.at <= mark.at) && code.as_deref() != Some(TIMEOUT)
        {
            return Ok(());
        }
        if code.as_deref() == Some(TIMEOUT) {
            let (since, bound) = self.last_byte(call);
            // A fault may have let a part of an event pass, which the records do not show.
            let bound = if call.struck.is_some() { bound.min(self.law.silence) } else { bound };
            return if mark.at + SLACK >= since + bound || self.exchange.rests {
                Ok(())
            } else {
                let sentence = format!(
                    "the upstream was given up at {}, {} after it had last been heard.",
                    Seconds(mark.at),
                    Seconds(mark.at.saturating_sub(since)),
                );
                Err(self.finding("given up early", sentence, [mark]))
            };
        }
        match end {
            Some(end) if end.known <= mark.at + EARLY => match &end.message {
                Some(reported) if is_harmless(reported) && !message.contains(reported.as_str()) => {
                    let sentence = format!("the upstream said `{reported}`, and the reader was told `{message}`.");
                    Err(self.finding("another error", sentence, [end.mark, mark]))
                }
                Some(_) | None => Ok(()),
            },
            Some(_) | None if call.asked.at > mark.at => Ok(()),
            Some(_) | None => {
                let sentence = format!(
                    "{} ends by an error at {}, and its upstream had not ended.",
                    self.name(),
                    Seconds(mark.at)
                );
                Err(self.finding("error without a cause", sentence, [mark]))
            }
        }
    }

    /// An upstream that falls silent is given up in time.
    fn silence_is_noticed(&self, call: &Exchange, told: Option<Mark>) -> Result<(), Finding> {
        let (since, bound) = self.last_byte(call);
        let deadline = since + bound + SLACK;
        let known = told.is_some_and(|told| told.at <= deadline);
        if known || self.exchange.rests || !self.exchange.streams || !self.binds(deadline) {
            return Ok(());
        }
        let sentence = format!("the upstream fell silent at {}, and {} goes on.", Seconds(since), self.name());
        Err(self.finding("silence not noticed", sentence, [self.exchange.asked].into_iter().chain(told)))
    }

    /// When the gateway last heard of its upstream, as far as the records tell, and how long it may be silent from then on.
    fn last_byte(&self, call: &Exchange) -> (Duration, Duration) {
        match call.events.last() {
            Some(event) => (event.mark.at + self.law.latency, self.law.silence),
            None => (self.exchange.asked.at + self.law.latency, self.law.first_byte),
        }
    }

    /// A call ends when its reader has left, and when its answer has ended.
    pub(super) fn call_is_dropped(&self, call: &Exchange) -> Result<(), Finding> {
        let over = self.exchange.done().or(self.answered());
        let Some(since) = self.exchange.client_gone.into_iter().chain(over).min_by_key(|mark| mark.place) else {
            return Ok(());
        };
        let deadline = since.at.max(call.asked.at) + self.law.prompt;
        let closed = call.client_closed;
        // A process that is gone closes nothing any more.
        if self.stopped.is_some_and(|stopped| stopped.at <= deadline) {
            return Ok(());
        }
        if self.exchange.rests || closed.is_some_and(|closed| closed.at <= deadline) || deadline >= self.last {
            return Ok(());
        }
        let how = closed.map_or("never".to_owned(), |closed| format!("only at {}", Seconds(closed.at)));
        let sentence = format!(
            "{} was over at {}, and the call of its upstream was {how} closed.",
            self.name(),
            Seconds(since.at)
        );
        Err(self.finding("call not dropped", sentence, [since].into_iter().chain(closed)))
    }
}

/// A parser knows a blank line by its CR, and the records by the LF behind it.
const EARLY: Duration = Duration::from_millis(5);

const TIMEOUT: &str = "upstream_timeout";

/// Whether a message holds nothing that a gateway would have to keep to itself.
fn is_harmless(message: &str) -> bool {
    const SMELLS: [&str; 5] = ["key", "token", "secret", "password", "credential"];
    message.len() < 120
        && message.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
        && !SMELLS.iter().any(|smell| message.contains(smell))
}
