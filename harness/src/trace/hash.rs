//! The run's hash. Stories and records can agree while two runs differ in a poll's place or a packet's instant; the
//! hash covers those as well.

use std::fmt;
#[cfg(any(feature = "sim", test))]
use std::hash::{Hash, Hasher};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 128 bits over everything that the engine does, a number at a time. Written in 32 hex digits.
///
/// It is an order-sensitive fingerprint of a run, not protection against anybody. A step multiplies the state, with the
/// number in it, by the multiplier of PCG's generators of 128 bits (O'Neill 2014) and folds the upper half onto the lower;
/// without a number in it each step is a bijection, so no earlier number is forgotten. The algorithm is part of the
/// replay contract: its answers are pinned by tests.
///
/// ```
/// use halfopen::trace::TraceHash;
///
/// let (mut one, mut other) = (TraceHash::default(), TraceHash::default());
/// [1, 2].map(|number| one.absorb(number));
/// [2, 1].map(|number| other.absorb(number));
/// assert_ne!(one, other);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceHash(u128);

impl TraceHash {
    /// The state before the first number: FNV's offset basis of 128 bits, for want of a better reason to be anything.
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    /// PCG's multiplier of 128 bits.
    const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

    /// Takes a number in.
    #[inline]
    pub fn absorb(&mut self, number: u64) {
        let mixed = (self.0 ^ u128::from(number)).wrapping_mul(Self::MULTIPLIER);
        self.0 = mixed ^ mixed >> 64;
    }

    /// Takes a value in, with everything that its `Hash` tells of it.
    #[cfg(any(feature = "sim", test))]
    pub(crate) fn absorb_value(&mut self, value: &impl Hash) {
        value.hash(&mut Told(self));
    }
}

/// What a value's `Hash` tells, number by number.
#[cfg(any(feature = "sim", test))]
struct Told<'a>(&'a mut TraceHash);

#[cfg(any(feature = "sim", test))]
impl Hasher for Told<'_> {
    fn finish(&self) -> u64 {
        self.0.0 as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        // The length as well: a chunk that is not full would otherwise be the same as one that ends with zeros.
        self.0.absorb(bytes.len() as u64);
        words_of(bytes, |word| self.0.absorb(word));
    }

    fn write_u8(&mut self, number: u8) {
        self.0.absorb(u64::from(number));
    }

    fn write_u16(&mut self, number: u16) {
        self.0.absorb(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.0.absorb(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0.absorb(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.0.absorb(number as u64);
    }
}

/// Gives out bytes as little-endian numbers of eight each; the last, if it is not full, as one that ends with zeros.
#[inline]
pub(crate) fn words_of(bytes: &[u8], mut take: impl FnMut(u64)) {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| take(u64::from_le_bytes(*word)));
    if !rest.is_empty() {
        // Byte by byte: a copy of an unknown length costs a call.
        take(rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
}

impl Default for TraceHash {
    fn default() -> Self {
        Self(Self::BASIS)
    }
}

impl Serialize for TraceHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        u128::from_str_radix(&digits, 16).map(Self).map_err(D::Error::custom)
    }
}

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_answers_are_pinned() {
        assert_eq!(hash_of(&[]).to_string(), "6c62272e07bb014262b821756295c58d");
        assert_eq!(hash_of(&[0]).to_string(), "7496c1828374add6d4f3a5fdfefb10d7");
        assert_eq!(hash_of(&[1, u64::MAX, 1 << 63]).to_string(), "01ce9c36fd412cc09f5f476c11a4e132");
    }

    #[test]
    fn the_order_of_what_is_absorbed_counts() {
        assert_ne!(hash_of(&[1, 2]), hash_of(&[2, 1]));
        assert_ne!(hash_of(&[0]), hash_of(&[0, 0]));
    }

    #[test]
    fn one_bit_anywhere_changes_many_bits() {
        let mut seen = BTreeSet::new();
        let plain = hash_of(&[0; 8]);
        for place in 0..8 {
            for bit in 0..64 {
                let mut numbers = [0; 8];
                numbers[place] = 1 << bit;
                let changed = hash_of(&numbers);
                assert!(seen.insert(changed));
                // The last number has had one step: its highest bits have moved the least.
                let least = if place == 7 { 2 } else { 20 };
                assert!((changed.0 ^ plain.0).count_ones() >= least, "bit {bit} of number {place}");
            }
        }
    }

    #[test]
    fn a_values_every_part_counts() {
        let values = ["", "a", "b", "a\0", "a\0\0", "12345678", "123456789", "12345678\0"];
        let seen: BTreeSet<_> = values
            .iter()
            .map(|value| {
                let mut hash = TraceHash::default();
                hash.absorb_value(value);
                hash
            })
            .collect();
        assert_eq!(seen.len(), values.len());
        let (mut one, mut other) = (TraceHash::default(), TraceHash::default());
        one.absorb_value(&("ab", "c"));
        other.absorb_value(&("a", "bc"));
        assert_ne!(one, other);
    }

    fn hash_of(numbers: &[u64]) -> TraceHash {
        let mut hash = TraceHash::default();
        numbers.iter().for_each(|number| hash.absorb(*number));
        hash
    }
}
