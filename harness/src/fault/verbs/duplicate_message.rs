//! `duplicate_message`: the trigger's message or event arrives several times.

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Holds, Keep, Key, OnConnection, Trigger, Verb, refusal};
use crate::plane::{Edit, Open, Struck};

/// The trigger's message or event arrives several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateMessage {
    /// How often more than once, at least 1.
    #[serde(default = "one")]
    pub copies: u32,
}

impl Verb for DuplicateMessage {
    type Place = OnConnection;
    const WORD: &'static str = "duplicate_message";
    const DOES: &'static str = "the trigger's message or event arrives several times";
    const KEYS: &'static [Key] = &[Key::or("copies", Holds::COUNT, "1", "how often more than once it arrives")];

    fn arguments(&self) -> Vec<String> {
        (self.copies > 1).then(|| format!("{} copies", self.copies)).into_iter().collect()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_whole_unit(Self::WORD, trigger)
    }
}

fn one() -> u32 {
    1
}

impl ConnectionVerb for DuplicateMessage {
    fn strike(&self, struck: &mut Struck<'_>) {
        struck.edit(Edit::Repeat(self.copies));
    }

    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        open.edit_obstacle(Edit::Repeat(self.copies))
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
        told("do = 'duplicate_message'\ncopies = 2", "duplicate_message(2 copies)");
    }
}
