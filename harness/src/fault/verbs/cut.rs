//! `cut`: what passed the trigger's point passes no more; then the ending.

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, HalfOpenKind, Holds, Key, OnConnection, Verb, to_word};
use crate::name::Direction;
use crate::plane::Struck;

/// What passed the trigger's point passes no more; then the ending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// How each end learns of it.
    #[serde(default)]
    pub ending: CutEnding,
}

impl Verb for Cut {
    type Place = OnConnection;
    const WORD: &'static str = "cut";
    const DOES: &'static str = "what passed the trigger's point passes no more; then the ending";
    const KEYS: &'static [Key] =
        &[Key::or("ending", Holds::Word(&["fin", "rst", "silence"]), "\"fin\"", "how each end learns of it")];

    fn arguments(&self) -> Vec<String> {
        vec![to_word(&self.ending)]
    }
}

impl ConnectionVerb for Cut {
    fn strike(&self, struck: &mut Struck<'_>) {
        // The reader of the cut direction learns first.
        let first = struck.reader();
        match self.ending {
            CutEnding::Fin => [first, first.peer()].into_iter().for_each(|side| struck.finish(side)),
            CutEnding::Rst => [first, first.peer()].into_iter().for_each(|side| struck.reset(side)),
            CutEnding::Silence => {
                Direction::BOTH.into_iter().for_each(|way| struck.silence(way, HalfOpenKind::Blackhole));
            }
        }
    }

    fn takes_service_away(&self) -> bool {
        true
    }

    fn is_final(&self) -> bool {
        match self.ending {
            CutEnding::Fin | CutEnding::Rst => true,
            CutEnding::Silence => false,
        }
    }

    fn leaves_nothing(&self) -> bool {
        self.is_final()
    }

    fn silences(&self) -> bool {
        !self.is_final()
    }
}

/// How a cut connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum CutEnding {
    /// FIN to both ends.
    #[default]
    Fin,
    /// RST to both ends.
    Rst,
    /// Nothing: the rest never arrives.
    Silence,
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'cut'\nending = 'rst'", "cut(rst)");
    }

    #[test]
    fn silence_tells_no_end() {
        let effects = effects("do = 'cut'\nending = 'silence'");
        assert_eq!(
            effects,
            ["alice->chat#1: cut(silence)", "to_server silent Blackhole", "to_client silent Blackhole"]
        );
    }
}
