//! The protocol between clients and the scheduler, as a model that is held against a run: the messages on the wire, and the lines
//! in both logs.
//!
//! - [`SessionProtocol`] (here): the numbers, and the rules in their order.
//! - `history`: a run as this leg sees it; `message`: what stands on the wire; `debts`: what must follow soon.
//! - `greeting`: who speaks first; `claims`: who is taken for whom.
//! - `sessions`: what the scheduler keeps for whom; `keeping`: for how long; `outcomes`: what it sends, in which order, and how often.
//! - `client`: what a client says, and tells its user; `jobs`: its jobs.
//! - `closing`: close codes, and what may follow a Close.
//! - `pace`: pings, pongs, and silence.

mod claims;
mod client;
mod closing;
mod debts;
mod greeting;
mod history;
mod jobs;
mod keeping;
mod message;
mod outcomes;
mod pace;
mod sessions;
#[cfg(test)]
mod tests;

use std::time::Duration;

use halfopen::check::{Check, Evidence, Finding};
use halfopen::name::HostName;
use halfopen::trace::Record;
use serde::Deserialize;

use super::leg::{begins_or_ends_a_life, secret_in_a_log};
use history::{History, Moment};

/// Clients and the scheduler keep their protocol. The numbers are the protocol's; a scenario whose services are configured to
/// others says so.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SessionProtocol {
    /// From the upgrade to the `session_init`, and from there to its answer.
    #[serde(with = "humantime_serde")]
    pub(crate) hello: Duration,
    /// How long outcomes may stay unacknowledged.
    #[serde(with = "humantime_serde")]
    pub(crate) ack: Duration,
    /// How long a session may carry nothing before it is closed.
    #[serde(with = "humantime_serde")]
    pub(crate) idle: Duration,
    /// How long results are kept for a session that is away.
    #[serde(with = "humantime_serde")]
    pub(crate) kept: Duration,
    /// How many results are kept for a session that is away.
    pub(crate) results_kept: usize,
    /// How long a session that is away is known.
    #[serde(with = "humantime_serde")]
    pub(crate) forget: Duration,
    /// Outcomes that may be on their way at a time.
    pub(crate) window: u64,
    /// From one ping to the next.
    #[serde(with = "humantime_serde")]
    pub(crate) ping: Duration,
    /// From one ping of the client's to the next, where that is another time.
    #[serde(with = "humantime_serde::option")]
    pub(crate) client_ping: Option<Duration>,
    /// From a ping to the end of a connection without its pong.
    #[serde(with = "humantime_serde")]
    pub(crate) pong: Duration,
    /// The whole of a close.
    #[serde(with = "humantime_serde")]
    pub(crate) close: Duration,
    /// How soon what an end has decided is on the wire.
    #[serde(with = "humantime_serde")]
    pub(crate) at_once: Duration,
    /// The longest time that a message, and its answer, take on an undisturbed connection.
    #[serde(with = "humantime_serde")]
    pub(crate) on_the_way: Duration,
    /// Whether a translation repeats the text of its job, as those of the echo worker do.
    pub(crate) echo: bool,
    /// Whether the scheduler may have reason to turn clients away with 1013.
    pub(crate) overloaded: bool,
    /// Whether a run without a session is in order.
    pub(crate) optional: bool,
}

impl Default for SessionProtocol {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            hello: seconds(10),
            ack: seconds(20),
            idle: seconds(600),
            kept: seconds(120),
            results_kept: 1000,
            forget: seconds(600),
            window: 64,
            ping: seconds(20),
            client_ping: None,
            pong: seconds(20),
            close: seconds(2),
            at_once: Duration::from_millis(5),
            on_the_way: seconds(1),
            echo: false,
            overloaded: false,
            optional: false,
        }
    }
}

/// Timers of both ends run to the millisecond.
const TICK: Duration = Duration::from_millis(2);

/// One part of the model: it is told the run moment by moment.
trait Rule {
    /// Takes a moment in.
    ///
    /// # Errors
    /// How it breaks the protocol.
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding>;

    /// What time alone has brought about before `now`.
    ///
    /// # Errors
    /// What should have happened by then.
    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding>;
}

impl SessionProtocol {
    fn examine_records(&self, records: &[Record], ends_at: Duration) -> Result<String, Finding> {
        secret_in_a_log(records)?;
        let history = History::read(records, ends_at);
        let mut greeting = greeting::Greeting::new(self);
        let mut sessions = sessions::Sessions::new(self);
        let mut clients = client::Clients::new(self);
        let mut closing = closing::Closing::new(self);
        let mut pace = pace::Pace::new(self);
        let mut rules: [&mut dyn Rule; 5] = [&mut greeting, &mut sessions, &mut clients, &mut closing, &mut pace];
        for moment in &history.moments {
            for rule in &mut rules {
                rule.until(moment.at, &history)?;
                rule.take(moment, &history)?;
            }
        }
        for rule in &mut rules {
            rule.until(ends_at, &history)?;
        }
        if greeting.greeted == 0 && !self.optional {
            return Err(Finding::new("says nothing", "no session was up in this run, so the law says nothing."));
        }
        Ok(format!("{} greetings, {} outcomes", greeting.greeted, sessions.said))
    }
}

impl Check for SessionProtocol {
    fn name(&self) -> &'static str {
        "session_protocol"
    }

    fn law(&self) -> &'static str {
        "clients and the scheduler keep their protocol: greeting, jobs, outcomes, acknowledgements and their ends"
    }

    // Its times are those of a wire that nothing holds up, and its words those that nothing changes.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        self.examine_records(evidence.records, evidence.last.at)
    }
}

/// A finding about a moment, and the host that is to blame.
fn broken(clause: &'static str, moment: &Moment<'_>, host: Option<&HostName>, sentence: String) -> Finding {
    Finding::new(clause, sentence).witness([moment.place]).role(host)
}
