//! What the stream of one answer must look like, whatever its upstream does.

use std::collections::BTreeSet;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::trace::Seconds;

use super::exchange::Mark;
use super::said::Said;
use super::{Judged, SLACK};

impl Judged<'_> {
    /// Parts, then an end of every choice or one error, then one `[DONE]`, and nothing behind it.
    pub(super) fn stream_is_legal(&self) -> Result<(), Finding> {
        let (mut started, mut finished) = (BTreeSet::new(), BTreeSet::new());
        let (mut error, mut done): (Option<Mark>, Option<Mark>) = (None, None);
        for event in &self.exchange.events {
            let mark = event.mark;
            let broken = |clause, what: &str, by: Option<Mark>| {
                let sentence = format!("{what} in {} at {}.", self.name(), Seconds(mark.at));
                Err(self.finding(clause, sentence, by.into_iter().chain([mark])))
            };
            if done.is_some() {
                return broken("after the end", "something followed [DONE]", done);
            }
            if event.data.is_some() && event.has_comment {
                return broken("comment inside", "a comment stood inside an event", None);
            }
            if event.name.is_some() {
                return broken("named event", "an event had a name, which no reader of this protocol expects", None);
            }
            match &event.said {
                Said::Comment => {}
                Said::Malformed => return broken("malformed", "an event was no JSON of the protocol", None),
                Said::Part(_) | Said::Error { .. } if error.is_some() => {
                    return broken("after the error", "an event followed the error", error);
                }
                Said::Part(choices) => {
                    started.extend(choices.iter().map(|(index, _)| *index));
                    finished.extend(choices.iter().filter(|(_, ends)| *ends).map(|(index, _)| *index));
                }
                Said::Error { message, .. } => {
                    if message.chars().count() > 200 {
                        return broken("long message", "the error had more than 200 characters", None);
                    }
                    error = Some(mark);
                }
                Said::Done => {
                    if error.is_none() && (finished.is_empty() || !started.is_subset(&finished)) {
                        return broken("quiet end", "[DONE] came before every choice had its end, with no error", None);
                    }
                    done = Some(mark);
                }
            }
        }
        match (self.exchange.body_end, done) {
            (Some(end), None) if end.at < self.until && !self.exchange.events.is_empty() => {
                let sentence = format!("{} ended at {} without [DONE].", self.name(), Seconds(end.at));
                Err(self.finding("no terminator", sentence, [end]))
            }
            (_, _) => Ok(()),
        }
    }

    /// A comment whenever nothing has been sent for the time of a heartbeat, and none before.
    pub(super) fn heartbeats_are_in_time(&self) -> Result<(), Finding> {
        if self.exchange.rests {
            return Ok(());
        }
        let heartbeat = self.law.heartbeat;
        let mut last = Mark { at: self.exchange.asked.at + self.law.latency, ..self.exchange.asked };
        for event in &self.exchange.events {
            let mark = event.mark;
            // What passes later than this may have been held on its way.
            if mark.at >= self.until {
                return Ok(());
            }
            let rested = mark.at.saturating_sub(last.at);
            if event.said == Said::Comment && rested + SLACK < heartbeat {
                let sentence =
                    format!("a comment came {} after what was sent before it in {}.", Seconds(rested), self.name());
                return Err(self.finding("early heartbeat", sentence, [last, mark]));
            }
            if rested > heartbeat + SLACK {
                return Err(self.quiet(last, rested));
            }
            last = mark;
        }
        let over = self.exchange.done().or(self.exchange.body_end).is_some();
        let is_stream = self.exchange.status.is_none_or(|_| !self.exchange.events.is_empty());
        let deadline = last.at + heartbeat + SLACK;
        if over || !is_stream || !self.exchange.streams || !self.binds(deadline) {
            return Ok(());
        }
        Err(self.quiet(last, self.until - last.at))
    }

    fn quiet(&self, last: Mark, rested: Duration) -> Finding {
        let sentence = format!("{} told its reader nothing for {}.", self.name(), Seconds(rested));
        self.finding("no heartbeat", sentence, [last])
    }
}
