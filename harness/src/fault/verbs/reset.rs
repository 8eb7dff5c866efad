//! `reset`: RST to one end or both.

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Ends, Key, OnConnection, Verb};
use crate::plane::Struck;

/// RST to one end or both; an end that gets none hears nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Which ends get it.
    #[serde(default)]
    pub to: Ends,
}

impl Verb for Reset {
    type Place = OnConnection;
    const WORD: &'static str = "reset";
    const DOES: &'static str = "RST to one end or both";
    const KEYS: &'static [Key] = &[Key::TO];

    fn arguments(&self) -> Vec<String> {
        self.to.told_only().into_iter().collect()
    }
}

impl ConnectionVerb for Reset {
    fn strike(&self, struck: &mut Struck<'_>) {
        self.to.told().iter().for_each(|side| struck.reset(*side));
        struck.leave_in_silence(self.to.untold());
    }

    fn takes_service_away(&self) -> bool {
        true
    }

    fn is_final(&self) -> bool {
        true
    }

    fn leaves_nothing(&self) -> bool {
        self.to == Ends::Both
    }

    fn silences(&self) -> bool {
        self.to != Ends::Both
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'reset'\nto = 'client'", "reset(client only)");
    }

    #[test]
    fn both_ends_are_told_at_once() {
        let effects = effects("do = 'reset'");
        assert_eq!(
            effects,
            ["alice->chat#1: reset", "rst to client", "to_server severed", "rst to server", "to_client severed"]
        );
    }
}
