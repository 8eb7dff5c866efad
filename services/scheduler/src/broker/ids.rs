//! Names of things, each with a type of its own, and the seeded generator that makes them.

use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A user's session: `s-` and 8 upper-case hex digits.
    SessionId
}
name! {
    /// A worker: `node-` and 8 upper-case hex digits.
    NodeId
}
name! {
    /// A job, named by its client: the idempotency key within its session.
    JobId
}
name! {
    /// One try at a job on one node, unique across scheduler processes: `att-`, the epoch, `-` and a number.
    AttemptId
}
name! {
    /// One scheduler process.
    Epoch
}
name! {
    /// The secret that proves an identity.
    Token
}

/// One socket's life, numbered by the shell and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A job within its session: two sessions may use the same job id without meeting. Ordered by job first, so that an
/// attempt of an earlier epoch finds the jobs of its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobKey {
    pub(crate) job: JobId,
    pub(crate) session: SessionId,
}

/// How often an owner of an identity has connected, from 1. Only the owner of a generation may end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Makes names and secrets from one seed.
#[derive(Debug)]
pub(crate) struct Mint {
    rng: StdRng,
    attempts: u64,
}

impl Mint {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { rng: StdRng::from_seed(seed), attempts: 0 }
    }

    pub(crate) fn epoch(&mut self) -> Epoch {
        Epoch::from(format!("{:016x}", self.rng.next_u64()))
    }

    pub(crate) fn session(&mut self) -> SessionId {
        SessionId::from(format!("s-{:08X}", self.rng.next_u32()))
    }

    pub(crate) fn node(&mut self) -> NodeId {
        NodeId::from(format!("node-{:08X}", self.rng.next_u32()))
    }

    pub(crate) fn token(&mut self) -> Token {
        Token::from(format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64()))
    }

    pub(crate) fn attempt(&mut self, epoch: &Epoch) -> AttemptId {
        self.attempts += 1;
        AttemptId::from(format!("{}{}", attempt_prefix(epoch), self.attempts))
    }
}

/// Whether this epoch made the attempt: an attempt of ours that is not on record belongs to a job already closed.
pub(crate) fn is_of_epoch(attempt: &AttemptId, epoch: &Epoch) -> bool {
    attempt.as_str().starts_with(&attempt_prefix(epoch))
}

fn attempt_prefix(epoch: &Epoch) -> String {
    format!("att-{epoch}-")
}
