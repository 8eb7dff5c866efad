//! `lookup_fails`: the client's lookups of the server's name fail.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Holds, Key, LookupError, LookupVerb, OnLookup, Trigger, Verb, refusal, time, to_word, words};
use crate::plane::Answer;

/// The client's lookups of the server's name fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupFails {
    /// The error that the lookup fails with.
    #[serde(default)]
    pub kind: LookupError,
    /// For how long; one lookup only without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for LookupFails {
    type Place = OnLookup;
    const WORD: &'static str = "lookup_fails";
    const DOES: &'static str = "the client's lookups of the server's name fail";
    const KEYS: &'static [Key] = &[
        Key::or(
            "kind",
            Holds::Word(&["no_such_name", "no_address", "server_failure", "no_answer"]),
            "\"no_such_name\"",
            "how they fail",
        ),
        Key::optional("lasting", Holds::Time, "one lookup only", "how long they fail"),
    ];

    fn arguments(&self) -> Vec<String> {
        [Some(to_word(&self.kind)), words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_lookups(Self::WORD, trigger)
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

impl LookupVerb for LookupFails {
    fn answer(&self) -> Answer {
        Answer::Failure(self.kind)
    }

    fn is_once(&self) -> bool {
        self.lasting.is_none()
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'lookup_fails'\nkind = 'no_answer'\nlasting = '30s'", "lookup_fails(no_answer, for 30s)");
    }

    #[test]
    fn the_next_lookup_is_told_that_there_is_no_such_name() {
        let effects = effects("do = 'lookup_fails'");
        assert_eq!(
            effects,
            [
                "lookups of chat by alice: lookup_fails(no_such_name)",
                "lookups of chat by alice: Failure(NoSuchName), once"
            ]
        );
    }
}
