//! Law: an expected disconnect is no error in the log, and an unexpected one is.

use serde::{Deserialize, Serialize};

use super::{Check, Evidence, Finding};
use crate::name::HostName;
use crate::trace::{Level, LogEvent, Record, RecordKind, Seconds};

/// Nothing is logged at error or warn but what is allowed, and what must not pass unnoticed is logged there.
///
/// Messages are meant by a part of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hygiene {
    /// Parts of messages that may be logged at error or warn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Parts of messages. Each must be logged at error or warn at least once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexpected_is_logged: Vec<String>,
    /// Whose events are judged; every host's, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
}

impl Check for Hygiene {
    fn name(&self) -> &'static str {
        "hygiene"
    }

    fn law(&self) -> &'static str {
        "an expected disconnect is no error in the log, and an unexpected one is"
    }

    // Which ends are expected depends on what breaks.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let mut seen = vec![false; self.unexpected_is_logged.len()];
        let mut allowed = 0;
        for (index, record) in evidence.records.iter().enumerate() {
            let Some(event) = self.alarm(record) else { continue };
            let mut is_wanted = false;
            for (part, seen) in self.unexpected_is_logged.iter().zip(&mut seen) {
                if event.message.contains(part.as_str()) {
                    (*seen, is_wanted) = (true, true);
                }
            }
            if is_wanted || self.allowed.iter().any(|part| event.message.contains(part.as_str())) {
                allowed += 1;
                continue;
            }
            return Err(alarmed(event, index, record));
        }
        if let Some((missing, _)) = self.unexpected_is_logged.iter().zip(seen).find(|(_, seen)| !seen) {
            let sentence = format!("`{missing}` was not logged at error or warn, though it happened.");
            return Err(Finding::new("unexpected, not logged", sentence));
        }
        Ok(match allowed {
            0 => "no error or warning".to_owned(),
            some => format!("errors and warnings: {some}, all expected"),
        })
    }
}

impl Hygiene {
    fn alarm<'a>(&self, record: &'a Record) -> Option<&'a LogEvent> {
        let RecordKind::Event(event) = &record.what else { return None };
        let judged = self.hosts.is_empty() || record.host.as_ref().is_some_and(|host| self.hosts.contains(host));
        // The levels are declared from the most severe on.
        (judged && event.level <= Level::Warn).then_some(event)
    }
}

fn alarmed(event: &LogEvent, index: usize, record: &Record) -> Finding {
    let level = if event.level == Level::Error { "error" } else { "warning" };
    let host = record.host.as_ref();
    let sentence = format!(
        "{} logged an unexpected {level} at {}: {}",
        host.map_or("the run", HostName::as_str),
        Seconds(record.at),
        event.message,
    );
    Finding::new("alarm", sentence).witness([index]).role(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;

    #[test]
    fn an_expected_disconnect_at_debug_is_clean() {
        let run = TraceBuilder::new().event(1000, "gateway", Level::Debug, "client left");
        assert_eq!(run.held(&Hygiene::default()), "no error or warning");
    }

    #[test]
    fn an_expected_disconnect_logged_as_an_error_is_convicted() {
        let run =
            TraceBuilder::new().event(1000, "gateway", Level::Error, "ConnectionReset while writing to s-7CD0E883");
        insta::assert_snapshot!(run.failure(&Hygiene::default()));
        let allowed = Hygiene { allowed: vec!["ConnectionReset".to_owned()], ..Hygiene::default() };
        assert_eq!(run.held(&allowed), "errors and warnings: 1, all expected");
        let elsewhere = Hygiene { hosts: vec!["app".into()], ..Hygiene::default() };
        assert_eq!(run.held(&elsewhere), "no error or warning");
    }

    #[test]
    fn an_unexpected_disconnect_that_nobody_logs_is_convicted() {
        let law = Hygiene { unexpected_is_logged: vec!["upstream truncated".to_owned()], ..Hygiene::default() };
        assert_eq!(TraceBuilder::new().broken(&law), "hygiene: unexpected, not logged");
        let silent = TraceBuilder::new().event(1000, "gateway", Level::Info, "upstream truncated");
        assert_eq!(silent.broken(&law), "hygiene: unexpected, not logged");
        let logged = TraceBuilder::new().event(1000, "gateway", Level::Warn, "upstream truncated after 3 events");
        assert_eq!(logged.held(&law), "errors and warnings: 1, all expected");
    }
}
