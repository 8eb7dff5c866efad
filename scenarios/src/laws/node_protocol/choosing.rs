//! Whose turn it is, and who may be given work: the rest between attempts, the pause that a node asks for, the bench, and the
//! turns of the sessions.

use std::cmp::Reverse;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::trace::LogEvent;

use super::broker::{Broker, Job, JobKey, Worker};
use super::history::Moment;
use super::{TICK, broken};

/// What a job costs its session's turn beside its bytes.
const JOB_COST: u64 = 1024;
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

impl Worker {
    /// Since when nothing holds the node back; `None` while something does, or may.
    fn is_held(&self, now: Duration) -> bool {
        self.benched_until.max(self.paused_until) > now
    }

    /// How many more jobs it may be given; `None` where its capacity is not known.
    fn room(&self, now: Duration) -> Option<usize> {
        let capacity = if self.strikes > 0 { 1 } else { self.capacity? };
        Some(if self.is_held(now) { 0 } else { capacity.saturating_sub(self.running.len()) })
    }
}

impl Broker<'_> {
    /// The node that a job should be given to: one that has not tried it, then one that is not doubted, then the one with the most
    /// room. `None` where none may have it. One that has tried it may not while another is merely full.
    pub(super) fn node_for(&self, job: &Job, now: Duration) -> Option<&str> {
        let suited = || self.nodes.iter().filter(|(id, node)| node.live && !job.barred.contains(*id));
        let ranked = suited().filter_map(|(id, node)| {
            let room = node.room(now).filter(|room| *room > 0)?;
            Some((job.tried.contains(id), node.strikes > 0, Reverse(room), id.as_str()))
        });
        let (has_tried, _, _, best) = ranked.min()?;
        let another_is_full =
            suited().any(|(id, node)| !job.tried.contains(id) && !node.is_held(now) && node.room(now) == Some(0));
        (!has_tried || !another_is_full).then_some(best)
    }

    /// Whether the capacities of all nodes that are there are known: without one the law cannot say who is the best choice.
    pub(super) fn knows_all_nodes(&self) -> bool {
        self.nodes.values().filter(|node| node.live).all(|node| node.capacity.is_some())
    }

    /// Jobs that wait, have rested for certain, and could be given to a node for certain.
    pub(super) fn assignable(&self, now: Duration) -> impl Iterator<Item = (&JobKey, &Job)> {
        let jobs = self.queue.iter().filter_map(|key| Some((key, self.jobs.get(key)?)));
        jobs.filter(move |(_, job)| job.rests_until <= now && self.node_for(job, now).is_some())
    }

    /// The job is the first of its session that can be given to anyone, and its session's turn has come.
    pub(super) fn is_its_turn(&self, moment: &Moment<'_>, key: &JobKey, job: &Job) -> Result<(), Finding> {
        if moment.at + TICK < job.rests_from {
            let sentence = format!(
                "{} failed, and was assigned {:?} before its rest was over.",
                key.0,
                job.rests_from - moment.at
            );
            return Err(broken("tries again too soon", moment, sentence));
        }
        if !self.knows_all_nodes() {
            return Ok(());
        }
        let mine = self.turns.get(&key.2).copied();
        for (other_key, other) in self.assignable(moment.at) {
            if other_key.2 == key.2 && other.place < job.place {
                let sentence = format!("{} was assigned before {}, which waited longer.", key.0, other_key.0);
                return Err(broken("passes a job over", moment, sentence).witness([other.place]));
            }
            if let (Some(mine), Some(theirs)) = (mine, self.turns.get(&other_key.2))
                && *theirs < mine
            {
                let sentence =
                    format!("{} was assigned, and it was the turn of {}'s {}.", key.0, other_key.2, other_key.0);
                return Err(broken("lets a session wait for another's jobs", moment, sentence).witness([other.place]));
            }
        }
        Ok(())
    }

    /// A job begins to wait.
    pub(super) fn waits(&mut self, key: JobKey) {
        let served = self.served;
        self.turns.entry(key.2.clone()).or_insert(served);
        let place = self.jobs.get(&key).map_or(0, |job| job.place);
        let before = self.queue.iter().position(|other| self.jobs.get(other).is_some_and(|other| other.place > place));
        self.queue.insert(before.unwrap_or(self.queue.len()), key);
    }

    /// A job waits no longer: it was assigned, which costs its session, or is over.
    pub(super) fn waits_no_longer(&mut self, key: &JobKey, assigned: bool) {
        let before = self.queue.len();
        self.queue.retain(|waiting| waiting != key);
        if before == self.queue.len() {
            return;
        }
        if assigned && let Some(turn) = self.turns.get_mut(&key.2) {
            let said = self.submits.get(&key.0).and_then(|said| said.iter().find(|submit| submit.trace_id == key.1));
            self.served = self.served.max(*turn);
            *turn += JOB_COST + said.map_or(0, |submit| submit.bytes());
        }
        if !self.queue.iter().any(|waiting| waiting.2 == key.2) {
            self.turns.remove(&key.2);
        }
    }

    /// How long a job rests after this many failures, at least and at most.
    pub(super) fn rest(&self, failures: u32) -> (Duration, Duration) {
        let most = doubled(self.numbers.retry_first, failures.saturating_sub(1), self.numbers.retry_longest);
        (most / 2, most)
    }

    /// A node that has done wrong by itself must be benched in the same breath.
    pub(super) fn has_done_wrong(&mut self, moment: &Moment<'_>, id: &str) {
        let Some(node) = self.nodes.get(id).filter(|node| node.benched_until <= moment.at) else { return };
        let pause = doubled(self.numbers.bench_first, node.strikes, self.numbers.bench_longest);
        self.owed_bench = Some((id.to_owned(), pause, moment.place));
    }

    /// What has to be said at once was said.
    pub(super) fn benches_at_once(&mut self, event: &LogEvent) -> Result<(), Finding> {
        match &self.owed_bench {
            Some((id, _, place)) if event.message != "node benched" => {
                let sentence = format!("{id} has left an attempt unanswered, and was not benched for it.");
                Err(Finding::new("does not bench a node", sentence).witness([*place]))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn node_benched(&mut self, moment: &Moment<'_>, event: &LogEvent) -> Result<(), Finding> {
        let id = event.field("node_id").unwrap_or_default();
        let pause = millis(event, "pause_ms");
        let owed = self.owed_bench.take();
        let expected = match &owed {
            Some((owed, pause, _)) if owed == id => Some(*pause),
            Some(_) | None => None,
        };
        let Some(node) = self.nodes.get(id) else { return Ok(()) };
        let by_comparison = doubled(self.numbers.bench_first, node.strikes, self.numbers.bench_longest);
        let failed_what_another_did = self.attempts.values().any(|attempt| {
            let others = self.jobs.get(&attempt.key).into_iter().flat_map(|job| &job.attempts);
            attempt.node == id && attempt.failed && others.into_iter().any(|other| self.good.contains_key(other))
        });
        if expected.is_none() && !failed_what_another_did {
            let sentence = format!("{id} was benched, and has done nothing wrong.");
            return Err(broken("benches a node without a reason", moment, sentence));
        }
        if pause != expected.unwrap_or(by_comparison) {
            let sentence = format!("{id} was benched for {pause:?}, after {} times before.", node.strikes);
            return Err(broken("benches a node for another time", moment, sentence));
        }
        if let Some(node) = self.nodes.get_mut(id) {
            node.strikes += 1;
            node.benched_until = moment.at + pause;
        }
        Ok(())
    }

    pub(super) fn node_trusted(&mut self, moment: &Moment<'_>, event: &LogEvent) -> Result<(), Finding> {
        let id = event.field("node_id").unwrap_or_default();
        let has_done_something =
            self.attempts.iter().any(|(attempt, of)| of.node == id && self.good.contains_key(attempt));
        match self.nodes.get_mut(id).filter(|node| node.strikes > 0 && has_done_something) {
            Some(node) => {
                (node.strikes, node.benched_until) = (0, Duration::ZERO);
                Ok(())
            }
            None => {
                let sentence = format!("{id} is trusted again, and has done nothing for it.");
                Err(broken("trusts a node without a reason", moment, sentence))
            }
        }
    }

    /// A node that asks for a pause has it: not less, and a quarter more at most.
    pub(super) fn node_paused(&mut self, moment: &Moment<'_>, event: &LogEvent) -> Result<(), Finding> {
        let id = event.field("node_id").unwrap_or_default();
        let pause = millis(event, "pause_ms");
        let asked = self.asked.get(id).copied();
        let Some(node) = self.nodes.get_mut(id) else { return Ok(()) };
        node.paused_until = node.paused_until.max(moment.at + pause);
        let Some(asked) = asked else {
            return Err(broken("pauses a node without a reason", moment, format!("{id} has not asked for a pause.")));
        };
        let asked = asked.clamp(SHORTEST_PAUSE, self.numbers.pause_longest);
        if (asked..=asked + asked / 4 + TICK).contains(&pause) {
            return Ok(());
        }
        let sentence = format!("{id} asked to be left alone for {asked:?}, and is for {pause:?}.");
        Err(broken("pauses a node for another time", moment, sentence))
    }
}

fn millis(event: &LogEvent, name: &str) -> Duration {
    Duration::from_millis(event.field(name).and_then(|text| text.parse().ok()).unwrap_or_default())
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    2u32.checked_pow(times).and_then(|factor| first.checked_mul(factor)).map_or(longest, |long| long.min(longest))
}
