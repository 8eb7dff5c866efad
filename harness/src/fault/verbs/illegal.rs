//! `illegal`: bytes that no WebSocket endpoint may send, between two frames.

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Ends, Holds, Key, OnConnection, Trigger, Verb, refusal, to_word};
use crate::plane::{Open, Struck, illegal_bytes};

/// The words for the kinds, in the order of [`IllegalKind::ALL`].
const KINDS: &[&str] = &[
    "close_1005",
    "close_1006",
    "half_close_code",
    "reserved_opcode",
    "reserved_bit",
    "invalid_utf8",
    "wrong_mask",
    "oversize_control",
    "fragmented_control",
    "huge_length",
];

/// Bytes that no WebSocket endpoint may send, between two frames; the connection goes on, if it can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Illegal {
    /// What is wrong with them.
    pub kind: IllegalKind,
    /// Which ends get them, as if the other had sent them.
    #[serde(default)]
    pub to: Ends,
}

impl Verb for Illegal {
    type Place = OnConnection;
    const WORD: &'static str = "illegal";
    const DOES: &'static str = "bytes that no WebSocket endpoint may send, between two frames";
    const KEYS: &'static [Key] = &[Key::required("kind", Holds::Word(KINDS), "what is wrong with the bytes"), Key::TO];

    fn arguments(&self) -> Vec<String> {
        [Some(to_word(&self.kind)), self.to.told_only()].into_iter().flatten().collect()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_frames(Self::WORD, trigger)
    }
}

impl ConnectionVerb for Illegal {
    fn strike(&self, struck: &mut Struck<'_>) {
        for side in self.to.told() {
            struck.send_between_frames(*side, illegal_bytes(self.kind, side.peer().sends()));
        }
    }

    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        (!open.is_websocket()).then_some("the connection is not a WebSocket")
    }

    fn takes_service_away(&self) -> bool {
        true
    }
}

/// What is illegal about injected bytes (RFC 6455; the section in brackets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IllegalKind {
    /// A Close frame with the code 1005, which means that there was none (7.4.1).
    #[serde(rename = "close_1005")]
    Close1005,
    /// A Close frame with the code 1006, which means that there was no Close frame (7.4.1).
    #[serde(rename = "close_1006")]
    Close1006,
    /// A Close frame whose payload is half a code (5.5.1).
    HalfCloseCode,
    /// A frame with an opcode without a definition (5.2).
    ReservedOpcode,
    /// A text frame with a reserved bit set that no extension has given a meaning (5.2).
    ReservedBit,
    /// A text message that is not UTF-8 (8.1).
    InvalidUtf8,
    /// A frame that is not masked although it comes from a client, or is although it comes from a server (5.1).
    WrongMask,
    /// A Ping with more than 125 bytes (5.5).
    OversizeControl,
    /// A Ping that is not its own last fragment (5.5).
    FragmentedControl,
    /// A frame that announces 2^63 - 1 bytes (5.2): legal to write, and no receiver's to take.
    HugeLength,
}

impl IllegalKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::Close1005,
        Self::Close1006,
        Self::HalfCloseCode,
        Self::ReservedOpcode,
        Self::ReservedBit,
        Self::InvalidUtf8,
        Self::WrongMask,
        Self::OversizeControl,
        Self::FragmentedControl,
        Self::HugeLength,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::told;

    #[test]
    fn the_words_are_those_of_the_kinds() {
        assert_eq!(IllegalKind::ALL.map(|kind| to_word(&kind)).as_slice(), KINDS);
    }

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'illegal'\nkind = 'close_1006'", "illegal(close_1006)");
    }
}
