//! Who works on what: the queue meets the nodes.

use std::cmp::Reverse;

use halfopen_link::message::ToNode;
use halfopen_machine::{Bug, OrBug};

use super::Broker;
use super::event::Event;
use super::ids::{ConnectionId, JobKey, NodeId};
use super::jobs::{Attempt, AttemptState, Job};
use super::timers::Timer;

impl Broker {
    /// Assigns waiting jobs, first come first served, while any node has room.
    pub(super) fn dispatch(&mut self) -> Result<(), Bug> {
        while let Some(key) = self.queue.front().cloned() {
            let job = self.jobs.get(&key).or_bug("a job in the queue is open")?;
            let Some((node, connection)) = self.node_for(job)? else { break };
            self.queue.pop_front();
            self.assign(&key, node, connection)?;
        }
        Ok(())
    }

    /// A node with room: one that has not tried this job before, then the one with the most room, then by id.
    fn node_for(&self, job: &Job) -> Result<Option<(NodeId, ConnectionId)>, Bug> {
        let mut best = None;
        let mut best_rank = None;
        for id in &self.live_nodes {
            let node = self.nodes.get(id).or_bug("a live node is known")?;
            let connection = node.attached.or_bug("a live node has a connection")?;
            // A node that comes back may bring a smaller capacity than it has work.
            let room = node.capacity.saturating_sub(node.running.len());
            let rank = (job.tried.contains(id), Reverse(room));
            if room > 0 && best_rank.is_none_or(|best| rank < best) {
                (best, best_rank) = (Some((id.clone(), connection)), Some(rank));
            }
        }
        Ok(best)
    }

    fn assign(&mut self, key: &JobKey, node: NodeId, connection: ConnectionId) -> Result<(), Bug> {
        let id = self.ids.attempt(&self.epoch);
        let job = self.jobs.get_mut(key).or_bug("a job that is assigned is open")?;
        job.current = Some(id.clone());
        job.attempts.push(id.clone());
        job.tried.insert(node.clone());
        let message = ToNode::JobAssign {
            job_id: key.job.to_string(),
            attempt_id: id.to_string(),
            text: job.submit.text.clone(),
            src_lang: job.submit.src_lang.clone(),
            tgt_lang: job.submit.tgt_lang.clone(),
            trace_id: job.submit.trace_id.clone(),
        };
        let trace = job.submit.trace_id.clone();
        let worker = self.nodes.get_mut(&node).or_bug("a job is assigned to a node that is known")?;
        worker.running.insert(id.clone());
        let state = AttemptState::Assigned;
        self.attempts.insert(id.clone(), Attempt { key: key.clone(), node: node.clone(), state });
        self.timers.set(Timer::Attempt(id.clone()), Some(self.now + self.timings.job_ack_timeout));
        self.refresh_job(key)?;
        self.report(Event::JobAssigned {
            session: key.session.clone(),
            job: key.job.clone(),
            attempt: id,
            node,
            trace,
        });
        self.tell_node(connection, message);
        Ok(())
    }
}
