//! The words for breaking things. A [`Fault`] is a [`Trigger`] (when) and an [`Act`] (what, and where).
//!
//! Each part is written in words by its `Display`: `close(1000, "idle") on alice->chat#2 after message 3 to_server`.
//!
//! - `act`: [`Act`], the sum of what faults do by the place where they strike; `place`: the places, and what a verb of each
//!   place answers;
//! - `verb`: [`Verb`], what every verb says of itself; `key`: its keys, as data; `time`: times in them; `refusal`: triggers
//!   that several verbs refuse for the same reason;
//! - `verbs`: one verb a file, with its word, its keys, its effect and its test, and the list of them;
//! - `registry`: [`Registry`], that list with what a catalogue adds ([`Catalogue::own_fault`](crate::Catalogue::own_fault));
//! - [`Open`], [`Struck`] and [`Edit`]: what a verb sees of a connection and does to it; [`Shaping`], [`Answer`] and
//!   [`HostAct`]: what verbs of the other places answer. They are the plane's; [`Pattern`] is what a trigger says of content;
//! - `words`: faults in words; `calls`, `ends` and `middlebox`: words that several parts share.

mod act;
mod calls;
mod ends;
mod key;
mod middlebox;
mod place;
mod refusal;
mod registry;
pub mod time;
mod trigger;
mod verb;
mod verbs;
mod words;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use act::{Act, Connections, Target};
pub use calls::{IoCall, IoErrorKind, LookupError};
pub use ends::Ends;
pub use key::{Holds, Key, Without};
pub use middlebox::{Forgetting, Middlebox};
pub use place::{
    AttemptFate, AttemptVerb, ConnectionVerb, HostBlow, HostVerb, Keep, Lacked, ListenerVerb, LookupVerb, OnAttempt,
    OnConnection, OnHost, OnListener, OnLookup, OnPair, OnPath, PairVerb, PathVerb, Place, Response,
};
pub use registry::{Entry, Registry};
pub(crate) use trigger::millis;
pub use trigger::{Edge, FrameKind, Trigger};
pub use verb::{AnyVerb, Mistake, Verb};
pub use verbs::{
    AcceptError, AcceptThenReset, Buffer, ClockJump, Close, ConnectError, ConnectHang, Corrupt, Crash, Cut, CutEnding,
    Delay, Drip, Drop, DuplicateMessage, Freeze, HalfClose, HalfOpen, HalfOpenKind, HandshakeStall, Illegal,
    IllegalKind, IoError, Jitter, LookupFails, LookupMoves, Partition, PowerLoss, Refuse, ReorderMessages, Reset,
    Restart, Split, StreamCall, Throttle, TruncateClean, Upstream,
};
pub(crate) use words::to_word;

/// What triggers say of messages and events.
pub use crate::pattern::{Pattern, Wanted};
/// What a verb sees of a connection and does to it, and what verbs of the other places answer.
pub use crate::plane::{Answer, Edit, HostAct, Open, Shaping, Struck};

/// The place of a fault in its plan, from 0; how traces and reports refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultIndex(pub u32);

impl FaultIndex {
    /// Stands where a fault would, for what a middlebox of the scenario's network does: it is in no plan, and nothing that it
    /// does is told as a fault's.
    pub(crate) const MIDDLEBOX: Self = Self(u32::MAX);
}

/// One concrete fault: nothing in it is random any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When it strikes.
    pub trigger: Trigger,
    /// What it does, and where.
    pub act: Act,
}

impl Fault {
    /// A fault at one place of a verb. What the place is named by depends on the verb, so that a verb at a place where it
    /// cannot strike is no program:
    ///
    /// ```
    /// use std::time::Duration;
    /// use halfopen::fault::{Connections, Crash, Ends, Fault, Reset, Trigger};
    ///
    /// let at = Trigger::At(Duration::from_secs(3));
    /// let reset = Fault::new(Connections::of("alice", "chat"), at.clone(), Reset { to: Ends::Both });
    /// let crash = Fault::new("chat", at, Crash { restart_after: None });
    /// assert_eq!(format!("{reset}, {crash}"), "reset on alice->chat at 3s, crash on host chat at 3s");
    /// ```
    ///
    /// A crash strikes no link:
    ///
    /// ```compile_fail
    /// use halfopen::fault::{Connections, Crash, Fault, Trigger};
    ///
    /// Fault::new(Connections::of("alice", "chat"), Trigger::Connect, Crash { restart_after: None });
    /// ```
    ///
    /// And a reset strikes no host:
    ///
    /// ```compile_fail
    /// use halfopen::fault::{Ends, Fault, Reset, Trigger};
    ///
    /// Fault::new("chat", Trigger::Connect, Reset { to: Ends::Both });
    /// ```
    pub fn new<V: Verb>(on: impl Into<<V::Place as Place<V>>::On>, trigger: Trigger, verb: V) -> Self {
        Self { trigger, act: V::Place::act(on.into(), verb) }
    }
}
