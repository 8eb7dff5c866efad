//! `lookup_moves`: the client's lookups of the server's name answer with another host's address.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, Key, LookupVerb, OnLookup, Trigger, Verb, refusal, time, words};
use crate::name::HostName;
use crate::plane::Answer;

/// The client's lookups of the server's name answer with another host's address. Who remembers an older answer is not
/// touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupMoves {
    /// Whose address.
    pub to: HostName,
    /// For how long; for good without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for LookupMoves {
    type Place = OnLookup;
    const WORD: &'static str = "lookup_moves";
    const DOES: &'static str = "the client's lookups of the server's name answer with another host's address";
    const KEYS: &'static [Key] = &[Key::required("to", Holds::Host, "the host whose address is told"), Key::LASTING];

    fn arguments(&self) -> Vec<String> {
        [Some(format!("to {}", self.to)), words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_lookups(Self::WORD, trigger)
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

impl LookupVerb for LookupMoves {
    fn answer(&self) -> Answer {
        Answer::AddressOf(self.to.clone())
    }

    fn is_once(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'lookup_moves'\nto = 'other'", "lookup_moves(to other)");
    }
}
