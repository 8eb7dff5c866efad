//! `handshake_stall`: the connection is established, and not a byte of it passes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{AttemptFate, AttemptVerb, Key, OnAttempt, Trigger, Verb, refusal, time, words};

/// The connection is established, and not a byte of it passes: neither end hears or reads anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeStall {
    /// For how long attempts are struck; one attempt only without. The struck ones stay stalled.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for HandshakeStall {
    type Place = OnAttempt;
    const WORD: &'static str = "handshake_stall";
    const DOES: &'static str = "the connection is established, and not a byte of it passes";
    const KEYS: &'static [Key] = &[Key::ATTEMPTS_LASTING];

    fn arguments(&self) -> Vec<String> {
        words::for_time(self.lasting).into_iter().collect()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_attempts(Self::WORD, trigger)
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

impl AttemptVerb for HandshakeStall {
    fn fate(&self) -> AttemptFate {
        AttemptFate::Stalls
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'handshake_stall'\nlasting = '5s'", "handshake_stall(for 5s)");
    }
}
