//! What a fault does, by the place where it strikes.

use std::sync::Arc;
use std::time::Duration;

use super::place::{
    AttemptFate, AttemptVerb, ConnectionVerb, HostBlow, HostVerb, Keep, Lacked, ListenerVerb, LookupVerb, PairVerb,
    PathVerb, Place, Response,
};
use super::{AnyVerb, IoCall, Verb};
use crate::name::{HostName, Link};
use crate::plane::{Answer, HostAct};

/// Connections of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Who connects to whom.
    pub link: Link,
    /// Which one, from 1; `None` for the first on which the trigger comes true.
    pub nth: Option<u32>,
}

/// A verb at a place where it can strike.
#[derive(Clone, Debug)]
pub enum Act {
    /// To open connections.
    Connection {
        /// The connections.
        on: Connections,
        /// What is done.
        verb: Arc<dyn ConnectionVerb>,
    },
    /// To the packets of open connections, on their way.
    Path {
        /// Whose packets.
        on: Connections,
        /// What is done.
        verb: Arc<dyn PathVerb>,
    },
    /// To attempts to connect.
    Attempt {
        /// The connections.
        on: Connections,
        /// What is done.
        verb: Arc<dyn AttemptVerb>,
    },
    /// To lookups of the server's name by the client. They come before any connection.
    Lookup {
        /// Who looks up whom.
        link: Link,
        /// What is done.
        verb: Arc<dyn LookupVerb>,
    },
    /// To the server's listener.
    Listener {
        /// On which of its connections the trigger comes true.
        on: Connections,
        /// What is done.
        verb: Arc<dyn ListenerVerb>,
    },
    /// To everything between two hosts.
    Pair {
        /// The first.
        one: HostName,
        /// The second.
        other: HostName,
        /// What is done.
        verb: Arc<dyn PairVerb>,
    },
    /// To a host.
    Host {
        /// The host.
        host: HostName,
        /// What is done.
        verb: Arc<dyn HostVerb>,
    },
}

/// What an act strikes, without the act: what a `[[fault]]` names beside `do`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Connections of a link: the nth, or (`None`) the first on which the trigger comes true.
    Link {
        /// Who connects to whom.
        link: &'a Link,
        /// The number of the connection, from 1.
        connection: Option<u32>,
    },
    /// All links between two hosts, in whichever direction they are made.
    Between(&'a HostName, &'a HostName),
    /// A host.
    Host(&'a HostName),
}

/// How a fault strikes a connection's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtTheBeginning {
    /// Whether the client must end the attempt.
    pub(crate) hangs: bool,
    /// Whether it strikes every attempt in its time; the first one only, without.
    pub(crate) lasts: bool,
    /// How many attempts it lets pass before.
    pub(crate) spared: u32,
}

impl Connections {
    /// All connections from one host to another.
    pub fn of(client: impl Into<HostName>, server: impl Into<HostName>) -> Self {
        Link { client: client.into(), server: server.into() }.into()
    }

    /// The nth of them only, from 1.
    #[must_use]
    pub fn nth(self, nth: u32) -> Self {
        Self { nth: Some(nth), ..self }
    }

    fn target(&self) -> Target<'_> {
        Target::Link { link: &self.link, connection: self.nth }
    }
}

impl From<Link> for Connections {
    fn from(link: Link) -> Self {
        Self { link, nth: None }
    }
}

impl<'a> Target<'a> {
    /// The link, if it is one.
    pub fn link(self) -> Option<&'a Link> {
        match self {
            Self::Link { link, .. } => Some(link),
            Self::Between(..) | Self::Host(_) => None,
        }
    }

    /// The hosts that it names.
    pub fn hosts(self) -> Vec<&'a HostName> {
        match self {
            Self::Link { link, .. } => vec![&link.client, &link.server],
            Self::Between(one, other) => vec![one, other],
            Self::Host(host) => vec![host],
        }
    }

    /// The key under which a file names it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Link { .. } => "link",
            Self::Between(..) => "between",
            Self::Host(_) => "host",
        }
    }

    pub(super) fn connections(self) -> Option<Connections> {
        match self {
            Self::Link { link, connection } => Some(Connections { link: link.clone(), nth: connection }),
            Self::Between(..) | Self::Host(_) => None,
        }
    }
}

impl Act {
    /// A verb at a target, if it can strike there.
    pub fn at<V: Verb>(target: Target<'_>, verb: V) -> Option<Self> {
        V::Place::at(target).map(|on| V::Place::act(on, verb))
    }

    /// What is done, wherever.
    pub fn verb(&self) -> &dyn AnyVerb {
        match self {
            Self::Connection { verb, .. } => &**verb,
            Self::Path { verb, .. } => &**verb,
            Self::Attempt { verb, .. } => &**verb,
            Self::Lookup { verb, .. } => &**verb,
            Self::Listener { verb, .. } => &**verb,
            Self::Pair { verb, .. } => &**verb,
            Self::Host { verb, .. } => &**verb,
        }
    }

    /// The word of what is done.
    pub fn word(&self) -> &'static str {
        self.verb().word()
    }

    /// What it strikes.
    pub fn target(&self) -> Target<'_> {
        match self {
            Self::Connection { on, .. }
            | Self::Path { on, .. }
            | Self::Attempt { on, .. }
            | Self::Listener { on, .. } => on.target(),
            Self::Lookup { link, .. } => Target::Link { link, connection: None },
            Self::Pair { one, other, .. } => Target::Between(one, other),
            Self::Host { host, .. } => Target::Host(host),
        }
    }

    /// After which time it ends by itself.
    pub fn lasts(&self) -> Option<Duration> {
        self.verb().duration()
    }

    /// Whether it takes a service away from somebody who must then notice, if nothing ends it in time.
    pub fn takes_service_away(&self) -> bool {
        match self {
            Self::Connection { verb, .. } => verb.takes_service_away(),
            Self::Path { .. } | Self::Attempt { .. } | Self::Lookup { .. } | Self::Listener { .. } => false,
            Self::Pair { .. } => true,
            Self::Host { verb, .. } => verb.blow() == HostBlow::Hold || verb.blow().ends_process(),
        }
    }

    /// Whether it ends what it strikes, so that no wait can make it harmless.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Connection { verb, .. } => verb.is_final(),
            Self::Path { .. }
            | Self::Attempt { .. }
            | Self::Lookup { .. }
            | Self::Listener { .. }
            | Self::Pair { .. } => false,
            Self::Host { verb, .. } => verb.blow().ends_process(),
        }
    }

    /// Whether it lets nothing through, one way or both, as long as it lasts, and tells neither end.
    pub fn silences(&self) -> bool {
        match self {
            Self::Connection { verb, .. } => verb.silences(),
            Self::Attempt { verb, .. } => verb.fate() == AttemptFate::Stalls,
            Self::Pair { .. } => true,
            Self::Host { verb, .. } => verb.blow() == HostBlow::Hold,
            Self::Path { .. } | Self::Lookup { .. } | Self::Listener { .. } => false,
        }
    }

    /// Whether it ends the process of the host that it strikes.
    pub fn ends_process(&self) -> bool {
        matches!(self, Self::Host { verb, .. } if verb.blow().ends_process())
    }

    /// The host that it stops and starts again, if it does that.
    pub(crate) fn restarts(&self) -> Option<&HostName> {
        match self {
            Self::Host { host, verb } if matches!(verb.blow(), HostBlow::Act(HostAct::Restart { .. })) => Some(host),
            Self::Host { .. }
            | Self::Connection { .. }
            | Self::Path { .. }
            | Self::Attempt { .. }
            | Self::Lookup { .. }
            | Self::Listener { .. }
            | Self::Pair { .. } => None,
        }
    }

    /// The same, on the nth connection of its link only.
    #[cfg(feature = "sim")]
    #[must_use]
    pub(crate) fn on_connection(self, nth: u32) -> Self {
        match self {
            Self::Connection { on, verb } => Self::Connection { on: on.nth(nth), verb },
            Self::Path { on, verb } => Self::Path { on: on.nth(nth), verb },
            Self::Attempt { on, verb } => Self::Attempt { on: on.nth(nth), verb },
            Self::Listener { on, verb } => Self::Listener { on: on.nth(nth), verb },
            Self::Lookup { .. } | Self::Pair { .. } | Self::Host { .. } => self,
        }
    }

    /// Whether the host that it strikes has another life after it.
    pub fn starts_again(&self) -> bool {
        self.restarts().is_some() || self.ends_process() && self.lasts().is_some()
    }

    /// Whether it is done to connections that are open, or to their packets.
    pub(crate) fn needs_connection(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Path { .. } => true,
            Self::Attempt { .. }
            | Self::Lookup { .. }
            | Self::Listener { .. }
            | Self::Pair { .. }
            | Self::Host { .. } => false,
        }
    }

    /// Whether nothing of the connections that it strikes is left at the instant at which it does.
    pub(crate) fn leaves_nothing(&self) -> bool {
        matches!(self, Self::Connection { verb, .. } if verb.leaves_nothing())
    }

    /// What must not have left when it strikes at a point in the bytes.
    pub(crate) fn keeps(&self) -> Keep {
        match self {
            Self::Connection { verb, .. } => verb.keeps(),
            Self::Path { .. }
            | Self::Attempt { .. }
            | Self::Lookup { .. }
            | Self::Listener { .. }
            | Self::Pair { .. }
            | Self::Host { .. } => Keep::Nothing,
        }
    }

    /// What a trigger at the head of a response names to it.
    pub(crate) fn response(&self) -> Response {
        match self {
            Self::Connection { verb, .. } => verb.response(),
            Self::Path { .. }
            | Self::Attempt { .. }
            | Self::Lookup { .. }
            | Self::Listener { .. }
            | Self::Pair { .. }
            | Self::Host { .. } => Response::Head,
        }
    }

    /// Whether it must know where chunks, lines and whole messages of HTTP end.
    pub(crate) fn needs_messages(&self) -> bool {
        matches!(self, Self::Connection { verb, .. } if verb.needs_messages())
    }

    /// How it strikes connections at their beginning, if it does.
    pub(crate) fn at_the_beginning(&self) -> Option<AtTheBeginning> {
        let (hangs, nth) = match self {
            Self::Attempt { verb, .. } => {
                let hangs = matches!(verb.fate(), AttemptFate::Hangs | AttemptFate::Stalls);
                (hangs, verb.nth())
            }
            Self::Lookup { verb, .. } => match verb.answer() {
                Answer::Failure(_) => (false, 1),
                Answer::AddressOf(_) => return None,
            },
            Self::Connection { .. }
            | Self::Path { .. }
            | Self::Listener { .. }
            | Self::Pair { .. }
            | Self::Host { .. } => return None,
        };
        Some(AtTheBeginning { hangs, lasts: self.lasts().is_some(), spared: nth.saturating_sub(1) })
    }

    /// What was missing when it fired and nothing changed.
    pub(crate) fn lacked(&self) -> Lacked {
        match self {
            Self::Connection { verb, .. } => verb.lacked(),
            Self::Path { .. } | Self::Pair { .. } => Lacked::Packets,
            Self::Attempt { verb, .. } => match verb.fate() {
                AttemptFate::Refused | AttemptFate::Hangs | AttemptFate::Reset => Lacked::Attempt,
                AttemptFate::Stalls => Lacked::Packets,
                AttemptFate::Fails(_) => Lacked::Call(IoCall::Connect, verb.nth()),
            },
            Self::Lookup { .. } => Lacked::Lookup,
            Self::Listener { verb, .. } => Lacked::Call(IoCall::Accept, verb.nth()),
            Self::Host { verb, .. } => match verb.blow() {
                HostBlow::Hold => Lacked::Packets,
                HostBlow::Act(HostAct::JumpClock { .. }) => Lacked::Clock,
                HostBlow::Act(HostAct::Crash | HostAct::PowerLoss | HostAct::Restart { .. } | HostAct::Start) => {
                    Lacked::Witness
                }
            },
        }
    }
}

/// The same verb with the same keys at the same place.
impl PartialEq for Act {
    fn eq(&self, other: &Self) -> bool {
        self.target() == other.target() && self.verb() == other.verb()
    }
}
