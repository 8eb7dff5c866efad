//! What the program tells a person about the connection, a line each.

use std::time::Duration;

use halfopen_link::{By, ConnectionEnd};

use crate::closing::meaning;
use crate::event::Event;

/// Words for the events of one client.
#[derive(Debug)]
pub(crate) struct Notices {
    attempts: u32,
    /// Whether a session has been up before.
    returning: bool,
}

impl Notices {
    /// With the number of attempts that the client makes.
    pub(crate) fn new(attempts: u32) -> Self {
        Self { attempts, returning: false }
    }

    /// The line for an event, if it is worth one.
    pub(crate) fn of(&mut self, event: &Event) -> Option<String> {
        let notice = match event {
            Event::Ready { session_id, resumed: true } => format!("resumed: session {session_id}, nothing was lost"),
            Event::Ready { session_id, resumed: false } => {
                if std::mem::replace(&mut self.returning, true) {
                    format!("connected: a new session {session_id}; sentences without an answer are sent again")
                } else {
                    format!("connected: session {session_id}")
                }
            }
            Event::Lost { ending, .. } => lost(ending),
            Event::ConnectFailed { detail } => format!("cannot connect: {detail}"),
            Event::Reconnecting { attempt, delay } => {
                format!("reconnecting in {} (attempt {attempt} of {})", seconds(*delay), self.attempts)
            }
            Event::GaveUp { attempts } => {
                format!("gave up after {attempts} attempt{}", if *attempts == 1 { "" } else { "s" })
            }
            Event::Refused { status } => format!("refused: the scheduler answered the handshake with {status}"),
            Event::Replaced => "the session belongs to another connection now".into(),
            Event::Closed => return None,
            Event::Lagged(missed) => format!("{missed} notices were missed"),
        };
        Some(format!("-- {notice}\n"))
    }
}

fn lost(ending: &ConnectionEnd) -> String {
    let ConnectionEnd { close_code, by, detail } = ending;
    if *by == By::Us && ending.is_routine() {
        return format!("connection closed: {detail}");
    }
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    format!("connection lost: {close_code} ({}), by {by}{detail}", meaning(*close_code))
}

/// Tenths of a second: the delays of a person's patience.
fn seconds(delay: Duration) -> String {
    format!("{:.1} s", delay.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_and_a_return_read_like_one() {
        let mut notices = Notices::new(10);
        let session_id = || "s-00000001".to_owned();
        let ending = ConnectionEnd::by_network("connection reset");
        let told = [
            Event::Ready { session_id: session_id(), resumed: false },
            Event::Lost { session_id: Some(session_id()), ending },
            Event::Reconnecting { attempt: 1, delay: Duration::from_millis(1_049) },
            Event::ConnectFailed { detail: "connection refused".into() },
            Event::Ready { session_id: session_id(), resumed: true },
            Event::Ready { session_id: session_id(), resumed: false },
            Event::Closed,
        ];
        let lines: String = told.iter().filter_map(|event| notices.of(event)).collect();
        let expected = "\
-- connected: session s-00000001
-- connection lost: 1006 (no Close frame), by network: connection reset
-- reconnecting in 1.0 s (attempt 1 of 10)
-- cannot connect: connection refused
-- resumed: session s-00000001, nothing was lost
-- connected: a new session s-00000001; sentences without an answer are sent again
";
        assert_eq!(lines, expected);
    }
}
