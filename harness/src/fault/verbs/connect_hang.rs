//! `connect_hang`: the connection attempt's SYNs vanish.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{AttemptFate, AttemptVerb, Key, OnAttempt, Trigger, Verb, refusal, time, words};

/// The connection attempt's SYNs vanish. One attempt hangs until its kernel gives up; of several, those go on that are
/// still being tried when `lasting` is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectHang {
    /// For how long attempts are struck; one attempt only without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for ConnectHang {
    type Place = OnAttempt;
    const WORD: &'static str = "connect_hang";
    const DOES: &'static str = "the connection attempt's SYNs vanish";
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

impl AttemptVerb for ConnectHang {
    fn fate(&self) -> AttemptFate {
        AttemptFate::Hangs
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'connect_hang'\nlasting = '5s'", "connect_hang(for 5s)");
    }
}
