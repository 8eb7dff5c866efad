//! The network as the simulation runs it: the core between hosts, and beside it the hosts' processes, the journal, and the tasks that wait.

use std::task::Waker;
use std::time::Duration;

use super::hosts::Hosts;
use super::journal::Journal;
use super::overrides::EntropyState;
use super::wakers::Waiting;
use crate::fabric::{Fabric, HostId, LifeId, Output, Power};
use crate::name::HostName;
use crate::seed::Draws;
use crate::trace::RecordKind;

/// The network of one run, with what is not the network's own.
pub(crate) struct Network {
    pub(crate) fabric: Fabric,
    pub(crate) hosts: Hosts,
    pub(crate) journal: Journal,
    pub(super) waiting: Waiting,
    /// To be woken when nothing is borrowed.
    pub(crate) to_wake: Vec<Waker>,
    /// Kept for its capacity.
    outputs: Vec<Output>,
    /// Whether calls are cut short and yields are thrown in by seed.
    pub(super) interleaved: bool,
}

impl Network {
    pub(crate) fn new(fabric: Fabric, interleaved: bool) -> Self {
        Self {
            fabric,
            hosts: Hosts::default(),
            journal: Journal::new(),
            waiting: Waiting::default(),
            to_wake: Vec::new(),
            outputs: Vec::new(),
            interleaved,
        }
    }

    /// A host of the scenario.
    pub(crate) fn add_host(&mut self, name: HostName) -> HostId {
        self.hosts.add(name.clone());
        self.fabric.machines.add(name)
    }

    /// A host's next life begins, on a machine that runs.
    pub(crate) fn begin_life(&mut self, host: HostId, entropy: EntropyState, interleaving: Draws) -> LifeId {
        self.fabric.machines.set_power(host, Power::On);
        self.hosts.begin_life(host, entropy, interleaving)
    }

    /// Records something, behind what the network has told.
    pub(crate) fn record(&mut self, at: Duration, whose: Option<LifeId>, what: RecordKind) {
        self.carry_out();
        self.journal.push(at, whose.map(|life| self.hosts.name_of_life(life)), what);
    }

    /// Carries out what the network has told since the last time.
    #[inline]
    pub(crate) fn carry_out(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.fabric.swap_outputs(&mut outputs);
        let now = self.fabric.now;
        for output in outputs.drain(..) {
            match output {
                Output::Packet { connection, direction, digest } => {
                    self.journal.absorb_packet(now, connection.0, direction, digest);
                }
                Output::Arrived(nth) => self.journal.arrived(nth, now),
                Output::Wake(socket, ready) => self.waiting.take(socket, ready, &mut self.to_wake),
                Output::WakeAcceptors(number) => self.waiting.take_acceptors(number, &mut self.to_wake),
                Output::Record { whose, what } => {
                    self.journal.push(now, whose.map(|life| self.hosts.name_of_life(life)), *what);
                }
            }
        }
        self.outputs = outputs;
    }
}
