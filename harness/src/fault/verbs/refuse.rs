//! `refuse`: the connection attempt is answered by RST.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{AttemptFate, AttemptVerb, Key, OnAttempt, Trigger, Verb, refusal, time, words};

/// The connection attempt is answered by RST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuse {
    /// For how long attempts are struck; one attempt only without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for Refuse {
    type Place = OnAttempt;
    const WORD: &'static str = "refuse";
    const DOES: &'static str = "the connection attempt is answered by RST";
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

impl AttemptVerb for Refuse {
    fn fate(&self) -> AttemptFate {
        AttemptFate::Refused
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'refuse'\nlasting = '5s'", "refuse(for 5s)");
    }
}
