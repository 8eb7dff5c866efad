//! Ports that hosts tried in vain, because no process ever listened there: what a wrong address looks like.

use std::collections::BTreeMap;

use super::Fabric;
use crate::trace::Unreached;

impl Fabric {
    /// The ports that were tried and never listened on, by who tried.
    pub(crate) fn unreached(&self) -> Vec<Unreached> {
        let mut tried = BTreeMap::new();
        for connection in &self.connections {
            let (client, server) = (&connection.client, &connection.server);
            let port = server.tcp.address().port();
            let (times, reached) = tried.entry((client.host, server.host, port)).or_insert((0, false));
            *times += 1;
            // A port that was listened on later, or no longer, is no mistake.
            *reached |= server.life.is_some()
                || self.listeners.iter().any(|listener| {
                    let address = listener.address;
                    let is_there = listener.host == server.host && address.port() == port;
                    is_there && (client.host == server.host || !address.ip().is_loopback())
                });
        }
        let told = tried.into_iter().filter(|(_, (_, reached))| !reached).map(|((host, server, port), (times, _))| {
            let of_server = || self.listeners.iter().filter(move |listener| listener.host == server);
            let for_others = of_server().filter(|listener| !listener.address.ip().is_loopback());
            let mut listens: Vec<_> = for_others.map(|listener| listener.address.port()).collect();
            listens.sort_unstable();
            listens.dedup();
            Unreached {
                host: self.machines.get(host).name.clone(),
                server: self.machines.get(server).name.clone(),
                port,
                times,
                listens,
                is_loopback: of_server().any(|listener| listener.address.port() == port),
            }
        });
        told.collect()
    }
}
