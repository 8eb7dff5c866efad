//! `accept_then_reset`: the connection is established and reset at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{AttemptFate, AttemptVerb, Key, OnAttempt, Trigger, Verb, refusal, time, words};

/// The connection is established and reset at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptThenReset {
    /// For how long attempts are struck; one attempt only without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for AcceptThenReset {
    type Place = OnAttempt;
    const WORD: &'static str = "accept_then_reset";
    const DOES: &'static str = "the connection is established and reset at once";
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

impl AttemptVerb for AcceptThenReset {
    fn fate(&self) -> AttemptFate {
        AttemptFate::Reset
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'accept_then_reset'\nlasting = '5s'", "accept_then_reset(for 5s)");
    }
}
