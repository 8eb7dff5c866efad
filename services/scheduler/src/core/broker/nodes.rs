//! Nodes: an identity outlives its connection for a while, so that a node that comes back is the same node.
//!
//! Invariant: a node is in `live_nodes` exactly while it has a connection.

use std::collections::BTreeSet;
use std::time::Instant;

use halfopen_link::close::code;
use halfopen_link::message::{FromNode, ToNode, WorkFailure};
use halfopen_link::{By, ConnectionEnd};
use halfopen_machine::{Bug, OrBug, ensure};

use super::event::{Event, SpentReason};
use super::ids::{AttemptId, ConnectionId, Generation, JobKey, NodeId, Token};
use super::timers::Timer;
use super::trust::Trust;
use super::{Broker, CloseFrame, Leg, Output, Owner};

/// A worker.
#[derive(Debug)]
pub(super) struct Node {
    token: Token,
    generation: Generation,
    pub(super) attached: Option<ConnectionId>,
    pub(super) capacity: usize,
    /// Current attempts: the slots in use.
    pub(super) running: BTreeSet<AttemptId>,
    pub(super) trust: Trust,
    /// When the last connection ended; meaningful while there is none.
    pub(super) absent_since: Instant,
}

impl Broker {
    pub(super) fn node_says(&mut self, connection: ConnectionId, message: FromNode) -> Result<(), Bug> {
        match self.connections.get(&connection) {
            Some(Owner::Unauthenticated(Leg::Node, _)) => match message {
                FromNode::NodeRegister { node_id, token, capacity } => {
                    self.register(connection, node_id.zip(token), capacity)
                }
                FromNode::NodeHeartbeat
                | FromNode::JobAck { .. }
                | FromNode::JobProgress { .. }
                | FromNode::JobResult { .. } => {
                    self.close(connection, code::PROTOCOL, By::Us, "expected node_register")
                }
            },
            Some(Owner::Node(node, _)) => {
                let node = node.clone();
                self.heard(&node)?;
                match message {
                    FromNode::NodeRegister { .. } => {
                        let message = "the node is registered already".to_owned();
                        self.tell_node(connection, ToNode::Error { code: "already_registered".to_owned(), message });
                        Ok(())
                    }
                    FromNode::NodeHeartbeat => Ok(()),
                    FromNode::JobAck { job_id, attempt_id } | FromNode::JobProgress { job_id, attempt_id } => {
                        self.at_work(&node, &job_id, &attempt_id);
                        Ok(())
                    }
                    FromNode::JobResult { job_id, attempt_id, ok, text, retry, retry_after_ms } => {
                        let result = if ok { Ok(text) } else { Err(WorkFailure::read(text, retry, retry_after_ms)) };
                        self.result(connection, &node, job_id, attempt_id, result)
                    }
                }
            }
            Some(Owner::Unauthenticated(Leg::Session, _) | Owner::Session(..)) => {
                Err(Bug::new("a connection speaks the protocol of its leg"))
            }
            // Legal: the connection was closed from this side, and this was on its way.
            None => Ok(()),
        }
    }

    /// A hello. A node that is not recognised gets a new identity; one that claims the identity of a node that is present, with
    /// the wrong token, is closed.
    fn register(
        &mut self,
        connection: ConnectionId,
        identity: Option<(String, String)>,
        capacity: u32,
    ) -> Result<(), Bug> {
        if !(1..=self.limits.node_capacity).contains(&capacity) {
            return self.close(connection, code::INVALID, By::Us, "capacity is out of range");
        }
        let known = identity.and_then(|(id, token)| {
            let id = NodeId::from(id);
            let node = self.nodes.get(&id)?;
            Some((id, node.token.as_str() == token, node.attached))
        });
        let id = match known {
            Some((id, true, old)) => {
                if let Some(old) = old {
                    self.replace_node_connection(&id, old)?;
                }
                id
            }
            Some((_, false, Some(_))) => return self.close(connection, code::WRONG_TOKEN, By::Us, "wrong token"),
            Some((_, false, None)) | None => {
                if !self.make_room_for_node()? {
                    return self.close(connection, code::TRY_LATER, By::Us, "too many nodes");
                }
                self.create_node(connection)?
            }
        };
        let node = self.nodes.get_mut(&id).or_bug("a node that registers is known")?;
        node.generation.0 += 1;
        node.attached = Some(connection);
        node.capacity = capacity as usize;
        let (generation, token) = (node.generation, node.token.to_string());
        self.authenticate(connection, Owner::Node(id.clone(), generation));
        self.heard(&id)?;
        self.report(Event::NodeRegistered { node: id.clone(), generation });
        let (node_id, epoch) = (id.to_string(), self.epoch.to_string());
        self.tell_node(connection, ToNode::NodeRegisterAck { node_id, token, epoch });
        if self.live_nodes.is_empty() {
            self.liveness_changed = self.now;
        }
        self.live_nodes.insert(id);
        self.refresh_waiting()
    }

    fn create_node(&mut self, connection: ConnectionId) -> Result<NodeId, Bug> {
        let token = self.token_of(connection)?;
        let mut id = self.ids.node();
        while self.nodes.contains_key(&id) {
            id = self.ids.node();
        }
        let node = Node {
            token,
            generation: Generation(0),
            attached: None,
            capacity: 0,
            running: BTreeSet::new(),
            trust: Trust::default(),
            absent_since: self.now,
        };
        self.nodes.insert(id.clone(), node);
        Ok(id)
    }

    /// The node itself has come back before its old connection was found dead. Its attempts belong to the node, which
    /// is alive, and go on: one whose assignment was lost on the way is spent for want of an acknowledgement.
    fn replace_node_connection(&mut self, id: &NodeId, old: ConnectionId) -> Result<(), Bug> {
        let Some(Owner::Node(_, generation)) = self.connections.remove(&old) else {
            return Err(Bug::new("the connection of a node that is present is on record as the node's"));
        };
        let detail = "replaced by a newer connection";
        self.outputs.push_back(Output::Close(old, CloseFrame { code: code::REPLACED, reason: detail }));
        let end = ConnectionEnd { close_code: code::REPLACED, by: By::Us, detail: detail.to_owned() };
        self.report(Event::NodeLost { node: id.clone(), generation, end });
        Ok(())
    }

    pub(super) fn node_lost(&mut self, id: &NodeId, generation: Generation, end: ConnectionEnd) -> Result<(), Bug> {
        let node = self.nodes.get_mut(id).or_bug("a connection on record is of a node that is known")?;
        ensure(node.generation == generation, "a connection on record is the latest of its node")?;
        node.attached.take().or_bug("a node whose connection is on record is present")?;
        node.absent_since = self.now;
        let running = std::mem::take(&mut node.running);
        self.report(Event::NodeLost { node: id.clone(), generation, end });
        self.heard(id)?;
        self.live_nodes.remove(id);
        if self.live_nodes.is_empty() {
            self.liveness_changed = self.now;
        }
        for attempt in &running {
            self.spend(attempt, SpentReason::NodeLost)?;
        }
        self.refresh_waiting()
    }

    pub(super) fn node_timed_out(&mut self, id: &NodeId) -> Result<(), Bug> {
        let node = self.nodes.get(id).or_bug("a node's timer ends with the node")?;
        match node.attached {
            Some(connection) => self.close(connection, code::INTERNAL, By::Timeout, "no heartbeat"),
            None => self.forget_node(id),
        }
    }

    /// Restarts the node's timer: for its silence while it has a connection, else for the forgetting of its identity.
    fn heard(&mut self, id: &NodeId) -> Result<(), Bug> {
        let node = self.nodes.get_mut(id).or_bug("a node that is heard of is known")?;
        let patience = if node.attached.is_some() { self.timings.node_timeout } else { self.timings.forget_after };
        self.timers.set(Timer::Node(id.clone()), Some(self.now + patience));
        Ok(())
    }

    fn refresh_waiting(&mut self) -> Result<(), Bug> {
        let waiting: Vec<JobKey> = self.queue.iter().cloned().collect();
        for key in &waiting {
            self.refresh_job(key)?;
        }
        Ok(())
    }
}
