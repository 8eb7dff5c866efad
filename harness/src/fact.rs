//! Facts: what happened to the things that a service promises to carry, free of any protocol. Checks read nothing else
//! about deliveries.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::HostName;

/// What a fact says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// A host asked for it to be carried.
    Offered,
    /// A service took responsibility.
    Accepted,
    /// A service says that it was delivered.
    ClaimedDelivered,
    /// A service says that it failed.
    ClaimedFailed,
    /// The receiving application has it.
    Received,
    /// It was turned away before anybody took responsibility.
    Refused,
    /// It reached an outcome; the value says which.
    Outcome,
    /// An application noticed that its connection is gone; the key is the connection or session, the value the close code.
    Detected,
    /// An application is in service again.
    Recovered,
    /// A retry; the key says of what.
    Retried,
    /// A stream was opened; the key names the stream, in this and the next five kinds.
    StreamOpened,
    /// An event was produced at the stream's source; the value is the event.
    StreamProduced,
    /// An event reached the stream's reader; the value is the event.
    StreamEvent,
    /// The reader saw the protocol's terminator (`[DONE]`).
    StreamTerminator,
    /// The reader was told of an error, in band or by the transport; the value says which.
    StreamError,
    /// The reader has seen the end of the stream.
    StreamEnded,
    /// The reader left before the end.
    StreamLeft,
    /// The source was told to stop.
    StreamCancelled,
    /// A gauge has a value; the key names it.
    Gauge,
}

impl FactKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 19] = [
        Self::Offered,
        Self::Accepted,
        Self::ClaimedDelivered,
        Self::ClaimedFailed,
        Self::Received,
        Self::Refused,
        Self::Outcome,
        Self::Detected,
        Self::Recovered,
        Self::Retried,
        Self::StreamOpened,
        Self::StreamProduced,
        Self::StreamEvent,
        Self::StreamTerminator,
        Self::StreamError,
        Self::StreamEnded,
        Self::StreamLeft,
        Self::StreamCancelled,
        Self::Gauge,
    ];
}

/// One thing that is known about one key. When and on which host is in the record that carries it.
///
/// A key names one thing of one sender. Where several hosts offer things with the same keys, the other facts name whose
/// thing they speak of (`from`); where a thing has an addressee, the offer names it (`to`).
///
/// ```
/// use halfopen::{Fact, FactKind};
///
/// let offer = Fact::new(FactKind::Offered, "m-1").to("bob");
/// let receipt = Fact::new(FactKind::Received, "m-1").from("alice");
/// assert_eq!(offer.to, Some("bob".into()));
/// assert_eq!(receipt.from, Some("alice".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// The kind of the fact.
    pub kind: FactKind,
    /// About what.
    pub key: String,
    /// With which value, where the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The host that offered it, where another host tells the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<HostName>,
    /// The host that it is meant for; in a receipt the host that has it, where another host tells the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<HostName>,
}

impl Fact {
    /// A fact about a key and nothing else.
    pub fn new(kind: FactKind, key: impl fmt::Display) -> Self {
        Self { kind, key: key.to_string(), value: None, from: None, to: None }
    }

    /// With a value.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        self.value = Some(value.to_string());
        self
    }

    /// Of a thing that this host offered.
    #[must_use]
    pub fn from(mut self, sender: impl Into<HostName>) -> Self {
        self.from = Some(sender.into());
        self
    }

    /// Of a thing that is meant for this host, or that this host has received.
    #[must_use]
    pub fn to(mut self, addressee: impl Into<HostName>) -> Self {
        self.to = Some(addressee.into());
        self
    }
}
