//! Facts from what happens to connections.

use serde::{Deserialize, Serialize};

use crate::fact::{Fact, FactKind};
use crate::name::{ConnectionId, HostName, Link, Side};
use crate::trace::ConnectionEvent;

use super::silence::Miss;

/// Which happenings of connections tell a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionOrigin {
    /// The event of a connection that tells the fact.
    pub event: ConnectionMoment,
    /// On which link; any, without.
    pub link: Option<Link>,
    /// At which end; either, without. What becomes of an attempt happens at the client's.
    pub at: Option<Side>,
    /// The key of every fact; the link (`alice->chat`), without.
    pub named: Option<String>,
    /// Whether the key is the connection's own name (`alice->chat#2`), or the given key with the connection's number.
    pub numbered: bool,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionMoment {
    /// It is attempted. Told as `retried` it is every attempt of the link but the first.
    Attempted,
    /// It is established.
    Established,
    /// The attempt is answered by RST.
    Refused,
    /// The attempt finds no answer in time.
    TimedOut,
    /// The other end's FIN has come.
    Finished,
    /// An RST has come.
    Reset,
    /// The end's kernel gives it up.
    GivenUp,
    /// The end closes its socket.
    Closed,
}

impl ConnectionMoment {
    /// Every happening, in the order of a connection's life.
    pub const ALL: [Self; 8] = [
        Self::Attempted,
        Self::Established,
        Self::Refused,
        Self::TimedOut,
        Self::Finished,
        Self::Reset,
        Self::GivenUp,
        Self::Closed,
    ];

    /// The word that files use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attempted => "attempted",
            Self::Established => "established",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Finished => "finished",
            Self::Reset => "reset",
            Self::GivenUp => "given_up",
            Self::Closed => "closed",
        }
    }

    /// What an event is, and at which end it happens; `None` for what no end hears of.
    pub(crate) fn of(event: &ConnectionEvent) -> Option<(Self, Side)> {
        Some(match event {
            ConnectionEvent::Attempted => (Self::Attempted, Side::Client),
            ConnectionEvent::Established => (Self::Established, Side::Client),
            ConnectionEvent::Refused => (Self::Refused, Side::Client),
            ConnectionEvent::TimedOut => (Self::TimedOut, Side::Client),
            ConnectionEvent::Fin { by, .. } => (Self::Finished, by.peer()),
            ConnectionEvent::Rst { to, .. } => (Self::Reset, *to),
            ConnectionEvent::GaveUp { by, .. } => (Self::GivenUp, *by),
            ConnectionEvent::Closed { by } => (Self::Closed, *by),
            ConnectionEvent::Forgotten => return None,
        })
    }
}

impl ConnectionOrigin {
    /// The fact that an event tells, and of whom; `None` when it is another event.
    pub(super) fn read(
        &self,
        kind: FactKind,
        id: &ConnectionId,
        event: &ConnectionEvent,
    ) -> Option<Result<(HostName, Fact), Miss>> {
        let (moment, side) = ConnectionMoment::of(event)?;
        let is_first = kind == FactKind::Retried && moment == ConnectionMoment::Attempted && id.nth == 1;
        if moment != self.event || is_first {
            return None;
        }
        let is_meant = self.link.as_ref().is_none_or(|link| *link == id.link) && self.at.is_none_or(|at| at == side);
        if !is_meant {
            return Some(Err(Miss::Elsewhere));
        }
        let base = self.named.clone().unwrap_or_else(|| id.link.to_string());
        let key = if self.numbered { format!("{base}#{}", id.nth) } else { base };
        let host = match side {
            Side::Client => id.link.client.clone(),
            Side::Server => id.link.server.clone(),
        };
        Some(Ok((host, Fact::new(kind, key))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::{TraceBuilder, connection};
    use crate::mapping::{FactSource, Origin, apply};
    use crate::trace::RecordKind;

    #[test]
    fn attempts_to_connect_are_retries_but_for_the_first() {
        let run = (1..=4).fold(TraceBuilder::new(), |run, n| {
            run.connection(1000 * u64::from(n), "alice", "chat", n, ConnectionEvent::Attempted)
        });
        let run = run.connection(9000, "bob", "chat", 2, ConnectionEvent::Attempted);
        let on_link =
            origin(ConnectionMoment::Attempted, |origin| origin.link = Some(connection("alice", "chat", 1).link));
        let retries = ["alice: alice->chat", "alice: alice->chat", "alice: alice->chat"];
        assert_eq!(told(&run, FactKind::Retried, &on_link), retries);
        assert_eq!(told(&run, FactKind::Gauge, &on_link).len(), 4);
        let numbered = origin(ConnectionMoment::Attempted, |origin| origin.numbered = true);
        assert_eq!(told(&run, FactKind::Retried, &numbered)[3], "bob: bob->chat#2");
    }

    #[test]
    fn an_end_hears_what_happens_at_it() {
        let run = TraceBuilder::new()
            .connection(1000, "alice", "chat", 1, ConnectionEvent::Rst { to: Side::Server, forged: false })
            .connection(1001, "alice", "chat", 1, ConnectionEvent::Fin { by: Side::Server, forged: false })
            .connection(1002, "alice", "chat", 1, ConnectionEvent::Closed { by: Side::Server });
        let line = |event, at| origin(event, |origin| (origin.at, origin.named) = (at, Some("line".to_owned())));
        assert_eq!(told(&run, FactKind::Detected, &line(ConnectionMoment::Reset, None)), ["chat: line"]);
        assert_eq!(
            told(&run, FactKind::Detected, &line(ConnectionMoment::Finished, Some(Side::Client))),
            ["alice: line"]
        );
        let never = told(&run, FactKind::Detected, &line(ConnectionMoment::Closed, Some(Side::Client)));
        assert_eq!(
            never,
            [
                "the mapped connection event `closed` occurred once, and never on that link, in that direction and at that end"
            ]
        );
    }

    fn origin(event: ConnectionMoment, change: impl Fn(&mut ConnectionOrigin)) -> ConnectionOrigin {
        let mut origin = ConnectionOrigin { event, link: None, at: None, named: None, numbered: false };
        change(&mut origin);
        origin
    }

    fn told(run: &TraceBuilder, kind: FactKind, origin: &ConnectionOrigin) -> Vec<String> {
        let source = FactSource { kind, from: Origin::Connection(origin.clone()), optional: false };
        let mapped = apply(run.records.clone(), &[source]);
        let told = mapped.into_iter().filter_map(|record| match record.what {
            RecordKind::Fact(fact) => Some(format!("{}: {}", record.host.map(|host| host.to_string())?, fact.key)),
            RecordKind::BrokenRule { detail, .. } => Some(detail),
            _ => None,
        });
        told.collect()
    }
}
