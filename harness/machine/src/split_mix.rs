//! A generator of random numbers for machines: small, the same on every platform and in every release. Not for secrets.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014). The algorithm is written out here, and depends on no library, so that a seed means the
/// same for ever.
///
/// ```
/// use halfopen_machine::SplitMix64;
///
/// let mut one = SplitMix64::new(42);
/// let mut other = SplitMix64::new(42);
/// assert_eq!(one.next_u64(), other.next_u64());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The generator of a seed; equal seeds give equal numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next bytes: those of as many draws as are needed, each in big-endian order.
    pub fn next_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(size_of::<u64>()) {
            chunk.copy_from_slice(&self.next_u64().to_be_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// A duration from zero up to and including `most`, in whole milliseconds (tokio's timers are no finer). Each is as likely as any
    /// other, but for a bias of less than `most` in 2^64.
    pub fn duration_up_to(&mut self, most: Duration) -> Duration {
        // A `most` of more than 2^64 ms is beyond every clock; the bound is then the largest that can be drawn.
        let steps = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        Duration::from_millis(self.next_u64() % steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_sequence() {
        let mut generator = SplitMix64::new(1_234_567);
        assert_eq!(generator.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(generator.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn bytes_are_those_of_the_sequence() {
        let mut numbers = SplitMix64::new(7);
        let (first, second) = (numbers.next_u64().to_be_bytes(), numbers.next_u64().to_be_bytes());
        let bytes: [u8; 12] = SplitMix64::new(7).next_bytes();
        assert_eq!((&bytes[..8], &bytes[8..]), (&first[..], &second[..4]));
    }

    #[test]
    fn a_drawn_duration_stays_within_its_bound() {
        let mut generator = SplitMix64::new(7);
        let most = Duration::from_millis(100);
        assert!((0..1_000).all(|_| generator.duration_up_to(most) <= most));
        assert_eq!(generator.duration_up_to(Duration::ZERO), Duration::ZERO);
        generator.duration_up_to(Duration::MAX);
    }
}
