//! The run's hash. Stories and records can agree while two runs differ in a poll's place or a packet's instant; the
//! hash covers those as well.

use std::fmt;

/// FNV-1a with 128 bits (draft-eastlake-fnv), fed with everything that the engine does. Written in 32 hex digits.
///
/// It is an order-sensitive fingerprint of a run, not protection against anybody. The algorithm is part of the replay
/// contract: its answers are pinned by tests.
///
/// ```
/// use halfopen::trace::TraceHash;
///
/// let mut hash = TraceHash::default();
/// hash.absorb(b"foobar");
/// assert_eq!(hash.to_string(), "343e1662793c64bf6f0d3597ba446f18");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceHash(u128);

impl TraceHash {
    /// FNV's 128-bit offset basis.
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    /// FNV's 128-bit prime, 2^88 + 2^8 + 0x3b.
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    /// Takes bytes in. Calls are not framed: whoever absorbs two things of varying length absorbs their lengths, too.
    pub fn absorb(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(Self::PRIME);
        }
    }

    /// Takes a number in, as eight bytes, least significant first.
    pub fn absorb_u64(&mut self, number: u64) {
        self.absorb(&number.to_le_bytes());
    }
}

impl Default for TraceHash {
    fn default() -> Self {
        Self(Self::BASIS)
    }
}

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_answers_of_fnv_1a_hold() {
        for (input, answer) in [
            ("", "6c62272e07bb014262b821756295c58d"),
            ("a", "d228cb696f1a8caf78912b704e4a8964"),
            ("foobar", "343e1662793c64bf6f0d3597ba446f18"),
        ] {
            assert_eq!(hash_of(input.as_bytes()).to_string(), answer, "of {input:?}");
        }
    }

    #[test]
    fn a_number_is_eight_bytes_least_significant_first() {
        let mut number = TraceHash::default();
        number.absorb_u64(0x0102);
        assert_eq!(number, hash_of(&[2, 1, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn the_order_of_what_is_absorbed_counts() {
        assert_ne!(hash_of(b"ab"), hash_of(b"ba"));
    }

    fn hash_of(bytes: &[u8]) -> TraceHash {
        let mut hash = TraceHash::default();
        hash.absorb(bytes);
        hash
    }
}
