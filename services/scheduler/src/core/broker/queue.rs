//! Open jobs that wait for a node: within a session in the order in which they were submitted, also when they come back after an
//! attempt, and fairly between sessions.
//!
//! Start-time fair queueing: each session has a tag, which every job of it that is assigned moves on by what the job costs; the
//! session with the lowest tag is next. A session that begins to wait begins at the tag of who was served last, so neither
//! the length of a queue nor the size of its jobs delays anyone else's.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{JobKey, SessionId};

/// What a job costs beside its bytes: a thousand jobs without a text are a thousand jobs.
const JOB_COST: u64 = 1024;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    sessions: BTreeMap<SessionId, Waiting>,
    /// The sessions in the order of their turns.
    turns: BTreeSet<Turn>,
    jobs: usize,
    /// The tag of who was served last.
    served: u64,
    /// How many sessions have begun to wait: among equals the first is first.
    arrivals: u64,
}

/// A session's place: its tag, then who waits longer.
type Turn = (u64, u64, SessionId);

#[derive(Debug)]
struct Waiting {
    tag: u64,
    arrival: u64,
    /// By the number that each has had since it was submitted.
    jobs: BTreeMap<u64, JobKey>,
}

impl Queue {
    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.jobs
    }

    /// Puts a job into its place.
    pub(super) fn insert(&mut self, number: u64, key: JobKey) {
        let Self { sessions, turns, served, arrivals, .. } = self;
        let waiting = sessions.entry(key.session.clone()).or_insert_with(|| {
            *arrivals += 1;
            turns.insert((*served, *arrivals, key.session.clone()));
            Waiting { tag: *served, arrival: *arrivals, jobs: BTreeMap::new() }
        });
        waiting.jobs.insert(number, key);
        self.jobs += 1;
    }

    /// Takes a job out, which costs its session nothing.
    pub(super) fn remove(&mut self, number: u64, key: &JobKey) {
        // Legal: its job is assigned, and has left the queue.
        let Some(waiting) = self.sessions.get_mut(&key.session) else { return };
        if waiting.jobs.remove(&number).is_none() {
            return;
        }
        self.jobs -= 1;
        if waiting.jobs.is_empty() {
            self.turns.remove(&(waiting.tag, waiting.arrival, key.session.clone()));
            self.sessions.remove(&key.session);
        }
    }

    /// Takes a job out that is assigned, and moves its session's turn on by what it costs.
    pub(super) fn serve(&mut self, number: u64, key: &JobKey, bytes: usize) {
        if let Some(waiting) = self.sessions.get_mut(&key.session) {
            self.turns.remove(&(waiting.tag, waiting.arrival, key.session.clone()));
            self.served = self.served.max(waiting.tag);
            waiting.tag += bytes as u64 + JOB_COST;
            self.turns.insert((waiting.tag, waiting.arrival, key.session.clone()));
        }
        self.remove(number, key);
    }

    pub(super) fn clear(&mut self) {
        *self = Self { served: self.served, arrivals: self.arrivals, ..Self::default() };
    }

    /// All jobs: sessions in the order of their turns, and the jobs of each in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &JobKey> {
        self.turns
            .iter()
            .filter_map(|(_, _, session)| self.sessions.get(session))
            .flat_map(|waiting| waiting.jobs.values())
    }

    #[cfg(test)]
    pub(super) fn contains(&self, key: &JobKey) -> bool {
        self.iter().any(|waiting| waiting == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: &str, job: u64) -> JobKey {
        JobKey { job: format!("{job}").into(), session: session.into() }
    }

    fn number(key: &JobKey) -> u64 {
        key.job.as_str().parse().expect("a number")
    }

    fn push(queue: &mut Queue, session: &str, jobs: std::ops::Range<u64>) {
        jobs.for_each(|job| queue.insert(job, key(session, job)));
    }

    /// Serves until nothing waits; the sessions as they were served.
    fn served(queue: &mut Queue, bytes: impl Fn(&JobKey) -> usize) -> String {
        let mut order = String::new();
        loop {
            let Some(next) = queue.iter().next().cloned() else { break };
            queue.serve(number(&next), &next, bytes(&next));
            order.push_str(next.session.as_str());
        }
        assert_eq!((queue.len(), queue.sessions.len(), queue.turns.len()), (0, 0, 0));
        order
    }

    #[test]
    fn the_jobs_of_one_session_keep_their_order_and_those_of_two_alternate() {
        let mut queue = Queue::default();
        push(&mut queue, "a", 0..4);
        push(&mut queue, "b", 0..2);
        let order: Vec<_> = queue.iter().filter(|key| key.session.as_str() == "a").cloned().collect();
        assert_eq!(order, [0, 1, 2, 3].map(|job| key("a", job)));
        assert_eq!(served(&mut queue, |_| 10), "ababaa");
    }

    #[test]
    fn who_comes_to_a_long_queue_is_next() {
        let mut queue = Queue::default();
        push(&mut queue, "greedy", 0..1000);
        for job in 0..100 {
            queue.serve(job, &key("greedy", job), 10);
        }
        push(&mut queue, "modest", 0..1);
        queue.serve(100, &key("greedy", 100), 10);
        assert_eq!(queue.iter().next(), Some(&key("modest", 0)));
    }

    #[test]
    fn who_asks_for_much_has_its_turn_less_often() {
        let mut queue = Queue::default();
        push(&mut queue, "L", 0..2);
        push(&mut queue, "s", 0..6);
        assert_eq!(served(&mut queue, |key| if key.session.as_str() == "L" { 3 * 1024 } else { 0 }), "LssssLss");
    }

    #[test]
    fn jobs_that_come_back_have_their_places_and_one_that_is_removed_costs_nothing() {
        let mut queue = Queue::default();
        push(&mut queue, "a", 2..4);
        push(&mut queue, "a", 0..2);
        push(&mut queue, "b", 0..1);
        assert_eq!(queue.iter().next(), Some(&key("a", 0)));
        for job in [0, 1, 3, 7] {
            queue.remove(job, &key("a", job));
        }
        assert!(queue.contains(&key("a", 2)) && !queue.contains(&key("a", 0)));
        assert_eq!(served(&mut queue, |_| 10), "ab");
    }
}
