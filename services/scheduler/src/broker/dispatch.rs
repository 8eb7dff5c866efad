//! Who works on what: the queue meets the nodes.

use std::cmp::Reverse;

use halfopen_link::message::ToNode;

use super::Broker;
use super::happening::Happening;
use super::ids::{ConnectionId, JobKey, NodeId};
use super::jobs::{Attempt, AttemptState, Job};
use super::timers::Timer;

impl Broker {
    /// Assigns waiting jobs, first come first served, while any node has room.
    pub(super) fn dispatch(&mut self) {
        while let Some(key) = self.queue.front() {
            let Some((node, connection)) = self.jobs.get(key).and_then(|job| self.node_for(job)) else { return };
            let Some(key) = self.queue.pop_front() else { return };
            self.assign(&key, node, connection);
        }
    }

    /// A node with room: one that has not tried this job before, then the one with the most room, then by id.
    fn node_for(&self, job: &Job) -> Option<(NodeId, ConnectionId)> {
        self.live_nodes
            .iter()
            .filter_map(|id| {
                let node = self.nodes.get(id)?;
                let room = node.capacity.saturating_sub(node.running.len());
                (room > 0).then_some((id, node.attached?, room))
            })
            .min_by_key(|(id, _, room)| (job.tried.contains(*id), Reverse(*room)))
            .map(|(id, connection, _)| (id.clone(), connection))
    }

    fn assign(&mut self, key: &JobKey, node: NodeId, connection: ConnectionId) {
        let id = self.mint.attempt(&self.epoch);
        let Some(job) = self.jobs.get_mut(key) else { return };
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
        if let Some(node) = self.nodes.get_mut(&node) {
            node.running.insert(id.clone());
        }
        let state = AttemptState::Assigned;
        self.attempts.insert(id.clone(), Attempt { key: key.clone(), node: node.clone(), state });
        self.timers.set(Timer::Attempt(id.clone()), Some(self.now + self.timings.job_ack_timeout));
        self.refresh_job(key);
        self.happened(Happening::JobAssigned { job: key.job.clone(), attempt: id, node, trace });
        self.tell_node(connection, message);
    }
}
