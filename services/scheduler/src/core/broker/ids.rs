//! Names of things, each with a type of its own, and the seeded generator that makes them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use halfopen_machine::SplitMix64;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it is on the wire.
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

/// A name that may stand in logs.
macro_rules! public_name {
    ($(#[$doc:meta])* $name:ident) => {
        name! { $(#[$doc])* $name }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_tuple(stringify!($name)).field(&self.0).finish()
            }
        }
    };
}

public_name! {
    /// A user's session: `s-` and 8 upper-case hex digits.
    SessionId
}
public_name! {
    /// A worker: `node-` and 8 upper-case hex digits.
    NodeId
}
public_name! {
    /// A job, named by its client: the idempotency key within its session.
    JobId
}
public_name! {
    /// One try at a job on one node, unique across scheduler processes: `att-`, the epoch, `-` and a number.
    AttemptId
}
public_name! {
    /// One scheduler process.
    Epoch
}
name! {
    /// The secret that proves an identity.
    Token
}

impl fmt::Debug for Token {
    /// Without the secret: what derives its Debug from this may stand in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
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

/// Makes names from one seed. They can be guessed: a token proves who owns one.
#[derive(Debug)]
pub(crate) struct IdGenerator {
    generator: SplitMix64,
    /// Apart from the names: what is drawn for a pause changes no name.
    chance: SplitMix64,
    attempts: u64,
}

impl IdGenerator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { generator: SplitMix64::new(seed), chance: SplitMix64::new(seed ^ CHANCE), attempts: 0 }
    }

    pub(crate) fn epoch(&mut self) -> Epoch {
        Epoch::from(format!("{:016x}", self.generator.next_u64()))
    }

    pub(crate) fn session(&mut self) -> SessionId {
        SessionId::from(format!("s-{:08X}", self.short()))
    }

    pub(crate) fn node(&mut self) -> NodeId {
        NodeId::from(format!("node-{:08X}", self.short()))
    }

    pub(crate) fn attempt(&mut self, epoch: &Epoch) -> AttemptId {
        self.attempts += 1;
        AttemptId::from(format!("{}{}", attempt_prefix(epoch), self.attempts))
    }

    /// A random part of a duration, to the millisecond.
    pub(crate) fn part_of(&mut self, whole: Duration) -> Duration {
        let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX - 1);
        Duration::from_millis(self.chance.next_u64() % (millis + 1))
    }

    /// 32 bits, which are enough to tell the sessions of one scheduler apart.
    fn short(&mut self) -> u32 {
        (self.generator.next_u64() >> 32) as u32
    }
}

/// Tells the two generators of one seed apart; any number does.
const CHANCE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Whether this epoch made the attempt: an attempt of ours that is not on record belongs to a job already closed.
pub(crate) fn is_of_epoch(attempt: &AttemptId, epoch: &Epoch) -> bool {
    attempt.as_str().starts_with(&attempt_prefix(epoch))
}

fn attempt_prefix(epoch: &Epoch) -> String {
    format!("att-{epoch}-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_debug_does_not_show_its_secret() {
        assert_eq!(format!("{:?}", Token::from("hunter2")), "Token(..)");
        assert_eq!(format!("{:?}", NodeId::from("node-1")), "NodeId(\"node-1\")");
    }
}
