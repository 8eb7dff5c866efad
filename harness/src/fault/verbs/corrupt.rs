//! `corrupt`: one character of the trigger's message or event arrives as another.

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Keep, Key, OnConnection, Trigger, Verb, refusal};
use crate::plane::{Edit, Open, Struck};

/// One character of the trigger's message or event arrives as another. Framing and text encoding stay legal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrupt;

impl Verb for Corrupt {
    type Place = OnConnection;
    const WORD: &'static str = "corrupt";
    const DOES: &'static str = "one character of the trigger's message or event arrives as another";
    const KEYS: &'static [Key] = &[];

    fn arguments(&self) -> Vec<String> {
        Vec::new()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_whole_unit(Self::WORD, trigger)
    }
}

impl ConnectionVerb for Corrupt {
    fn strike(&self, struck: &mut Struck<'_>) {
        struck.edit(Edit::Corrupt);
    }

    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        open.edit_obstacle(Edit::Corrupt)
    }

    fn keeps(&self) -> Keep {
        Keep::Unit
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'corrupt'", "corrupt");
    }
}
