//! The connections that faults may strike, by the keys that the actuator gave them.

use super::ConnectionKey;
use super::connection::TrackedConnection;

/// Found by place: every piece of every connection comes through here.
#[derive(Debug, Default)]
pub(super) struct Connections(Vec<Option<Box<TrackedConnection>>>);

impl Connections {
    pub(super) fn insert(&mut self, key: ConnectionKey, connection: TrackedConnection) {
        let place = key.0 as usize;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        self.0[place] = Some(Box::new(connection));
    }

    pub(super) fn remove(&mut self, key: ConnectionKey) {
        if let Some(place) = self.0.get_mut(key.0 as usize) {
            *place = None;
        }
    }

    pub(super) fn get(&self, key: ConnectionKey) -> Option<&TrackedConnection> {
        self.0.get(key.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut TrackedConnection> {
        self.0.get_mut(key.0 as usize)?.as_deref_mut()
    }

    /// In the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &TrackedConnection> {
        self.0.iter().flatten().map(|connection| &**connection)
    }
}
