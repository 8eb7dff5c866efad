//! How the parts of an upstream's answer pass.

use halfopen::check::Finding;
use halfopen::trace::Seconds;

use super::Judged;
use super::exchange::{Event, Exchange};
use super::said::Said;

/// Data of this length takes more than one round trip, and is known to the records in part only, bytes.
const LARGE_BYTES: usize = 48 * 1024;

impl Judged<'_> {
    /// The reader is sent the upstream's parts, each whole, in order, none missing, none twice, each as it comes.
    pub(super) fn parts_are_relayed(&self, call: &Exchange) -> Result<(), Finding> {
        let mut said = call.events.iter().filter(|event| event.said != Said::Comment);
        for sent in self.exchange.events.iter().filter(|event| matches!(event.said, Said::Part(_))) {
            let source = said.next().filter(|source| matches!(source.said, Said::Part(_)));
            let Some(source) = source.filter(|source| source.data == sent.data) else {
                // A fault may have changed what the records show of the upstream.
                if call.struck.is_some_and(|struck| struck.place < sent.mark.place) {
                    return Ok(());
                }
                return Err(self.not_said(source, sent));
            };
            self.is_prompt(call, source, Some(sent))?;
        }
        match said.next() {
            Some(next) if matches!(next.said, Said::Part(_)) => self.is_prompt(call, next, None),
            Some(_) | None => Ok(()),
        }
    }

    fn not_said(&self, source: Option<&Event>, sent: &Event) -> Finding {
        let sentence = format!(
            "an event of {} at {} is not what its upstream said next: {}.",
            self.name(),
            Seconds(sent.mark.at),
            match source {
                None => "it had said nothing more".to_owned(),
                Some(source) => format!("`{}` became `{}`", brief(source.data), brief(sent.data)),
            },
        );
        let witness = source.map(|source| source.mark).into_iter().chain([sent.mark]);
        self.finding("not what was said", sentence, witness)
    }

    fn is_prompt(&self, call: &Exchange, source: &Event, sent: Option<&Event>) -> Result<(), Finding> {
        let deadline = source.mark.at + self.law.latency + self.law.prompt;
        let struck = call.struck.is_some_and(|struck| struck.at <= deadline);
        let large = source.data.is_some_and(|data| data.len() > LARGE_BYTES);
        // What was given up is passed no more.
        let over = self.exchange.done().or(self.exchange.body_end).is_some_and(|over| over.at <= deadline);
        let left = call.client_closed.is_some_and(|closed| closed.at <= deadline);
        let late = sent.is_none_or(|sent| sent.mark.at > deadline);
        if !late
            || struck
            || large
            || (sent.is_none() && (over || left))
            || self.exchange.rests
            || !self.binds(deadline)
        {
            return Ok(());
        }
        let how = sent.map_or("never".to_owned(), |sent| format!("only at {}", Seconds(sent.mark.at)));
        let sentence = format!(
            "an event that the upstream sent at {} was {how} sent on in {}.",
            Seconds(source.mark.at),
            self.name()
        );
        let clause = if sent.is_some() { "late" } else { "missing" };
        Err(self.finding(clause, sentence, [source.mark].into_iter().chain(sent.map(|sent| sent.mark))))
    }
}

/// As much of an event as a sentence bears.
fn brief(data: Option<&str>) -> String {
    data.unwrap_or_default().chars().take(160).collect()
}
