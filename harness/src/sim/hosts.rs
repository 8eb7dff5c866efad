//! Hosts and their incarnations: names, processes, who is alive.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::overrides::EntropyState;
use crate::fabric::{HostId, LifeId};
use crate::fault::FaultIndex;
use crate::name::{HostName, Incarnation};
use crate::seed::Draws;

pub(crate) struct Host {
    pub(crate) name: HostName,
    /// The latest life; `None` before the first start.
    pub(crate) life: Option<LifeId>,
    /// How far the machine's wall clock is ahead of the run's, nanoseconds, and what set it so.
    pub(crate) ahead: Option<(i64, FaultIndex)>,
    /// Whether this host's part is over (an actor whose script ended).
    pub(crate) finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its root task runs.
    Alive,
    /// Its root task returned.
    Exited,
    /// A fault ended it.
    Dead,
}

impl State {
    /// Whether the process is gone. Tasks that outlive it find every socket dead.
    pub(crate) fn is_over(self) -> bool {
        self != Self::Alive
    }
}

pub(crate) struct Life {
    pub(crate) host: HostId,
    pub(crate) incarnation: Incarnation,
    pub(crate) state: State,
    /// Live tasks, the root included.
    pub(crate) tasks: u32,
    /// Tasks spawned so far: the next one's ordinal.
    pub(crate) spawned: u64,
    pub(crate) root: Option<AbortHandle>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) entropy: EntropyState,
    /// Seeded yields, short reads and partial writes.
    pub(crate) interleaving: Draws,
    /// Whether the process was asked to stop.
    pub(crate) stopping: bool,
    /// When a planned restart starts the next life, once this one has stopped.
    pub(crate) restart_pause: Option<Duration>,
}

/// Every host and life of a run.
#[derive(Default)]
pub(crate) struct Hosts {
    hosts: Vec<Host>,
    lives: Vec<Life>,
}

impl Hosts {
    pub(crate) fn add(&mut self, name: HostName) {
        self.hosts.push(Host { name, life: None, ahead: None, finished: false });
    }

    /// Begins the host's next life.
    pub(crate) fn begin_life(&mut self, host: HostId, entropy: EntropyState, interleaving: Draws) -> LifeId {
        let incarnation = match self.hosts[host.0 as usize].life {
            None => Incarnation(0),
            Some(last) => Incarnation(self.life(last).incarnation.0 + 1),
        };
        let life = LifeId(self.lives.len() as u32);
        self.lives.push(Life {
            host,
            incarnation,
            state: State::Alive,
            tasks: 0,
            spawned: 0,
            root: None,
            shutdown: CancellationToken::new(),
            entropy,
            interleaving,
            stopping: false,
            restart_pause: None,
        });
        let entry = &mut self.hosts[host.0 as usize];
        entry.life = Some(life);
        entry.finished = false;
        life
    }

    pub(crate) fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0 as usize]
    }

    pub(crate) fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0 as usize]
    }

    pub(crate) fn life(&self, id: LifeId) -> &Life {
        &self.lives[id.0 as usize]
    }

    pub(crate) fn life_mut(&mut self, id: LifeId) -> &mut Life {
        &mut self.lives[id.0 as usize]
    }

    pub(crate) fn life_ids(&self) -> impl Iterator<Item = LifeId> + use<> {
        (0..self.lives.len() as u32).map(LifeId)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<HostId> {
        self.hosts.iter().position(|host| host.name.as_str() == name).map(|n| HostId(n as u32))
    }

    pub(crate) fn name_of_life(&self, life: LifeId) -> (&HostName, Incarnation) {
        let life = self.life(life);
        (&self.host(life.host).name, life.incarnation)
    }

    /// An incarnation of a host, if there has been such a one.
    pub(crate) fn life_of(&self, host: &HostName, incarnation: Incarnation) -> Option<LifeId> {
        self.life_ids().find(|life| self.name_of_life(*life) == (host, incarnation))
    }

    /// The host's current life if its process runs.
    pub(crate) fn running(&self, host: HostId) -> Option<LifeId> {
        let life = self.host(host).life?;
        (self.life(life).state == State::Alive).then_some(life)
    }

    /// Whether this very life of a host goes on.
    pub(crate) fn speaks(&self, host: &HostName, incarnation: Incarnation) -> bool {
        let running = self.by_name(host.as_str()).and_then(|host| self.running(host));
        running.is_some_and(|life| self.life(life).incarnation == incarnation)
    }
}
