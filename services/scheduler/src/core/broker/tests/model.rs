//! The broker against its laws, under any order of events, the kill of its process included. The model has clients that do
//! what the protocol asks of them, nodes that remember every assignment they were ever given, and for each session the
//! list of outcomes that it is owed; the laws are checked after every step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::owed::{KEPT, Owed};
use super::*;

/// Something that may happen next.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        client: usize,
        job: u8,
    },
    Ack {
        client: usize,
    },
    Reset {
        client: usize,
    },
    Resume {
        client: usize,
        from_old: bool,
    },
    StaleTraffic {
        client: usize,
    },
    CloseSession {
        client: usize,
    },
    NodeUp {
        node: usize,
        capacity: u32,
    },
    NodeDown {
        node: usize,
    },
    TakeJob {
        node: usize,
        pick: usize,
    },
    Answer {
        node: usize,
        pick: usize,
        ok: bool,
    },
    Refuse {
        node: usize,
        pick: usize,
        retry: Retry,
    },
    Heartbeats,
    Pass {
        millis: u64,
    },
    /// The scheduler is killed and started again.
    Restart,
}

const CLIENTS: usize = 2;
const NODES: usize = 2;

/// More than the jobs there are, each way once a round.
const ROUNDS: usize = 60;

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    let node = || 0..NODES;
    prop_oneof![
        6 => (client(), 0..20_u8).prop_map(|(client, job)| Step::Submit { client, job }),
        4 => client().prop_map(|client| Step::Ack { client }),
        2 => client().prop_map(|client| Step::Reset { client }),
        3 => (client(), any::<bool>()).prop_map(|(client, from_old)| Step::Resume { client, from_old }),
        1 => client().prop_map(|client| Step::StaleTraffic { client }),
        1 => client().prop_map(|client| Step::CloseSession { client }),
        3 => (node(), 1..3_u32).prop_map(|(node, capacity)| Step::NodeUp { node, capacity }),
        2 => node().prop_map(|node| Step::NodeDown { node }),
        4 => (node(), 0..8_usize).prop_map(|(node, pick)| Step::TakeJob { node, pick }),
        8 => (node(), 0..8_usize, prop::bool::weighted(0.7))
            .prop_map(|(node, pick, ok)| Step::Answer { node, pick, ok }),
        3 => (node(), 0..8_usize, prop::sample::select(vec![Retry::Later, Retry::Elsewhere, Retry::Never]))
            .prop_map(|(node, pick, retry)| Step::Refuse { node, pick, retry }),
        2 => Just(Step::Heartbeats),
        1 => Just(Step::Restart),
        5 => prop_oneof![0..4000_u64, 4000..40_000_u64, 40_000..700_000_u64].prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_under_any_order_of_events(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in steps {
            model.apply(&step);
            model.observe();
            model.check();
        }
        model.settle();
    }
}

/// The core, those who talk to it, and what they have been told.
struct Model {
    fixture: Fixture,
    clients: Vec<ModelClient>,
    workers: Vec<Option<Worker>>,
    assigned: Vec<Vec<Assigned>>,
    /// Accepted jobs, by session, and how many outcomes the core has said that each has.
    outcomes: BTreeMap<(String, String), u32>,
    sent: BTreeMap<ConnectionId, u64>,
    /// What the core owes each session.
    owed: BTreeMap<String, Owed>,
}

/// A client: its session, whether it believes itself connected, and what it has seen.
struct ModelClient {
    client: Client,
    connected: bool,
    old: Option<ConnectionId>,
    last_seq: u64,
    acknowledged: u64,
    delivered: u64,
    /// Every job of this client, in order, whichever scheduler process took it; and those whose outcome it has seen.
    submitted: Vec<String>,
    settled: BTreeSet<String>,
    /// Those of them that this session has settled.
    settled_here: BTreeSet<String>,
}

impl Model {
    fn new() -> Self {
        let mut fixture =
            Fixture::with(Limits { queued_jobs: 4, window_outcomes: 3, results_kept: KEPT, ..Limits::default() });
        let clients = (0..CLIENTS).map(|_| ModelClient::new(fixture.client())).collect();
        Self {
            fixture,
            clients,
            workers: vec![None; NODES],
            assigned: vec![Vec::new(); NODES],
            outcomes: BTreeMap::new(),
            sent: BTreeMap::new(),
            owed: BTreeMap::new(),
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Submit { client, job } => {
                let (party, job) = (&mut self.clients[client], format!("job-{job}"));
                // A session that never knew the job would do it again: no client asks for that.
                if party.settled.contains(&job) && !party.settled_here.contains(&job) {
                    return;
                }
                if !party.submitted.contains(&job) {
                    party.submitted.push(job.clone());
                }
                self.fixture.submit(&party.client, &job);
            }
            Step::Ack { client } => {
                let party = &mut self.clients[client];
                if party.connected {
                    party.acknowledged = party.last_seq;
                    self.fixture.ack(&party.client, party.last_seq);
                }
            }
            Step::Reset { client } => {
                self.clients[client].connected = false;
                self.fixture.lose(self.clients[client].client.connection);
            }
            Step::Resume { client, from_old } => self.resume(client, from_old),
            Step::StaleTraffic { client } => self.stale_traffic(client),
            Step::CloseSession { client } => {
                let connection = self.clients[client].client.connection;
                self.fixture.handle(Input::FromSession(connection, FromSession::SessionClose));
            }
            Step::NodeUp { node, capacity } => {
                let identity = self.workers[node].clone();
                let identity = identity.as_ref().map(|worker| (worker.node.as_str(), worker.token.as_str()));
                self.workers[node] = self.fixture.register(identity, capacity);
            }
            Step::NodeDown { node } => {
                if let Some(worker) = &self.workers[node] {
                    self.fixture.lose(worker.connection);
                }
            }
            Step::TakeJob { node, pick } => {
                if let Some((worker, assigned)) = self.pick(node, pick) {
                    self.fixture.take_job(&worker, &assigned);
                }
            }
            Step::Answer { node, pick, ok } => {
                if let Some((worker, assigned)) = self.pick(node, pick) {
                    self.fixture.answer(&worker, &assigned, ok, "text");
                }
            }
            Step::Refuse { node, pick, retry } => {
                if let Some((worker, assigned)) = self.pick(node, pick) {
                    self.fixture.refuse(&worker, &assigned, retry, Some(pick as u64 * 700));
                }
            }
            Step::Heartbeats => {
                for worker in self.workers.iter().flatten() {
                    self.fixture.handle(Input::FromNode(worker.connection, FromNode::NodeHeartbeat));
                }
            }
            Step::Pass { millis } => self.pass(Duration::from_millis(millis)),
            Step::Restart => self.restart(),
        }
    }

    /// As the fixture does, but looks at what is said when it is said.
    fn pass(&mut self, duration: Duration) {
        self.observe();
        let until = self.fixture.now + duration;
        while let Some(deadline) = self.fixture.core.next_timeout().filter(|deadline| *deadline <= until) {
            self.fixture.now = deadline;
            self.fixture.time_out();
            self.observe();
        }
        self.fixture.now = until;
    }

    /// Clients and nodes are on their own until they come back: clients find no session and submit again, nodes keep their
    /// identity and the assignments of the killed process, and may still answer them.
    fn restart(&mut self) {
        self.observe();
        self.fixture.restart();
        self.outcomes.clear();
        self.owed.clear();
        for party in &mut self.clients {
            party.connected = false;
            party.old = None;
        }
        for client in 0..CLIENTS {
            self.resume(client, false);
            self.observe();
        }
    }

    fn resume(&mut self, client: usize, from_old: bool) {
        self.observe();
        let party = &mut self.clients[client];
        let last_seq = if from_old { party.acknowledged } else { party.last_seq };
        let next = self.fixture.resume(&party.client, last_seq);
        if next.resumed {
            assert_eq!(next.session, party.client.session);
            assert!(next.next_seq <= party.last_seq + 1, "no outcome may be skipped");
            party.old = Some(party.client.connection);
            party.client = next;
            party.connected = true;
        } else {
            assert_eq!(next.next_seq, 1);
            // A session that was taking its leave hears of its last deliveries before it is gone.
            self.observe();
            let before = std::mem::replace(&mut self.clients[client], ModelClient::new(next));
            let party = &mut self.clients[client];
            party.submitted = before.submitted;
            party.settled = before.settled;
            // In order, every job without an outcome, acknowledged or not.
            let again = party.submitted.iter().filter(|job| !party.settled.contains(*job)).cloned();
            for job in again.collect::<Vec<_>>() {
                self.fixture.submit(&self.clients[client].client, &job);
                self.observe();
            }
        }
    }

    /// An old connection's traffic must change nothing at all.
    fn stale_traffic(&mut self, client: usize) {
        let Some(old) = self.clients[client].old else { return };
        self.fixture.time_out();
        let before = format!("{:?}", *self.fixture.core);
        let stale = Client { connection: old, ..self.clients[client].client.clone() };
        let said = self.fixture.said.len();
        self.fixture.submit(&stale, "job-stale");
        self.fixture.ack(&stale, 1);
        self.fixture.lose(old);
        assert_eq!(format!("{:?}", *self.fixture.core), before);
        assert_eq!(self.fixture.said.len(), said);
    }

    fn pick(&self, node: usize, pick: usize) -> Option<(Worker, Assigned)> {
        let assigned = &self.assigned[node];
        let index = pick.checked_rem(assigned.len())?;
        Some((self.workers[node].clone()?, assigned[index].clone()))
    }

    /// Takes in what the core has said, as those who were told would, and checks it on the way.
    fn observe(&mut self) {
        for output in std::mem::take(&mut self.fixture.said) {
            match output {
                Output::ToSession(connection, ToSession::Result { seq, job_id, .. }) => {
                    self.outcome_sent(connection, seq, &job_id, None);
                }
                Output::ToSession(connection, ToSession::JobFailed { seq, job_id, code, .. }) => {
                    self.outcome_sent(connection, seq, &job_id, Some(code));
                }
                Output::ToNode(connection, ToNode::JobAssign { job_id, attempt_id, .. }) => {
                    let node = self
                        .workers
                        .iter()
                        .position(|worker| worker.as_ref().is_some_and(|worker| worker.connection == connection));
                    let assigned = Assigned { job: job_id, attempt: attempt_id };
                    let seen = self.assigned.iter().flatten().any(|other| other.attempt == assigned.attempt);
                    assert!(!seen, "an attempt id was used twice");
                    self.assigned[node.expect("assigned to a connected node")].push(assigned);
                }
                Output::Close(connection, ..) => {
                    for party in &mut self.clients {
                        if party.client.connection == connection {
                            party.connected = false;
                        }
                    }
                }
                Output::Event(event) => self.event(event),
                Output::ToSession(..) | Output::ToNode(..) | Output::Drained { .. } => {}
            }
        }
    }

    /// Outcomes come in order and without gaps, on every connection and over all of them; each is the one that is owed,
    /// and its effect at the client happens once.
    fn outcome_sent(&mut self, connection: ConnectionId, seq: u64, job: &str, failure: Option<FailureCode>) {
        if let Some(previous) = self.sent.insert(connection, seq) {
            assert!(seq > previous, "out of order on one connection");
        }
        let Some(party) = self.clients.iter_mut().find(|party| party.client.connection == connection) else { return };
        assert!(seq <= party.last_seq + 1, "a gap: {seq} after {}", party.last_seq);
        let owed = &self.owed[&party.client.session];
        assert_eq!(owed.outcome(seq), Some((job, failure)), "what is sent as {seq} is what is owed");
        if seq == party.last_seq + 1 {
            party.last_seq = seq;
            party.settled_here.insert(job.to_owned());
            assert!(party.settled.insert(job.to_owned()), "{job} has a second outcome at the client");
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::SubmitAccepted { session, job, .. } => {
                let twice = self.outcomes.insert((session.to_string(), job.to_string()), 0);
                assert_eq!(twice, None, "accepted twice");
            }
            Event::JobFinished { session, job, failure, .. } => {
                let owed = self.owed.entry(session.to_string()).or_default();
                owed.entries.push((job.to_string(), failure, self.fixture.now));
                owed.expire_by_number();
                let count = self.outcomes.get_mut(&(session.to_string(), job.to_string())).expect("accepted");
                *count += 1;
                assert_eq!(*count, 1, "exactly one outcome");
            }
            Event::Delivered { session, seq, .. } => {
                let party = self.clients.iter_mut().find(|party| party.client.session == session.as_str());
                let party = party.expect("only a client that still has the session acknowledges");
                assert_eq!(seq, party.delivered + 1, "delivered in order");
                assert!(seq <= party.last_seq, "delivered only what was seen");
                party.delivered = seq;
                self.owed.get_mut(session.as_str()).expect("owed").acknowledged = seq as usize;
            }
            Event::SessionConnected { session, .. } => {
                let owed = self.owed.entry(session.to_string()).or_default();
                owed.expire_by_age(self.fixture.now);
                owed.absent_since = None;
            }
            Event::SessionLost { session, .. } => {
                let owed = self.owed.get_mut(session.as_str()).expect("it was connected");
                owed.absent_since = Some(self.fixture.now);
                owed.expire_by_number();
            }
            Event::ResultExpired { session, seq, .. } => {
                let owed = self.owed.get_mut(session.as_str()).expect("owed");
                owed.expire_by_age(self.fixture.now);
                let (_, failure, _) = &owed.entries[seq as usize - 1];
                assert_eq!(*failure, Some(FailureCode::ResultExpired), "{seq} expired before its time");
            }
            Event::SubmitRepeated { .. }
            | Event::SessionForgotten { .. }
            | Event::JobAssigned { .. }
            | Event::AttemptSpent { .. }
            | Event::ResultRefused { .. }
            | Event::NodeRegistered { .. }
            | Event::NodeLost { .. }
            | Event::BoundMet { .. }
            | Event::NodeBenched { .. }
            | Event::NodeTrusted { .. }
            | Event::NodePaused { .. }
            | Event::NodeForgotten { .. } => {}
        }
    }

    /// Laws about the state itself.
    fn check(&self) {
        let core = &*self.fixture.core;
        let gauges = core.gauges();
        let open = self.outcomes.values().filter(|count| **count == 0).count();
        assert_eq!(gauges.open_jobs, open, "a job is open until it has its outcome");
        let of_all = |count: fn(&Session) -> usize| core.sessions.values().map(count).sum::<usize>();
        assert_eq!(gauges.undelivered_outcomes, of_all(|it| it.outbox.len()));
        assert_eq!(
            gauges.outcomes_of_absent_sessions,
            of_all(|it| it.attached.as_ref().map_or(it.outbox.len(), |_| 0))
        );
        assert_eq!(gauges.outbox_bytes, of_all(|it| it.outbox.bytes()));
        assert_eq!(gauges.queued_jobs, core.queue.len());
        assert_eq!(gauges.buffered_bytes, of_all(|it| it.job_bytes + it.outbox.bytes()));
        assert_eq!(of_all(|it| it.job_bytes), core.jobs.values().map(|job| job.bytes).sum::<usize>());
        assert_eq!(gauges.connected_sessions, of_all(|it| usize::from(it.attached.is_some())));
        let owned = |by: fn(&Owner) -> bool| core.connections.values().filter(|owner| by(owner)).count();
        assert_eq!(
            owned(|owner| matches!(owner, Owner::Session(..))),
            gauges.connected_sessions,
            "no registry entry without a connection, and none without an entry"
        );
        assert_eq!(owned(|owner| matches!(owner, Owner::Node(..))), gauges.connected_nodes);
        assert!(core.attempts.len() <= gauges.open_jobs * core.limits.attempts as usize, "attempts are bounded");
        for node in core.nodes.values() {
            assert!(node.attached.is_some() || node.running.is_empty(), "an absent node runs nothing");
        }
        let current: BTreeSet<&AttemptId> = core.jobs.values().filter_map(|job| job.current.as_ref()).collect();
        let running: BTreeSet<&AttemptId> = core.nodes.values().flat_map(|node| &node.running).collect();
        assert_eq!(running, current, "a slot is in use for a current attempt and for nothing else");
        for (key, job) in &core.jobs {
            assert_eq!(job.current.is_none(), core.queue.contains(key), "a job is either at work or in the queue");
        }
        assert!(core.next_timeout().is_none_or(|deadline| deadline > self.fixture.now), "no deadline is left behind");
    }

    /// With a node that works and clients that read, everything comes to its end.
    fn settle(&mut self) {
        for node in 0..NODES {
            self.apply(&Step::NodeDown { node });
        }
        for client in 0..CLIENTS {
            self.apply(&Step::Resume { client, from_old: false });
        }
        self.observe();
        let worker = self.fixture.register(None, 10).expect("a node");
        self.workers[0] = Some(worker.clone());
        self.observe();
        for _ in 0..ROUNDS {
            for assigned in std::mem::take(&mut self.assigned[0]) {
                self.fixture.answer(&worker, &assigned, true, "text");
            }
            self.observe();
            for client in 0..CLIENTS {
                self.apply(&Step::Ack { client });
            }
            self.observe();
            self.check();
            // What rests is tried again.
            self.apply(&Step::Heartbeats);
            self.apply(&Step::Pass { millis: 1000 });
        }
        let gauges = self.fixture.core.gauges();
        assert_eq!((gauges.open_jobs, gauges.undelivered_outcomes), (0, 0), "{:?}", self.fixture.core.jobs);
        assert_eq!((gauges.queued_jobs, gauges.buffered_bytes, gauges.busy_slots, gauges.open_attempts), (0, 0, 0, 0));
    }
}

impl ModelClient {
    fn new(client: Client) -> Self {
        Self {
            client,
            connected: true,
            old: None,
            last_seq: 0,
            acknowledged: 0,
            delivered: 0,
            submitted: Vec::new(),
            settled: BTreeSet::new(),
            settled_here: BTreeSet::new(),
        }
    }
}
