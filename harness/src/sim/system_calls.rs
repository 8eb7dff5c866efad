//! The engine, as libc's functions ask it: on the simulated kernel's behalf, and for names.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::SimError;
use super::engine::Engine;
use super::kernel::{Call, Descriptor, Errno};
use super::overrides::{self, Errand, Resolved};
use super::panics;
use crate::fabric::{LifeId, LookedUp};
use crate::trace::RunEnd;

impl Engine {
    /// Works on the kernel and the network behind it, then wakes whom that woke.
    #[inline]
    pub(crate) fn on_kernel<T>(&self, work: impl FnOnce(&mut Call<'_>) -> T) -> T {
        let (result, stray) = self.with_network(|network| {
            let mut kernel = self.kernel.borrow_mut();
            let result = work(&mut Call { kernel: &mut kernel, network, speaker: self.speaking() });
            (result, kernel.take_stray())
        });
        if let Some((call, remedy)) = stray {
            self.shared.stray(call, remedy);
        }
        result
    }

    /// Tells the runtime of what is ready. Without sockets it asks for nothing of the network, which is then asked when the wait is
    /// over.
    pub(super) fn ready(&self, most: usize, is_woken: bool, tell: impl FnMut(u32, u64)) -> usize {
        let kernel = self.kernel.borrow();
        if !kernel.has_sockets() {
            return kernel.ready_waker(is_woken, tell);
        }
        drop(kernel);
        self.on_kernel(|call| call.ready(most, is_woken, tell))
    }

    /// Closes a descriptor. What the network drops while it is at work is closed a little later.
    pub(super) fn close(&self, descriptor: Descriptor) -> Result<(), Errno> {
        if self.network.try_borrow_mut().is_err() || self.kernel.try_borrow_mut().is_err() {
            self.shared.close_later(descriptor);
            return Ok(());
        }
        self.on_kernel(|call| call.close(descriptor))
    }

    /// What a name leads to, for the host that speaks.
    pub(super) fn resolve(&self, name: &str) -> Resolved {
        self.resolve_for(self.speaking(), name)
    }

    fn resolve_for(&self, asker: Option<LifeId>, name: &str) -> Resolved {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.eq_ignore_ascii_case("localhost") {
            return at_once(Ipv4Addr::LOCALHOST.into());
        }
        self.with_network(|network| {
            let struck = asker.and_then(|life| {
                let host = network.hosts.life(life).host;
                network.fabric.look_up(host, name)
            });
            let machines = &network.fabric.machines;
            match struck {
                Some(LookedUp::Failed { after, kind, .. }) => {
                    return Resolved { after, answer: Some(Err(kind)), hosts: String::new() };
                }
                Some(LookedUp::Host(other)) => return at_once(machines.get(other).address),
                None => {}
            }
            let host = machines.by_name(name).or_else(|| machines.by_name(&name.to_ascii_lowercase()));
            if let Some(host) = host {
                return at_once(machines.get(host).address);
            }
            let hosts: Vec<_> = machines.names().map(|name| name.as_str()).collect();
            Resolved { after: Duration::ZERO, answer: None, hosts: hosts.join(", ") }
        })
    }

    /// Does what other threads have left to be done.
    pub(super) fn run_errands(&self) {
        for errand in self.shared.take_errands() {
            match errand {
                Errand::Close(descriptor) => drop(self.on_kernel(|call| call.close(descriptor))),
                Errand::LookUp { asker, name, reply } => {
                    reply.give(self.shared, self.resolve_for(Some(asker), &name));
                }
            }
        }
    }

    /// The run is over: what is still open is kept by somebody who outlives it.
    pub(super) fn outlive(&self) {
        self.run_errands();
        overrides::outlive(self.kernel.borrow().open());
    }

    /// The harness has panicked where no panic may pass: the run ends.
    #[cold]
    pub(super) fn end_by_defect(&self, panic: &(dyn Any + Send)) {
        *self.defect.borrow_mut() = Some(SimError::Defect { message: panics::text(panic) });
        self.end(RunEnd::Finished);
    }
}

fn at_once(address: IpAddr) -> Resolved {
    Resolved { after: Duration::ZERO, answer: Some(Ok(address)), hosts: String::new() }
}
