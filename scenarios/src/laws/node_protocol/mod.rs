//! The protocol between nodes and the scheduler, as a model that is held against a run: the messages on the wire, and the lines
//! in both logs.
//!
//! - `NodeProtocol` (here): the numbers, and the rules in their order.
//! - `history`: a run as this leg sees it; `message`: what stands on the wire; `debts`: what must follow soon.
//! - `identity`: a node says who it is, is the same node afterwards, and has one connection.
//! - `broker`: the scheduler's jobs, attempts and nodes, and what it may do with them. `assigning` is who gets what, `spending`
//!   how attempts and jobs end, `choosing` whose turn it is and who is held back, `waiting` what time ends.
//! - `results`: every result has its answer, and the first good one wins.
//! - `work`: the node acknowledges, reports, hands in, and hands in again; `tasks`: it stops what is cancelled.
//! - `pace`: heartbeats, pings, and the pauses between attempts.
//! - `drain`: an orderly end.

mod assigning;
mod broker;
mod choosing;
mod debts;
mod drain;
mod history;
mod identity;
mod message;
mod pace;
mod results;
mod spending;
mod tasks;
#[cfg(test)]
mod tests;
mod waiting;
mod work;

use std::time::Duration;

use halfopen::check::{Check, Evidence, Finding};
use halfopen::trace::Record;
use serde::Deserialize;

use super::leg::{begins_or_ends_a_life, secret_in_a_log};
use history::{History, Moment};

/// Nodes and the scheduler keep their protocol. The numbers are the protocol's; a scenario whose services are configured to
/// others says so.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NodeProtocol {
    /// From one `node_heartbeat` to the next.
    #[serde(with = "humantime_serde")]
    pub(super) heartbeat: Duration,
    /// The silence after which a node is declared dead.
    #[serde(with = "humantime_serde")]
    pub(super) node_timeout: Duration,
    /// From an assignment without `job_ack` to the next attempt.
    #[serde(with = "humantime_serde")]
    pub(super) job_ack: Duration,
    /// From one `job_progress` to the next.
    #[serde(with = "humantime_serde")]
    pub(super) progress: Duration,
    /// The silence of an acknowledged attempt after which it is spent.
    #[serde(with = "humantime_serde")]
    pub(super) progress_timeout: Duration,
    /// How long a job waits where there is no node.
    #[serde(with = "humantime_serde")]
    pub(super) no_node: Duration,
    /// How long a job waits where all nodes are full.
    #[serde(with = "humantime_serde")]
    pub(super) queue: Duration,
    /// How long a job rests at most after its first failure; half of it at least, and twice as long after each further one.
    #[serde(with = "humantime_serde")]
    pub(super) retry_first: Duration,
    /// The longest rest.
    #[serde(with = "humantime_serde")]
    pub(super) retry_longest: Duration,
    /// How long a node is benched for its first fault; twice as long for each further one.
    #[serde(with = "humantime_serde")]
    pub(super) bench_first: Duration,
    /// The longest time on the bench.
    #[serde(with = "humantime_serde")]
    pub(super) bench_longest: Duration,
    /// The longest pause that a node may ask for.
    #[serde(with = "humantime_serde")]
    pub(super) pause_longest: Duration,
    /// The longest life of a job.
    #[serde(with = "humantime_serde")]
    pub(super) job: Duration,
    /// Attempts at one job.
    pub(super) attempts: usize,
    /// Between a node's attempts to reach its scheduler.
    #[serde(with = "humantime_serde")]
    pub(super) retry: Duration,
    /// For a node's connection with its upgrade, and again for the answer to its registration.
    #[serde(with = "humantime_serde")]
    pub(super) hello: Duration,
    /// From one ping to the next.
    #[serde(with = "humantime_serde")]
    pub(super) ping: Duration,
    /// How long an identity outlives its connection.
    #[serde(with = "humantime_serde")]
    pub(super) forget: Duration,
    /// Between two failed accepts.
    #[serde(with = "humantime_serde")]
    pub(super) accept_pause: Duration,
    /// From the order to stop to the last 1012 of the scheduler.
    #[serde(with = "humantime_serde")]
    pub(super) scheduler_grace: Duration,
    /// From the order to stop to the goodbye of a node.
    #[serde(with = "humantime_serde")]
    pub(super) node_grace: Duration,
    /// The longest time that a message, and its answer, take on an undisturbed connection.
    #[serde(with = "humantime_serde")]
    pub(super) on_the_way: Duration,
    /// Whether a good result repeats the whole text that was submitted, as the echo worker and the model do.
    pub(super) whole_answers: bool,
    /// Whether a run without a single registration is in order.
    pub(super) optional: bool,
}

impl Default for NodeProtocol {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            heartbeat: seconds(5),
            node_timeout: seconds(15),
            job_ack: seconds(3),
            progress: seconds(10),
            progress_timeout: seconds(30),
            no_node: seconds(10),
            queue: seconds(120),
            retry_first: Duration::from_millis(500),
            retry_longest: seconds(10),
            bench_first: seconds(1),
            bench_longest: seconds(60),
            pause_longest: seconds(300),
            job: seconds(600),
            attempts: 3,
            retry: seconds(5),
            hello: seconds(10),
            ping: seconds(20),
            forget: seconds(600),
            accept_pause: Duration::from_millis(100),
            scheduler_grace: seconds(10),
            node_grace: seconds(10),
            on_the_way: Duration::from_millis(500),
            whole_answers: true,
            optional: false,
        }
    }
}

/// Timers of both sides run to the millisecond.
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

impl NodeProtocol {
    fn examine_records(&self, records: &[Record], ends_at: Duration) -> Result<String, Finding> {
        secret_in_a_log(records)?;
        let history = History::read(records, ends_at);
        let mut identity = identity::Identity::new(self);
        let mut broker = broker::Broker::new(self);
        let mut results = results::Results::new(self);
        let mut work = work::Work::new(self);
        let mut tasks = tasks::Tasks::new(self);
        let mut pace = pace::Pace::new(self);
        let mut drain = drain::Drain::new(self);
        let mut rules: [&mut dyn Rule; 7] =
            [&mut identity, &mut broker, &mut results, &mut work, &mut tasks, &mut pace, &mut drain];
        let mut now = Duration::ZERO;
        for moment in &history.moments {
            let has_passed = std::mem::replace(&mut now, moment.at) < moment.at;
            for rule in &mut rules {
                if has_passed {
                    rule.until(now, &history)?;
                }
                rule.take(moment, &history)?;
            }
        }
        for rule in &mut rules {
            rule.until(ends_at, &history)?;
        }
        if identity.registrations == 0 && !self.optional {
            let sentence = "no node registered in this run, so the law says nothing.";
            return Err(Finding::new("says nothing", sentence));
        }
        Ok(format!("{} registrations, {} attempts", identity.registrations, broker.assigned))
    }
}

impl Check for NodeProtocol {
    fn name(&self) -> &'static str {
        "node_protocol"
    }

    fn law(&self) -> &'static str {
        "nodes and the scheduler keep their protocol: registration, assignment, acknowledgement, progress, results and their ends"
    }

    // Its times are those of a wire that nothing holds up, and its words those that nothing changes.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        self.examine_records(evidence.records, evidence.last.at)
    }
}

/// A finding about a moment.
fn broken(clause: &'static str, moment: &Moment<'_>, sentence: String) -> Finding {
    Finding::new(clause, sentence).witness([moment.place])
}
