//! Where faults strike, and what a verb of each place answers.

use std::sync::Arc;

use super::act::{Act, Target};
use super::{AnyVerb, Connections, IoCall, IoErrorKind, Verb};
use crate::name::{Direction, HostName, Link};
use crate::plane::{Answer, HostAct, Open, Shaping, Struck};

/// A place at which verbs strike. It is the type of a [`Verb`], so that a pair that makes no sense is no program.
pub trait Place<V> {
    /// What names one such place.
    type On;
    /// The key under which a file names it.
    const KEY: &'static str;
    /// What such verbs strike, in words.
    const STRIKES: &'static str;
    /// The verb at one such place.
    fn act(on: Self::On, verb: V) -> Act;
    /// The place that a target names, if it is one of this kind.
    fn at(target: Target<'_>) -> Option<Self::On>;
}

/// Connections of a link, once they are open.
#[derive(Clone, Copy, Debug)]
pub enum OnConnection {}

/// The way that the packets of a link's connections take.
#[derive(Clone, Copy, Debug)]
pub enum OnPath {}

/// The attempts to connect of a link.
#[derive(Clone, Copy, Debug)]
pub enum OnAttempt {}

/// The lookups of a link's server by its client.
#[derive(Clone, Copy, Debug)]
pub enum OnLookup {}

/// The listener of a link's server.
#[derive(Clone, Copy, Debug)]
pub enum OnListener {}

/// Everything between two hosts, in whichever direction connections are made.
#[derive(Clone, Copy, Debug)]
pub enum OnPair {}

/// A host.
#[derive(Clone, Copy, Debug)]
pub enum OnHost {}

/// A verb that strikes open connections.
pub trait ConnectionVerb: AnyVerb {
    /// Why it cannot be done to a connection, if it cannot; as the rest of a sentence that begins "its moment came, and".
    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        let _ = open;
        None
    }

    /// Does it.
    fn strike(&self, struck: &mut Struck<'_>);

    /// What must not have left when it strikes at a point in the bytes, because it writes it again.
    fn keeps(&self) -> Keep {
        Keep::Nothing
    }

    /// What a trigger at the head of a response names to it.
    fn response(&self) -> Response {
        Response::Head
    }

    /// Whether it must know where chunks, lines and whole messages of HTTP end.
    fn needs_messages(&self) -> bool {
        false
    }

    /// Whether it takes a service away from somebody who must then notice, if nothing ends it in time.
    fn takes_service_away(&self) -> bool {
        false
    }

    /// Whether it ends the connection, so that no wait can make it harmless.
    fn is_final(&self) -> bool {
        false
    }

    /// Whether it ends the connection at the instant at which it strikes, and leaves nothing of it.
    fn leaves_nothing(&self) -> bool {
        false
    }

    /// Whether it lets nothing through, one way or both, as long as it lasts, and tells neither end.
    fn silences(&self) -> bool {
        false
    }

    /// What was missing when it struck and neither end felt it.
    fn lacked(&self) -> Lacked {
        Lacked::Witness
    }
}

/// What a verb must still find when it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing before the point.
    Nothing,
    /// The size of the chunk around the point.
    ChunkSize,
    /// The unit, and the size of the chunk in which it begins.
    Unit,
}

/// What a trigger at the head of a response names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// The head, at the trigger's edge.
    Head,
    /// The whole response: the verb strikes before the first byte of its head.
    Whole,
    /// The event `[DONE]` in the body that follows.
    Done,
}

/// What was missing when a fault fired and nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacked {
    /// Somebody who would have seen it.
    Witness,
    /// Packets, while it lasted.
    Packets,
    /// An attempt to connect, while it lasted.
    Attempt,
    /// A lookup, while it lasted.
    Lookup,
    /// A look at the wall clock.
    Clock,
    /// The nth call of a kind.
    Call(IoCall, u32),
}

/// A verb that changes how packets of open connections travel.
pub trait PathVerb: AnyVerb {
    /// How they travel.
    fn shaping(&self) -> Shaping;

    /// Which way; both without.
    fn direction(&self) -> Option<Direction> {
        None
    }
}

/// A verb that strikes attempts to connect. While it [lasts](Verb::lasts) it strikes every attempt; one only without.
pub trait AttemptVerb: AnyVerb {
    /// What becomes of an attempt.
    fn fate(&self) -> AttemptFate;

    /// The first attempt that it strikes, from 1.
    fn nth(&self) -> u32 {
        1
    }
}

/// What becomes of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptFate {
    /// RST answers it.
    Refused,
    /// Its SYNs vanish.
    Hangs,
    /// It is established, and not a byte passes.
    Stalls,
    /// It is established and reset at once.
    Reset,
    /// The call itself fails: no SYN is sent.
    Fails(IoErrorKind),
}

/// A verb that strikes lookups of a name. It lasts as long as it [lasts](Verb::lasts).
pub trait LookupVerb: AnyVerb {
    /// What a lookup is told.
    fn answer(&self) -> Answer;

    /// Whether it strikes the next lookup only.
    fn is_once(&self) -> bool;
}

/// A verb that makes `accept` fail.
pub trait ListenerVerb: AnyVerb {
    /// With what.
    fn error(&self) -> IoErrorKind;

    /// The first call that fails, from 1; while the verb [lasts](Verb::lasts) those after it, too.
    fn nth(&self) -> u32;
}

/// A verb that holds the packets between two hosts.
pub trait PairVerb: AnyVerb {
    /// Whether only packets from the first host to the second are held.
    fn is_one_way(&self) -> bool;
}

/// A verb that strikes a host.
pub trait HostVerb: AnyVerb {
    /// What happens to it.
    fn blow(&self) -> HostBlow;
}

/// What happens to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostBlow {
    /// All packets from and to it are held while the verb lasts.
    Hold,
    /// Something happens to its process or machine.
    Act(HostAct),
}

impl HostBlow {
    /// Whether its process ends.
    pub fn ends_process(self) -> bool {
        match self {
            Self::Act(HostAct::Crash | HostAct::PowerLoss | HostAct::Restart { .. }) => true,
            Self::Hold | Self::Act(HostAct::JumpClock { .. } | HostAct::Start) => false,
        }
    }
}

impl<V: Verb + ConnectionVerb> Place<V> for OnConnection {
    type On = Connections;
    const KEY: &'static str = "link";
    const STRIKES: &'static str = "open connections";

    fn act(on: Connections, verb: V) -> Act {
        Act::Connection { on, verb: Arc::new(verb) }
    }

    fn at(target: Target<'_>) -> Option<Connections> {
        target.connections()
    }
}

impl<V: Verb + PathVerb> Place<V> for OnPath {
    type On = Connections;
    const KEY: &'static str = "link";
    const STRIKES: &'static str = "packets on their way";

    fn act(on: Connections, verb: V) -> Act {
        Act::Path { on, verb: Arc::new(verb) }
    }

    fn at(target: Target<'_>) -> Option<Connections> {
        target.connections()
    }
}

impl<V: Verb + AttemptVerb> Place<V> for OnAttempt {
    type On = Connections;
    const KEY: &'static str = "link";
    const STRIKES: &'static str = "attempts to connect";

    fn act(on: Connections, verb: V) -> Act {
        Act::Attempt { on, verb: Arc::new(verb) }
    }

    fn at(target: Target<'_>) -> Option<Connections> {
        target.connections()
    }
}

impl<V: Verb + LookupVerb> Place<V> for OnLookup {
    type On = Link;
    const KEY: &'static str = "link";
    const STRIKES: &'static str = "lookups of a name";

    fn act(link: Link, verb: V) -> Act {
        Act::Lookup { link, verb: Arc::new(verb) }
    }

    fn at(target: Target<'_>) -> Option<Link> {
        target.link().cloned()
    }
}

impl<V: Verb + ListenerVerb> Place<V> for OnListener {
    type On = Connections;
    const KEY: &'static str = "link";
    const STRIKES: &'static str = "listeners";

    fn act(on: Connections, verb: V) -> Act {
        Act::Listener { on, verb: Arc::new(verb) }
    }

    fn at(target: Target<'_>) -> Option<Connections> {
        target.connections()
    }
}

impl<V: Verb + PairVerb> Place<V> for OnPair {
    type On = (HostName, HostName);
    const KEY: &'static str = "between";
    const STRIKES: &'static str = "everything between two hosts";

    fn act((one, other): (HostName, HostName), verb: V) -> Act {
        Act::Pair { one, other, verb: Arc::new(verb) }
    }

    fn at(target: Target<'_>) -> Option<(HostName, HostName)> {
        match target {
            Target::Between(one, other) => Some((one.clone(), other.clone())),
            Target::Link { .. } | Target::Host(_) => None,
        }
    }
}

impl<V: Verb + HostVerb> Place<V> for OnHost {
    type On = HostName;
    const KEY: &'static str = "host";
    const STRIKES: &'static str = "hosts";

    fn act(host: HostName, verb: V) -> Act {
        Act::Host { host, verb: Arc::new(verb) }
    }

    fn at(target: Target<'_>) -> Option<HostName> {
        match target {
            Target::Host(host) => Some(host.clone()),
            Target::Link { .. } | Target::Between(..) => None,
        }
    }
}
