//! The node's side: what it is assigned it acknowledges, reports on while it works, and hands in until it is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, HostName};
use halfopen::trace::{LogEvent, ProcessEvent};

use super::debts::Debts;
use super::history::{History, Moment, What};
use super::message::Message;
use super::{NodeProtocol, Rule, TICK, begins_or_ends_a_life, broken};

pub(super) struct Work<'a> {
    numbers: &'a NodeProtocol,
    debts: Debts,
    nodes: BTreeMap<HostName, Bench>,
}

/// What a life of a node has at hand.
#[derive(Default)]
struct Bench {
    /// The connection of its latest registration, while it has it.
    on: Option<usize>,
    /// Assignments that have been sent to it, by attempt.
    assigned: BTreeMap<String, Message>,
    /// Attempts that it works on, with the latest sign of it on the wire.
    running: BTreeMap<String, Sign>,
    /// Results, done and not acknowledged, with what they say once they have been sent.
    kept: BTreeMap<String, Option<Message>>,
    /// Attempts whose results it may not send any more, since when, and why.
    over: BTreeMap<String, (Duration, &'static str)>,
    /// When an attempt came to run no longer. What was written in the same instant was written before.
    ended: BTreeMap<String, Duration>,
    /// Results sent on the present connection.
    sent: BTreeSet<(usize, String)>,
    stopping: Option<Duration>,
    /// Since when nothing has been at hand.
    idle_since: Duration,
}

/// The latest sign of work: a `job_ack` or `job_progress`.
#[derive(Clone, Copy)]
struct Sign {
    on: usize,
    at: Duration,
    is_progress: bool,
    place: usize,
}

impl Bench {
    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.kept.is_empty()
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(numbers: &'a NodeProtocol) -> Self {
        Self { numbers, debts: Debts::default(), nodes: BTreeMap::new() }
    }

    fn process(
        &mut self,
        moment: &Moment<'_>,
        host: &HostName,
        event: &ProcessEvent,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        if !history.is_real(host) {
            return Ok(());
        }
        let bench = self.nodes.entry(host.clone()).or_default();
        match event {
            ProcessEvent::StopRequested => bench.stopping = Some(moment.at),
            ProcessEvent::Exited { .. } => {
                if let (Some(stop), Some(_)) = (bench.stopping, bench.on)
                    && moment.at > stop + self.numbers.node_grace + GOODBYE
                {
                    return Err(broken("stops too late", moment, format!("{host} was told to stop at {stop:?}."))
                        .role(Some(host)));
                }
            }
            _ => {}
        }
        if begins_or_ends_a_life(event) {
            *bench = Bench::default();
        }
        Ok(())
    }

    fn logged(
        &mut self,
        moment: &Moment<'_>,
        host: &HostName,
        event: &LogEvent,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let way = self.numbers.on_the_way;
        let bench = self.nodes.entry(host.clone()).or_default();
        let attempt = event.field("attempt_id").unwrap_or_default();
        match event.message.as_str() {
            "registered" => {
                let on = history.latest_answer(host, moment.place);
                bench.on = on;
                if let Some(on) = on {
                    bench.kept.keys().for_each(|id| self.debts.owe(moment, way, on, "job_result", id));
                    bench.running.keys().for_each(|id| self.debts.owe(moment, way, on, "job_progress", id));
                }
            }
            "scheduler lost" => bench.on = None,
            "job taken" => bench.take(moment, attempt)?,
            "job done" => {
                bench.finish(moment, attempt)?;
                if let Some(on) = bench.on {
                    self.debts.owe(moment, way, on, "job_result", attempt);
                }
                self.debts.forgive("the node's stop of a cancelled job", attempt);
            }
            "job cancelled" => {
                bench.running.remove(attempt);
                bench.ended.insert(attempt.to_owned(), moment.at);
                bench.over.insert(attempt.to_owned(), (moment.at, "it was cancelled"));
                self.debts.forgive("the node's stop of a cancelled job", attempt);
                self.debts.forgive("job_progress", attempt);
            }
            "result acknowledged" => {
                let was_kept = bench.kept.remove(attempt).is_some();
                bench.over.insert(attempt.to_owned(), (moment.at, "it was acknowledged"));
                self.debts.forgive("the node's notice of result_ack", attempt);
                if !was_kept {
                    return Err(broken(
                        "acknowledged and not kept",
                        moment,
                        format!("{attempt} was not kept by {host}."),
                    ));
                }
            }
            _ => {}
        }
        if matches!(event.message.as_str(), "job cancelled" | "result acknowledged") {
            bench.idle_since = moment.at;
        }
        Ok(())
    }

    fn scheduler_says(&mut self, moment: &Moment<'_>, on: usize, said: &Message, history: &History<'_>) {
        let way = self.numbers.on_the_way;
        let id = &said.attempt_id;
        let host = history.node(on);
        let bench = self.nodes.entry(host.clone()).or_default();
        match said.kind.as_str() {
            "job_assign" => {
                bench.assigned.insert(id.clone(), said.clone());
                self.debts.owe(moment, way, on, "job_ack", id);
            }
            "result_ack" if bench.kept.contains_key(id) => {
                self.debts.owe(moment, way, on, "the node's notice of result_ack", id);
            }
            "job_cancel" if bench.running.contains_key(id) => {
                self.debts.owe(moment, way, on, "the node's stop of a cancelled job", id);
            }
            _ => {}
        }
    }

    fn node_says(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let host = history.node(on);
        if history.is_disturbed(on, Duration::ZERO, moment.at) {
            return self.note(moment, on, said, host);
        }
        let id = said.attempt_id.as_str();
        let bench = self.nodes.entry(host.clone()).or_default();
        let wrong = |clause, what: &str| {
            Err(broken(clause, moment, format!("{} of {id} on {}: {what}.", said.kind, history.name(on))))
        };
        match said.kind.as_str() {
            "job_ack" if !self.debts.pay(on, "job_ack", id) => {
                return wrong("acknowledges what was not assigned", "it was not assigned, or acknowledged before");
            }
            "job_progress" => {
                self.debts.pay(on, "job_progress", id);
                if bench.ended.get(id) == Some(&moment.at) {
                    return Ok(());
                }
                let Some(last) = bench.running.get(id) else {
                    return wrong("reports work that does not run", "the node does not work on it");
                };
                let is_early = last.is_progress && last.on == on && moment.at + TICK < last.at + self.numbers.progress;
                if is_early {
                    return wrong("reports progress too often", "the last report was less than an interval ago");
                }
            }
            "job_result" => {
                self.debts.pay(on, "job_result", id);
                if let Some((_, why)) = bench.over.get(id).filter(|(since, _)| *since < moment.at) {
                    return wrong("hands in what is over", why);
                }
                if bench.over.get(id).is_some_and(|(since, _)| *since == moment.at) {
                    return Ok(());
                }
                let Some(kept) = bench.kept.get(id) else {
                    return wrong("hands in what it has not done", "no work of that name has ended");
                };
                if kept.as_ref().is_some_and(|kept| kept != said) {
                    return wrong("hands in another result", "it said something else before");
                }
                if !bench.sent.insert((on, id.to_owned())) {
                    return wrong("hands a result in twice", "it was sent on this connection before");
                }
            }
            _ => {}
        }
        self.note(moment, on, said, host)
    }

    /// Notes what has been sent.
    fn note(&mut self, moment: &Moment<'_>, on: usize, said: &Message, host: &HostName) -> Result<(), Finding> {
        let bench = self.nodes.entry(host.clone()).or_default();
        match said.kind.as_str() {
            "job_ack" | "job_progress" => {
                self.debts.pay(on, if said.kind == "job_ack" { "job_ack" } else { "job_progress" }, &said.attempt_id);
                if let Some(last) = bench.running.get_mut(&said.attempt_id) {
                    *last = Sign { on, at: moment.at, is_progress: said.kind == "job_progress", place: moment.place };
                }
            }
            "job_result" => {
                self.debts.pay(on, "job_result", &said.attempt_id);
                if let Some(kept) = bench.kept.get_mut(&said.attempt_id) {
                    *kept = Some(said.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A node says goodbye when its work is done, or its grace over.
    fn goodbye(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        code: Option<u16>,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let host = history.node(on);
        let Some(bench) = self.nodes.get(host).filter(|bench| bench.on == Some(on)) else { return Ok(()) };
        match bench.stopping {
            Some(stop)
                if code == Some(AWAY) && !bench.is_idle() && moment.at + TICK < stop + self.numbers.node_grace =>
            {
                Err(broken("leaves its work", moment, format!("{host} left with work at hand.")).role(Some(host)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A node that is told to stop and has nothing at hand, or no grace left, says goodbye.
    fn stays(&self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        for (host, bench) in &self.nodes {
            let (Some(stop), Some(on)) = (bench.stopping, bench.on) else { continue };
            let grace_over = stop + self.numbers.node_grace;
            let leaves = if bench.is_idle() { bench.idle_since.max(stop).min(grace_over) } else { grace_over };
            let by = leaves + self.numbers.on_the_way;
            if by < now && history.is_clear(on, stop, by) {
                let sentence = format!("{host} was told to stop at {stop:?}, and should have left by {by:?}.");
                return Err(Finding::new("stops too late", sentence).role(Some(host)));
            }
        }
        Ok(())
    }

    fn is_in_time(&self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        for (host, bench) in &self.nodes {
            for (id, last) in &bench.running {
                let due = last.at + self.numbers.progress + self.numbers.on_the_way;
                if bench.on == Some(last.on) && due < now && history.is_clear(last.on, last.at, due) {
                    let sentence = format!("{host} works on {id} and has not said so since {:?}.", last.at);
                    return Err(Finding::new("is silent at work", sentence).witness([last.place]).role(Some(host)));
                }
            }
        }
        Ok(())
    }
}

/// How long a node may take to close its connection when its grace is over.
const GOODBYE: Duration = Duration::from_millis(4500);
const AWAY: u16 = 1001;

impl Bench {
    fn take(&mut self, moment: &Moment<'_>, id: &str) -> Result<(), Finding> {
        let Some(asked) = self.assigned.get(id) else {
            return Err(broken("works on what was not assigned", moment, format!("{id} was taken, and not assigned.")));
        };
        // The work that runs goes on for the later attempt at the same job.
        let of = |message: &Message| {
            let Message { job_id, text, src_lang, tgt_lang, .. } = message.clone();
            (job_id, text, src_lang, tgt_lang)
        };
        let is_same_work = |other: &&String| self.assigned.get(*other).is_some_and(|other| of(other) == of(asked));
        let earlier = self.running.keys().find(is_same_work).cloned();
        if earlier.is_none() && self.stopping.is_some() {
            return Err(broken(
                "begins work while it stops",
                moment,
                format!("{id} was taken after the order to stop."),
            ));
        }
        if let Some(earlier) = earlier {
            self.running.remove(&earlier);
            self.ended.insert(earlier.clone(), moment.at);
            self.over.insert(earlier, (moment.at, "its work goes on for a later attempt"));
        }
        let on = self.on.unwrap_or(usize::MAX);
        self.running.insert(id.to_owned(), Sign { on, at: moment.at, is_progress: false, place: moment.place });
        Ok(())
    }

    fn finish(&mut self, moment: &Moment<'_>, id: &str) -> Result<(), Finding> {
        // A node that is more than full refuses at once what it has not taken.
        if self.running.remove(id).is_none() && !self.assigned.contains_key(id) {
            return Err(broken("works on what was not assigned", moment, format!("{id} was done, and not assigned.")));
        }
        self.ended.insert(id.to_owned(), moment.at);
        self.kept.insert(id.to_owned(), None);
        Ok(())
    }
}

impl Rule for Work<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) => self.process(moment, host, event, history),
            What::Node(host, event) => self.logged(moment, host, event, history),
            What::Message(on, Direction::ToClient, said) if history.is_real(history.node(*on)) => {
                self.scheduler_says(moment, *on, said, history);
                Ok(())
            }
            What::Message(on, Direction::ToServer, said) if history.is_real(history.node(*on)) => {
                self.node_says(moment, *on, said, history)
            }
            What::Close(on, Direction::ToServer, code) => self.goodbye(moment, *on, *code, history),
            What::Message(..)
            | What::Close(..)
            | What::Scheduler(_)
            | What::Attempted(_)
            | What::Upgraded(_)
            | What::Left(_)
            | What::Ping(..)
            | What::Pong(..)
            | What::Session(..) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        self.is_in_time(now, history)?;
        self.stays(now, history)?;
        self.debts.collect(history, now)
    }
}
