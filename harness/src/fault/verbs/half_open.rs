//! `half_open`: silence with no FIN and no RST.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Holds, Key, Lacked, OnConnection, Verb, time, to_word, words};
use crate::name::Direction;
use crate::plane::Struck;

/// Silence with no FIN and no RST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfOpen {
    /// How silent.
    pub kind: HalfOpenKind,
    /// Which directions fall silent.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub heal_after: Option<Duration>,
}

impl Verb for HalfOpen {
    type Place = OnConnection;
    const WORD: &'static str = "half_open";
    const DOES: &'static str = "silence with no FIN and no RST";
    const KEYS: &'static [Key] = &[
        Key::required("kind", Holds::Word(&["blackhole", "stall", "discard"]), "how silent"),
        Key::DIRECTION,
        Key::HEAL_AFTER,
    ];

    fn arguments(&self) -> Vec<String> {
        let way = self.direction.map(|direction| direction.to_string());
        [Some(to_word(&self.kind)), way, words::after("heals", self.heal_after)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.heal_after
    }
}

impl ConnectionVerb for HalfOpen {
    fn strike(&self, struck: &mut Struck<'_>) {
        for silent in words::ways(self.direction) {
            struck.silence(silent, self.kind);
        }
    }

    fn takes_service_away(&self) -> bool {
        true
    }

    fn silences(&self) -> bool {
        true
    }

    fn lacked(&self) -> Lacked {
        Lacked::Packets
    }
}

/// The three half-opens (they differ in what the sender's kernel learns).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HalfOpenKind {
    /// Nothing is acknowledged.
    Blackhole,
    /// The receiver's window stays closed: acknowledged up to its buffers, then nothing.
    Stall,
    /// Everything is acknowledged and thrown away.
    Discard,
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn it_reads_as_it_is_told() {
        told(
            "do = 'half_open'\nkind = 'stall'\ndirection = 'to_client'\nheal_after = '30s'",
            "half_open(stall, to_client, heals after 30s)",
        );
    }

    #[test]
    fn a_direction_falls_silent_and_no_end_is_told() {
        let effects = effects("do = 'half_open'\nkind = 'blackhole'\ndirection = 'to_server'");
        assert_eq!(effects, ["alice->chat#1: half_open(blackhole, to_server)", "to_server silent Blackhole"]);
    }
}
