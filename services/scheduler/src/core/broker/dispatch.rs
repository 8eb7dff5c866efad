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
    /// Assigns waiting jobs while any node has room for one of them.
    pub(super) fn dispatch(&mut self) -> Result<(), Bug> {
        while let Some((key, node, connection)) = self.next_assignment()? {
            let job = self.jobs.get(&key).or_bug("a job in the queue is open")?;
            self.queue.serve(job.number, &key, job.bytes);
            self.assign(&key, node, connection)?;
        }
        Ok(())
    }

    /// The first job, in the order of the queue, that a node may have.
    fn next_assignment(&self) -> Result<Option<(JobKey, NodeId, ConnectionId)>, Bug> {
        if self.queue.len() == 0 || !self.any_room() {
            return Ok(None);
        }
        for key in self.queue.iter() {
            let job = self.jobs.get(key).or_bug("a job in the queue is open")?;
            if job.rests_until.is_some_and(|until| until > self.now) {
                continue;
            }
            if let Some((node, connection)) = self.node_for(job)? {
                return Ok(Some((key.clone(), node, connection)));
            }
        }
        Ok(None)
    }

    fn any_room(&self) -> bool {
        self.live_nodes.iter().filter_map(|id| self.nodes.get(id)).any(|node| node.room(self.now) > 0)
    }

    /// A node with room: one that has not tried this job before, then one that is not doubted, then the one with the most room,
    /// then by id. One that has tried it is not asked again while another is merely full.
    fn node_for(&self, job: &Job) -> Result<Option<(NodeId, ConnectionId)>, Bug> {
        let mut best = None;
        let mut best_rank = None;
        let mut another_is_full = false;
        for id in self.live_nodes.iter().filter(|id| !job.barred.contains(id)) {
            let node = self.nodes.get(id).or_bug("a live node is known")?;
            let connection = node.attached.or_bug("a live node has a connection")?;
            let (room, has_tried) = (node.room(self.now), job.tried.contains(id));
            another_is_full |= !has_tried && node.is_merely_full(self.now);
            let rank = (has_tried, node.trust.is_doubted(), Reverse(room));
            if room > 0 && best_rank.is_none_or(|best| rank < best) {
                (best, best_rank) = (Some((id.clone(), connection)), Some(rank));
            }
        }
        Ok(best.filter(|_| !(another_is_full && best_rank.is_some_and(|(has_tried, ..)| has_tried))))
    }

    /// Whether some node that is there could be given this job, now or later.
    pub(super) fn has_a_node(&self, job: &Job) -> bool {
        self.live_nodes.iter().any(|id| !job.barred.contains(id))
    }

    fn assign(&mut self, key: &JobKey, node: NodeId, connection: ConnectionId) -> Result<(), Bug> {
        let id = self.ids.attempt(&self.epoch);
        let job = self.jobs.get_mut(key).or_bug("a job that is assigned is open")?;
        job.current = Some(id.clone());
        job.rests_until = None;
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
