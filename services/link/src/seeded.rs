//! A generator for cores: small, fast, the same on every platform and in every release. Not for secrets.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014). The algorithm is pinned here so that a seed means the same for ever.
#[derive(Clone, Debug)]
pub struct Seeded {
    state: u64,
}

impl Seeded {
    /// A generator; equal seeds give equal draws.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A duration from zero up to and including `most`, in whole milliseconds (tokio's timers have no finer grain).
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let steps = u64::try_from(most.as_millis()).unwrap_or(u64::MAX - 1) + 1;
        Duration::from_millis(self.draw() % steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_sequence() {
        let mut generator = Seeded::new(1_234_567);
        assert_eq!(generator.draw(), 6_457_827_717_110_365_317);
        assert_eq!(generator.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_drawn_duration_stays_within_its_bound() {
        let mut generator = Seeded::new(7);
        let most = Duration::from_millis(100);
        assert!((0..1_000).all(|_| generator.up_to(most) <= most));
        assert_eq!(generator.up_to(Duration::ZERO), Duration::ZERO);
    }
}
