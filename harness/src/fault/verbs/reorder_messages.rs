//! `reorder_messages`: the trigger's message or event arrives behind those that follow it.

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Holds, Keep, Key, OnConnection, Trigger, Verb, refusal};
use crate::plane::{Edit, Open, Struck};

/// The trigger's message or event arrives behind those that follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReorderMessages {
    /// Behind how many, at least 1. If that many do not follow, it arrives at the end.
    #[serde(default = "one")]
    pub by: u32,
}

impl Verb for ReorderMessages {
    type Place = OnConnection;
    const WORD: &'static str = "reorder_messages";
    const DOES: &'static str = "the trigger's message or event arrives behind those that follow it";
    const KEYS: &'static [Key] = &[Key::or("by", Holds::COUNT, "1", "behind how many it arrives")];

    fn arguments(&self) -> Vec<String> {
        vec![format!("behind {}", self.by)]
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_whole_unit(Self::WORD, trigger)
    }
}

fn one() -> u32 {
    1
}

impl ConnectionVerb for ReorderMessages {
    fn strike(&self, struck: &mut Struck<'_>) {
        struck.edit(Edit::Behind(self.by));
    }

    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        open.edit_obstacle(Edit::Behind(self.by))
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
        told("do = 'reorder_messages'", "reorder_messages(behind 1)");
    }
}
