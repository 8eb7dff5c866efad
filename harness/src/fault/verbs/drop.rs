//! `drop`: FIN without a Close frame, to one end or both.

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Ends, Key, OnConnection, Verb};
use crate::plane::Struck;

/// FIN without a Close frame: the peer must conclude 1006. An end that gets none hears nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// Which ends get it.
    #[serde(default)]
    pub to: Ends,
}

impl Verb for Drop {
    type Place = OnConnection;
    const WORD: &'static str = "drop";
    const DOES: &'static str = "FIN without a Close frame, to one end or both";
    const KEYS: &'static [Key] = &[Key::TO];

    fn arguments(&self) -> Vec<String> {
        self.to.told_only().into_iter().collect()
    }
}

impl ConnectionVerb for Drop {
    fn strike(&self, struck: &mut Struck<'_>) {
        self.to.told().iter().for_each(|side| struck.finish(*side));
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
        told("do = 'drop'\nto = 'server'", "drop(server only)");
    }

    #[test]
    fn an_end_that_is_not_told_hears_nothing_more() {
        let effects = effects("do = 'drop'\nto = 'client'");
        assert_eq!(
            effects,
            ["alice->chat#1: drop(client only)", "fin to client", "to_server severed", "to_client silent Blackhole"]
        );
    }
}
