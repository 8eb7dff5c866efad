//! The lives of a run's hosts: how each begins, is asked to stop, and ends.

use std::time::Duration;

use super::SimError;
use super::engine::Engine;
use super::hosts::State;
use super::overrides::EntropyState;
use crate::fabric::{Deadline, HostId, HostOrder, LifeId, Power};
use crate::fault::FaultIndex;
use crate::plane::HostAct;
use crate::trace::{ProcessEvent, RecordKind, RunEnd};

impl Engine {
    /// Begins a host's next life and says which.
    pub(crate) fn begin_life(&self, host: HostId) -> LifeId {
        let name = self.network.borrow().hosts.host(host).name.clone();
        let nth = self
            .network
            .borrow()
            .hosts
            .host(host)
            .life
            .map_or(0, |life| self.network.borrow().hosts.life(life).incarnation.0 + 1);
        let seeds = self.seeds.child("host").child(name.as_str()).child(&nth.to_string());
        let state = EntropyState::of(&seeds);
        self.shared.begin_life(name.as_str(), seeds.clone());
        let interleaving = seeds.child("interleaving").draws();
        let life = self.with_network(|network| network.begin_life(host, state, interleaving));
        if let Some((ahead, fault)) = self.network.borrow().hosts.host(host).ahead {
            self.shared.set_wall(life.0, ahead, fault);
        }
        self.record(Some(life), RecordKind::Process(ProcessEvent::Started));
        life
    }

    /// A life's root task returned.
    pub(crate) fn exited(&self, life: LifeId, error: Option<String>) {
        if self.network.borrow().hosts.life(life).state.is_over() {
            // A destructor of a root that a fault ended has panicked.
            return;
        }
        self.record(Some(life), RecordKind::Process(ProcessEvent::Exited { error }));
        self.with_network(|network| {
            // The process is gone: its kernel closes what it still held.
            network.fabric.close_sockets_of(life, None);
            let entry = network.hosts.life_mut(life);
            entry.state = State::Exited;
            let host = entry.host;
            let pause = entry.restart_pause.take();
            match pause {
                Some(pause) => {
                    let at = network.fabric.now + pause;
                    network.fabric.schedule.push(at, Deadline::Start(host));
                }
                None => network.hosts.host_mut(host).finished = true,
            }
        });
        self.news.notify_one();
    }

    pub(super) fn obey(&self, HostOrder { host, act, fault }: HostOrder) {
        match act {
            HostAct::Crash => self.kill(host, fault, ProcessEvent::Crashed),
            HostAct::PowerLoss => self.kill(host, fault, ProcessEvent::PowerLost),
            HostAct::Restart { pause } => self.stop_and_restart(host, fault, pause),
            HostAct::JumpClock { by, back } => self.jump_clock(host, fault, by, back),
            HostAct::Start => {
                let down = self.network.borrow().hosts.running(host).is_none();
                if down {
                    self.starts.borrow_mut().push(host);
                    self.news.notify_one();
                }
            }
        }
    }

    /// The machine's wall clock is another from now on, for the process that runs and for those after it.
    fn jump_clock(&self, host: HostId, fault: FaultIndex, by: Duration, back: bool) {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        let mut network = self.network.borrow_mut();
        let running = network.hosts.running(host);
        let entry = network.hosts.host_mut(host);
        let before = entry.ahead.map_or(0, |(ahead, _)| ahead);
        let ahead = before.saturating_add(if back { -nanos } else { nanos });
        entry.ahead = Some((ahead, fault));
        if let Some(life) = running {
            self.shared.set_wall(life.0, ahead, fault);
        }
    }

    /// Sockets first, then the root: no destructor of the dying process can still send.
    fn kill(&self, host: HostId, fault: FaultIndex, how: ProcessEvent) {
        let Some(life) = self.network.borrow().hosts.running(host) else { return };
        self.record(Some(life), RecordKind::Process(how.clone()));
        let root = self.with_network(|network| {
            network.fabric.touch_host(host, fault);
            if how == ProcessEvent::PowerLost {
                network.fabric.machines.set_power(host, Power::Off);
                network.fabric.forget_sockets_of(host, life, fault);
            } else {
                network.fabric.close_sockets_of(life, Some(fault));
            }
            let entry = network.hosts.life_mut(life);
            entry.state = State::Dead;
            let root = entry.root.take();
            if !self.starts_again(fault) {
                network.hosts.host_mut(host).finished = true;
            }
            root
        });
        if let Some(root) = root {
            root.abort();
        }
        self.news.notify_one();
    }

    /// Whether the plan starts the host again after this fault.
    fn starts_again(&self, fault: FaultIndex) -> bool {
        self.faults.get(fault.0 as usize).is_some_and(|fault| fault.act.starts_again())
    }

    fn stop_and_restart(&self, host: HostId, fault: FaultIndex, pause: Duration) {
        let Some(life) = self.network.borrow().hosts.running(host) else { return };
        self.with_network(|network| {
            network.fabric.touch_host(host, fault);
            network.fabric.touch_connections_of(host, fault);
            network.hosts.life_mut(life).restart_pause = Some(pause);
        });
        self.ask_to_stop(life);
    }

    /// Cancels a life's shutdown token.
    pub(crate) fn ask_to_stop(&self, life: LifeId) {
        let token = {
            let mut network = self.network.borrow_mut();
            let entry = network.hosts.life_mut(life);
            if std::mem::replace(&mut entry.stopping, true) || entry.state != State::Alive {
                return;
            }
            entry.shutdown.clone()
        };
        self.record(Some(life), RecordKind::Process(ProcessEvent::StopRequested));
        token.cancel();
    }

    /// Called by the panic hook, from inside the panic: nothing may be borrowed that is not surely free.
    pub(crate) fn panicked(&self, message: String) {
        if let Ok(mut panics) = self.panics.try_borrow_mut() {
            panics.push((self.speaking.get(), false, message));
        }
    }

    /// A panic has gone through a life's whole root, and nothing in it has caught it: the latest one of that life.
    pub(crate) fn root_panicked(&self, life: LifeId) {
        let mut panics = self.panics.borrow_mut();
        match panics.iter_mut().rev().find(|(whose, ..)| *whose == Some(life)) {
            Some((_, root, _)) => *root = true,
            // One that was caught and thrown again later, or that another hook has heard.
            None => panics.push((Some(life), true, "a panic that was resumed".to_owned())),
        }
    }

    pub(crate) fn note_panics(&self) {
        let panics = std::mem::take(&mut *self.panics.borrow_mut());
        for (life, root, message) in panics {
            let Some(life) = life else {
                // A task of no host: the network's own. tokio keeps such a panic to itself, and nothing would move any
                // more.
                *self.defect.borrow_mut() = Some(SimError::Defect { message });
                self.end(RunEnd::Finished);
                continue;
            };
            self.record(Some(life), RecordKind::Process(ProcessEvent::Panicked { message, root }));
            if root {
                self.exited(life, Some("panicked".to_owned()));
            }
        }
    }
}
