//! What travels on a path.

use bytes::Bytes;

use crate::fault::FaultIndex;
use crate::name::Direction;
use crate::trace::words_of;

/// A packet.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Syn,
    SynAck,
    Ack,
    Data {
        bytes: Bytes,
        /// How many of the sender's bytes its acknowledgement frees: 0 for injected ones.
        owed: usize,
        /// Who made it, when it was not the sender.
        forged: Option<FaultIndex>,
    },
    Fin {
        forged: Option<FaultIndex>,
    },
    Rst {
        forged: Option<FaultIndex>,
    },
    /// A keepalive segment.
    Probe,
    /// Its acknowledgement.
    ProbeAnswer,
}

impl Packet {
    pub(crate) fn describe(&self, direction: Direction) -> String {
        match self {
            Self::Syn => format!("{direction} SYN"),
            Self::SynAck => format!("{direction} SYN-ACK"),
            Self::Ack => format!("{direction} ACK"),
            Self::Data { bytes, .. } => format!("{direction} data, {} bytes", bytes.len()),
            Self::Fin { .. } => format!("{direction} FIN"),
            Self::Rst { .. } => format!("{direction} RST"),
            Self::Probe => format!("{direction} keepalive"),
            Self::ProbeAnswer => format!("{direction} answer to a keepalive"),
        }
    }

    /// A number that depends on every byte.
    pub(super) fn digest(&self) -> u64 {
        match self {
            Self::Syn => 1,
            Self::SynAck => 2,
            Self::Ack => 3,
            Self::Data { bytes, owed, forged } => {
                let mut digest = 4 ^ (*owed as u64) << 8 ^ u64::from(forged.is_some()) << 4;
                let mut take = |word: u64| digest = (digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
                words_of(bytes, &mut take);
                digest ^ bytes.len() as u64
            }
            Self::Fin { forged } => 5 | u64::from(forged.is_some()) << 4,
            Self::Rst { forged } => 6 | u64::from(forged.is_some()) << 4,
            Self::Probe => 7,
            Self::ProbeAnswer => 8,
        }
    }
}
