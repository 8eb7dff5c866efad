//! The outages of the client of one link, attempt by attempt.

use std::time::Duration;

use super::BackoffRule;
use crate::check::Finding;
use crate::fact::FactKind;
use crate::name::{ConnectionId, HostName, Side};
use crate::occurrence::Seen;
use crate::trace::{ConnectionEvent, ProcessEvent, Record, RecordKind, told_apart};

/// Two additions that differ by no more are the same: what the steps between two records take.
const SAME: Duration = Duration::from_millis(1);

/// What a rule has seen of its host so far.
pub(super) struct Outage<'a> {
    name: &'a str,
    rule: &'a BackoffRule,
    /// The last attempt of the present life.
    connection: Option<&'a ConnectionId>,
    /// Since when the next attempt is owed, and the record that says so.
    waiting: Option<Loss>,
    /// Since when the host is in service.
    in_service: Option<Duration>,
    /// The attempts since the host was last in service for long enough, and the most of any outage.
    spent: u32,
    most: u32,
    /// The pauses that were in order, and what was added to those in which the jitter shows.
    pauses: u32,
    added: Vec<(usize, Duration)>,
}

#[derive(Clone, Copy)]
struct Loss {
    index: usize,
    at: Duration,
    sign: Sign,
}

/// By what a loss is known, the best sign last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// The network has told the host, or the host has closed its socket.
    Network,
    /// The host says that it has noticed.
    Noticed,
    /// The host says that it will try again.
    Retried,
}

impl<'a> Outage<'a> {
    pub(super) fn of(name: &'a str, rule: &'a BackoffRule) -> Self {
        let (connection, waiting, in_service, added) = (None, None, None, Vec::new());
        Self { name, rule, connection, waiting, in_service, spent: 0, most: 0, pauses: 0, added }
    }

    fn host(&self) -> &'a HostName {
        &self.rule.link.0.client
    }

    /// Takes a record into account.
    pub(super) fn take(&mut self, index: usize, record: &'a Record) -> Result<(), Finding> {
        let is_own = record.host.as_ref() == Some(self.host());
        match &record.what {
            RecordKind::Connection { id, event: ConnectionEvent::Attempted } if id.link == self.rule.link.0 => {
                self.attempted(index, record.at, id)?;
            }
            RecordKind::Connection { id, event } if Some(id) == self.connection && is_over(event) => {
                self.lost(Loss { index, at: record.at, sign: Sign::Network });
            }
            RecordKind::Fact(fact) if is_own => self.told(index, record.at, fact.kind)?,
            RecordKind::Process(event) if is_own => self.process(event, record.at)?,
            RecordKind::Connection { .. }
            | RecordKind::Unit { .. }
            | RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Fact(_)
            | RecordKind::Event(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => {}
        }
        if !self.rule.unless.0.is_empty() && self.is_released(&Seen::new(record)) {
            self.must_have_tried(record.at)?;
            self.begin_again();
        }
        Ok(())
    }

    fn told(&mut self, index: usize, at: Duration, kind: FactKind) -> Result<(), Finding> {
        match kind {
            FactKind::Detected => self.lost(Loss { index, at, sign: Sign::Noticed }),
            FactKind::Retried => {
                if let Some(loss) = self.waiting.filter(|loss| loss.sign == Sign::Retried) {
                    // The network saw nothing of this attempt: the name could not be looked up, or leads elsewhere.
                    self.count(index, loss)?;
                    let (pause, bare) = (at - loss.at, self.rule.bare(self.spent));
                    if pause < bare {
                        return Err(self.too_soon(index, loss, pause));
                    }
                }
                self.lost(Loss { index, at, sign: Sign::Retried });
            }
            FactKind::Recovered => (self.waiting, self.in_service) = (None, Some(at)),
            FactKind::Offered
            | FactKind::Accepted
            | FactKind::ClaimedDelivered
            | FactKind::ClaimedFailed
            | FactKind::Received
            | FactKind::Refused
            | FactKind::Outcome
            | FactKind::StreamOpened
            | FactKind::StreamProduced
            | FactKind::StreamEvent
            | FactKind::StreamTerminator
            | FactKind::StreamError
            | FactKind::StreamEnded
            | FactKind::StreamLeft
            | FactKind::StreamCancelled
            | FactKind::Gauge => {}
        }
        Ok(())
    }

    fn is_released(&self, seen: &Seen) -> bool {
        let class = seen.class();
        self.rule.unless.0.iter().any(|occurrence| occurrence.class() == class && occurrence.matches(seen))
    }

    /// The next attempt is the first of its life.
    fn begin_again(&mut self) {
        (self.connection, self.waiting, self.in_service, self.spent) = (None, None, None, 0);
    }

    fn process(&mut self, event: &ProcessEvent, at: Duration) -> Result<(), Finding> {
        match event {
            ProcessEvent::Started
            | ProcessEvent::Exited { .. }
            | ProcessEvent::Crashed
            | ProcessEvent::PowerLost
            | ProcessEvent::StopRequested => {
                self.must_have_tried(at)?;
                self.begin_again();
            }
            ProcessEvent::Panicked { .. } | ProcessEvent::Survivors { .. } => {}
        }
        Ok(())
    }

    /// The connection or attempt before is over. What the host says counts, and the last time that it says so.
    fn lost(&mut self, loss: Loss) {
        if self.connection.is_none() {
            return;
        }
        if let Some(since) = self.in_service.take()
            && loss.at - since >= self.rule.stable_after
        {
            self.spent = 0;
        }
        if self.waiting.is_none_or(|waiting| loss.sign > Sign::Network && loss.sign >= waiting.sign) {
            self.waiting = Some(loss);
        }
    }

    fn attempted(&mut self, index: usize, at: Duration, id: &'a ConnectionId) -> Result<(), Finding> {
        self.connection = Some(id);
        self.in_service = None;
        let Some(loss) = self.waiting.take() else { return Ok(()) };
        self.count(index, loss)?;
        let (pause, bare) = (at - loss.at, self.rule.bare(self.spent));
        if pause < bare {
            return Err(self.too_soon(index, loss, pause));
        }
        let most = self.rule.most(self.spent);
        if pause > most {
            return Err(self.wrong("too late", loss, pause, "came only after", ("at most", most)).witness([index]));
        }
        self.pauses += 1;
        if self.rule.shows_jitter(self.spent) {
            self.added.push((index, pause - bare));
        }
        Ok(())
    }

    /// One more attempt.
    fn count(&mut self, index: usize, loss: Loss) -> Result<(), Finding> {
        self.spent += 1;
        self.most = self.most.max(self.spent);
        match self.rule.attempts {
            Some(most) if self.spent > most => {
                let sentence = format!(
                    "{}: {} lost {} and tried again {} times (at most {most}).",
                    self.name,
                    self.host(),
                    self.rule.link.0,
                    self.spent
                );
                Err(self.finding("too many attempts", sentence, loss).witness([index]))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn too_soon(&self, index: usize, loss: Loss, pause: Duration) -> Finding {
        let bare = self.rule.bare(self.spent);
        self.wrong("too soon", loss, pause, "came after", ("at least", bare)).witness([index])
    }

    /// No attempt that is owed may be overdue.
    fn must_have_tried(&mut self, now: Duration) -> Result<(), Finding> {
        let owes = self.rule.attempts.is_none_or(|most| self.spent < most);
        let Some(loss) = self.waiting.filter(|_| owes) else { return Ok(()) };
        let most = self.rule.most(self.spent + 1);
        if now - loss.at <= most {
            return Ok(());
        }
        self.spent += 1;
        Err(self.wrong("never", loss, now - loss.at, "did not come in", ("at most", most)))
    }

    /// What was added to the pauses in which the jitter shows.
    pub(super) fn added(&self) -> &[(usize, Duration)] {
        &self.added
    }

    /// What there was to hold, when the run is over.
    pub(super) fn conclude(mut self, last: Duration) -> Result<String, Finding> {
        self.must_have_tried(last)?;
        let is_bare = |(_, added): &(usize, Duration)| *added < Duration::from_millis(1);
        if self.added.len() >= 3 && self.added.iter().all(is_bare) {
            let sentence = format!(
                "{}: {} paused {} times for exactly the bare time, though up to {} percent are added: hosts that lose one \
                 server together would come back together.",
                self.name,
                self.host(),
                self.added.len(),
                self.rule.jitter_percent
            );
            let attempts = self.added.iter().map(|(index, _)| *index);
            return Err(Finding::of_rule(self.name, "no jitter", sentence).witness(attempts).role(Some(self.host())));
        }
        match (self.pauses, self.rule.optional) {
            (0, false) => {
                let sentence = format!(
                    "{}: {} never had to try again on {} in this run, so the rule says nothing.",
                    self.name,
                    self.host(),
                    self.rule.link.0
                );
                Err(Finding::of_rule(self.name, "says nothing", sentence))
            }
            (pauses, _) => Ok(format!("{}: {pauses} pauses, attempts: {} at most", self.name, self.most)),
        }
    }

    /// `spent` is the number of the attempt.
    fn wrong(&self, clause: &str, loss: Loss, pause: Duration, how: &str, bound: (&str, Duration)) -> Finding {
        let (word, bound) = bound;
        let [began, pause, bound] = told_apart([loss.at, pause, bound]);
        let sentence = format!(
            "{}: {} had lost {} at {began}, and attempt {} {how} {pause} ({word} {bound}).",
            self.name,
            self.host(),
            self.rule.link.0,
            self.spent
        );
        self.finding(clause, sentence, loss)
    }

    fn finding(&self, clause: &str, sentence: String, loss: Loss) -> Finding {
        Finding::of_rule(self.name, clause, sentence).witness([loss.index]).role(Some(self.host()))
    }
}

/// Hosts that lose one server together must not come back together.
///
/// # Errors
/// When two hosts add the same to every pause, and there are three or more; when there is no rule of that name.
pub(super) fn keep_apart(
    (name, rule, added): (&str, &BackoffRule, &[(usize, Duration)]),
    (other, others): (&str, Option<&[(usize, Duration)]>),
) -> Result<(), Finding> {
    let Some(others) = others else {
        let sentence = format!("{name}: there is no rule {other} for its host to keep apart from.");
        return Err(Finding::of_rule(name, "says nothing", sentence));
    };
    let both = || added.iter().zip(others);
    if both().count() < 3 || both().any(|((_, one), (_, another))| one.abs_diff(*another) > SAME) {
        return Ok(());
    }
    let host = &rule.link.0.client;
    let sentence = format!(
        "{name}: {host} added the same to each of {} pauses as the host of {other}: hosts that lose one server together \
         would come back together.",
        both().count()
    );
    let attempts = both().flat_map(|((one, _), (another, _))| [*one, *another]);
    Err(Finding::of_rule(name, "in lockstep", sentence).witness(attempts).role(Some(host)))
}

/// Whether the client of a connection could know by it that the connection, or the attempt to get it, is over.
fn is_over(event: &ConnectionEvent) -> bool {
    match event {
        ConnectionEvent::Refused
        | ConnectionEvent::TimedOut
        | ConnectionEvent::Fin { by: Side::Server, .. }
        | ConnectionEvent::Rst { to: Side::Client, .. }
        | ConnectionEvent::GaveUp { by: Side::Client, .. }
        | ConnectionEvent::Closed { by: Side::Client } => true,
        ConnectionEvent::Attempted
        | ConnectionEvent::Established
        | ConnectionEvent::Forgotten
        | ConnectionEvent::Fin { by: Side::Client, .. }
        | ConnectionEvent::Rst { to: Side::Server, .. }
        | ConnectionEvent::GaveUp { by: Side::Server, .. }
        | ConnectionEvent::Closed { by: Side::Server } => false,
    }
}
