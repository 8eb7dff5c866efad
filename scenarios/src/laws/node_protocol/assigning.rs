//! Who gets what: each in its turn, to a node that is there and has room, and at once.

use std::time::Duration;

use halfopen::check::Finding;
use halfopen::trace::LogEvent;

use super::broker::{Attempt, Broker, JobKey, key_of};
use super::history::{History, Moment};
use super::message::Message;
use super::{TICK, broken};

/// What the scheduler decides in one step it logs in one instant.
const AT_ONCE: Duration = Duration::from_millis(5);

impl Broker<'_> {
    pub(super) fn job_assigned(&mut self, moment: &Moment<'_>, event: &LogEvent) -> Result<(), Finding> {
        let key = key_of(event);
        let id = event.field("attempt_id").unwrap_or_default().to_owned();
        let node = event.field("node_id").unwrap_or_default().to_owned();
        self.assigned += 1;
        if id.is_empty() || !self.ever.insert(id.clone()) {
            return Err(broken(
                "gives an attempt's name twice",
                moment,
                format!("`{id}` is the name of an earlier attempt."),
            ));
        }
        self.may_be_assigned(moment, &key, &node)?;
        self.suits(moment, &key, &node)?;
        if let Some(on) = self.nodes.get(&node).and_then(|node| node.connection) {
            self.debts.owe(moment, self.numbers.on_the_way, on, "job_assign", &id);
        }
        self.waits_no_longer(&key, true);
        let waited_since = self.jobs.get(&key).map_or(moment.at, |job| job.waiting_since);
        if let Some(worker) = self.nodes.get_mut(&node) {
            worker.running.insert(id.clone());
        }
        if let Some(job) = self.jobs.get_mut(&key) {
            job.current = Some(id.clone());
            job.attempts.push(id.clone());
            job.tried.insert(node.clone());
        }
        self.jobs_of.insert(id.clone(), key.0.clone());
        let (assigned_at, place) = (moment.at, moment.place);
        self.attempts
            .insert(id, Attempt { key, node, assigned_at, signs: Vec::new(), failed: false, waited_since, place });
        Ok(())
    }

    /// The job waits, and it is its turn; the node is there, has room, and is not held back.
    fn may_be_assigned(&self, moment: &Moment<'_>, key: &JobKey, node: &str) -> Result<(), Finding> {
        let Some(job) = self.jobs.get(key) else {
            return Err(broken(
                "assigns a job that is not open",
                moment,
                format!("{} was assigned, and is not open.", key.0),
            ));
        };
        if let Some(current) = &job.current {
            let sentence = format!("{} was assigned while its attempt {current} counts.", key.0);
            return Err(broken("assigns a job twice", moment, sentence)
                .witness([self.attempts.get(current).map_or(0, |at| at.place)]));
        }
        if job.attempts.len() >= self.numbers.attempts {
            let sentence = format!("{} had {} attempts, and was assigned again.", key.0, job.attempts.len());
            return Err(broken("more attempts than there may be", moment, sentence));
        }
        self.is_its_turn(moment, key, job)?;
        let Some(worker) = self.nodes.get(node).filter(|worker| worker.live) else {
            return Err(broken(
                "assigns to a node that is not there",
                moment,
                format!("{} was assigned to {node}.", key.0),
            ));
        };
        let held = worker.benched_until.max(worker.paused_until);
        if moment.at + TICK < held {
            let sentence = format!("{node} was to be left alone until {held:?}, and was given {}.", key.0);
            return Err(broken("gives work to a node that is held back", moment, sentence));
        }
        let capacity = if worker.strikes > 0 { Some(1) } else { worker.capacity };
        if capacity.is_some_and(|capacity| worker.running.len() >= capacity) {
            let sentence = format!("{node} works on {} already, and was given {}.", worker.running.len(), key.0);
            return Err(broken("assigns beyond a node's capacity", moment, sentence));
        }
        Ok(())
    }

    /// The node is the best choice.
    fn suits(&self, moment: &Moment<'_>, key: &JobKey, chosen: &str) -> Result<(), Finding> {
        let Some(job) = self.jobs.get(key) else { return Ok(()) };
        if !self.knows_all_nodes() {
            return Ok(());
        }
        match self.node_for(job, moment.at + TICK) {
            Some(best) if best == chosen => Ok(()),
            // What may just have come off the bench may be meant as well.
            Some(_) if self.node_for(job, moment.at.saturating_sub(TICK)) == Some(chosen) => Ok(()),
            Some(best) => {
                let sentence = format!("{} was given to {chosen}, and {best} was the better choice.", key.0);
                Err(broken("chooses the worse node", moment, sentence))
            }
            None => {
                let sentence = format!("{} was given to {chosen}, which may not have it now.", key.0);
                Err(broken("chooses a node that may not have it", moment, sentence))
            }
        }
    }

    /// What is assigned is what was submitted.
    pub(super) fn assignment_sent(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let disturbed = history.is_disturbed(on, Duration::ZERO, moment.at);
        if !self.debts.pay(on, "job_assign", &said.attempt_id) && !disturbed {
            let sentence = format!(
                "{} of {} was sent on {}, and not assigned to it.",
                said.attempt_id,
                said.job_id,
                history.name(on)
            );
            return Err(broken("sends an assignment that is none", moment, sentence));
        }
        let submits = self.submits.get(&said.job_id).map(Vec::as_slice).unwrap_or_default();
        if !disturbed && !submits.iter().any(|submit| submit.asks_the_same(said)) {
            let sentence = format!(
                "{} was handed to a node with another text, language or trace than it was submitted with.",
                said.job_id
            );
            return Err(broken("changes a job", moment, sentence));
        }
        Ok(())
    }

    /// What holds whenever the scheduler has nothing to do.
    pub(super) fn at_rest(&self, now: Duration) -> Result<(), Finding> {
        if now < self.spoke_at + AT_ONCE {
            return Ok(());
        }
        let stranded = self.attempts.iter().find(|(id, attempt)| {
            self.jobs.get(&attempt.key).is_some_and(|job| job.current.as_ref() == Some(id))
                && !self.nodes.get(&attempt.node).is_some_and(|node| node.live)
        });
        if let Some((id, attempt)) = stranded {
            let sentence = format!("{} is gone, and its attempt {id} still counts.", attempt.node);
            return Err(Finding::new("waits for a node that is gone", sentence).witness([attempt.place]));
        }
        let over = self.nodes.iter().find(|(_, node)| {
            node.live && node.capacity.is_some_and(|capacity| node.running.len() > capacity.max(node.brought))
        });
        if let Some((id, node)) = over {
            let places =
                node.running.iter().filter_map(|attempt| self.attempts.get(attempt)).map(|attempt| attempt.place);
            let sentence = format!(
                "{id} works on {} at a time, and has room for {}.",
                node.running.len(),
                node.capacity.unwrap_or(0)
            );
            return Err(Finding::new("assigns beyond a node's capacity", sentence).witness(places));
        }
        if let Some((waiting, job)) = self
            .queue
            .iter()
            .filter_map(|key| Some((key, self.jobs.get(key)?)))
            .find(|(_, job)| job.attempts.len() >= self.numbers.attempts)
        {
            let sentence = format!("{} has had its {} attempts, and goes on waiting.", waiting.0, job.attempts.len());
            return Err(Finding::new("does not give up", sentence).witness([job.place]));
        }
        if !self.knows_all_nodes() {
            return Ok(());
        }
        // Whatever held it or a node back ended long enough ago.
        let Some((waiting, job)) = self.assignable(now.saturating_sub(AT_ONCE)).next() else { return Ok(()) };
        let Some(idle) = self.node_for(job, now.saturating_sub(AT_ONCE)) else { return Ok(()) };
        let sentence = format!("{} waits, and {idle} has room.", waiting.0);
        Err(Finding::new("lets a job wait where there is room", sentence).witness([job.place]))
    }
}
