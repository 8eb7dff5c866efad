//! `half_close`: one end's FIN, while the other way goes on.

use serde::{Deserialize, Serialize};

use crate::fault::key::SIDES;
use crate::fault::{ConnectionVerb, Holds, Key, OnConnection, Verb};
use crate::name::Side;
use crate::plane::{Open, Struck};

/// One end's FIN, while the other way goes on: as a hop that has finished sending and goes on reading. What that end
/// still sends is acknowledged and thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfClose {
    /// Who seems to have finished.
    pub by: Side,
}

impl Verb for HalfClose {
    type Place = OnConnection;
    const WORD: &'static str = "half_close";
    const DOES: &'static str = "one end's FIN, while the other way goes on";
    const KEYS: &'static [Key] = &[Key::required("by", Holds::Word(SIDES), "the end that seems to have finished")];

    fn arguments(&self) -> Vec<String> {
        vec![format!("by {}", self.by)]
    }
}

impl ConnectionVerb for HalfClose {
    fn strike(&self, struck: &mut Struck<'_>) {
        struck.half_close(self.by);
    }

    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        open.has_finished(self.by).then_some("that end has finished by itself")
    }

    // What the end that seems to have finished still sends goes nowhere.
    fn silences(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'half_close'\nby = 'client'", "half_close(by client)");
    }

    #[test]
    fn the_other_end_gets_a_fin() {
        let effects = effects("do = 'half_close'\nby = 'client'");
        assert_eq!(effects, ["alice->chat#1: half_close(by client)", "fin to server"]);
    }
}
