//! Which fault had which first effect, and which first outcome an endpoint saw of it.

use std::collections::BTreeSet;

use super::machines::HostId;
use super::schedule::ConnectionIndex;
use crate::fault::FaultIndex;

/// What is known of the faults that have fired.
#[derive(Debug, Default)]
pub(crate) struct Attribution {
    /// Faults that have changed a packet, a call or a connection.
    took_effect: BTreeSet<FaultIndex>,
    /// Faults whose outcome an endpoint has seen.
    observed: BTreeSet<FaultIndex>,
    /// By connection: faults that touched it and whose outcome its ends have not seen yet.
    touched: Vec<Vec<FaultIndex>>,
    /// Faults of hosts, whose first outcome may be seen on a connection made later.
    hosts: Vec<(HostId, FaultIndex)>,
}

impl Attribution {
    /// A fault has taken effect. Whether it is its first.
    pub(super) fn take_effect(&mut self, fault: FaultIndex) -> bool {
        self.took_effect.insert(fault)
    }

    /// A connection is no longer what it would have been: the next that one of its ends sees is the fault's outcome.
    pub(super) fn touch(&mut self, connection: ConnectionIndex, fault: FaultIndex) {
        let n = connection.0 as usize;
        if self.touched.len() <= n {
            self.touched.resize_with(n + 1, Vec::new);
        }
        if !self.touched[n].contains(&fault) {
            self.touched[n].push(fault);
        }
    }

    /// An end of a connection sees something. The faults that touched the connection since the last time.
    pub(super) fn take_touched(&mut self, connection: ConnectionIndex) -> Vec<FaultIndex> {
        self.touched.get_mut(connection.0 as usize).map(std::mem::take).unwrap_or_default()
    }

    /// An endpoint sees an outcome of a fault. Whether it is the first.
    pub(super) fn observe(&mut self, fault: FaultIndex) -> bool {
        self.observed.insert(fault)
    }

    /// A host is not what it would have been.
    pub(super) fn touch_host(&mut self, host: HostId, fault: FaultIndex) {
        self.hosts.push((host, fault));
    }

    /// The faults that touched a host.
    pub(super) fn of_host(&self, host: HostId) -> Vec<FaultIndex> {
        self.hosts.iter().filter(|(touched, _)| *touched == host).map(|(_, fault)| *fault).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faults_first_effect_and_first_outcome_are_each_told_once() {
        let (fault, connection) = (FaultIndex(3), ConnectionIndex(1));
        let mut attribution = Attribution::default();
        assert_eq!([attribution.take_effect(fault), attribution.take_effect(fault)], [true, false]);
        attribution.touch(connection, fault);
        attribution.touch(connection, fault);
        assert_eq!(attribution.take_touched(ConnectionIndex(0)), []);
        assert_eq!(attribution.take_touched(connection), [fault]);
        assert_eq!(attribution.take_touched(connection), []);
        assert_eq!([attribution.observe(fault), attribution.observe(fault)], [true, false]);
    }
}
