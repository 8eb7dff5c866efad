//! Seeds, and all the randomness that is drawn from them.
//!
//! A [`Seed`] is the root of a [`SeedTree`]. A part of the harness that needs random numbers takes a child of the tree
//! for that purpose alone and draws from it: a draw that is added, or left out, in one place moves no number anywhere
//! else.
//!
//! The algorithms are a promise: a seed that was printed years ago must still give the same run, so they are written
//! out here, depend on no library, and their answers are pinned by tests.
//!
//! - The key of the root is `mix(seed)`, where `mix` is one step of SplitMix64 (Steele, Lea, Flood 2014).
//! - The key of a child is `mix(h)`, where `h` is the label's FNV-1a hash (64 bits) started at the parent's key.
//! - A key becomes a generator by taking four steps of SplitMix64 from it as the state of xoshiro256** (Blackman, Vigna
//!   2018).

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use halfopen_machine::SplitMix64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where all randomness of a run comes from. Written in hex, `0x2a`.
///
/// ```
/// use halfopen::Seed;
///
/// assert_eq!("42".parse(), Ok(Seed(42)));
/// assert_eq!("0x2a".parse(), Ok(Seed(42)));
/// assert_eq!(Seed(42).to_string(), "0x2a");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seed(pub u64);

/// A text that is no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no seed: a seed is a decimal number below 2^64, `0x` with up to 16 hex digits, or a commit hash of 40 \
     hex digits"
)]
pub struct SeedError {
    /// The text.
    pub text: String,
}

impl FromStr for Seed {
    type Err = SeedError;

    /// Reads a decimal number, a hex number after `0x`, or a commit hash (its first 16 digits count).
    fn from_str(text: &str) -> Result<Self, SeedError> {
        let hex = |digits: &str| {
            let is_hex = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        let number = if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            hex(digits)
        } else if text.len() == COMMIT_HASH_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            hex(&text[..16])
        } else if text.bytes().all(|digit| digit.is_ascii_digit()) {
            text.parse().ok()
        } else {
            None
        };
        number.map(Self).ok_or_else(|| SeedError { text: text.to_owned() })
    }
}

/// The length of a SHA-1 in hex, as git writes commits.
const COMMIT_HASH_DIGITS: usize = 40;

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:#x}", self.0))
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A node in the tree of generators: each purpose has its own, found by the labels that lead to it.
///
/// ```
/// use halfopen::internals::SeedTree;
/// use halfopen::Seed;
///
/// let tree = SeedTree::new(Seed(42));
/// let mut ties = tree.child("network").child("ties").draws();
/// let mut plan = tree.child("plan").draws();
/// assert_ne!(ties.next_u64(), plan.next_u64());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedTree {
    key: u64,
}

impl SeedTree {
    /// The root of a seed's tree.
    pub fn new(seed: Seed) -> Self {
        Self { key: SplitMix64::new(seed.0).next_u64() }
    }

    /// The node for a purpose. Equal labels give equal nodes.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        /// FNV's 64-bit prime.
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let hash = label.bytes().fold(self.key, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        Self { key: SplitMix64::new(hash).next_u64() }
    }

    /// This node's generator, at its start.
    pub fn draws(&self) -> Draws {
        let mut split = SplitMix64::new(self.key);
        Draws { state: std::array::from_fn(|_| split.next_u64()) }
    }
}

/// A generator of random numbers (xoshiro256**). No protection against anybody who wants to guess them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draws {
    state: [u64; 4],
}

impl Draws {
    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, each as likely as any other (Lemire 2019).
    ///
    /// # Panics
    ///
    /// If `bound` is 0: no number is below it.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        // The low words below this would make some results likelier than others.
        let surplus = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let (high, low) = ((product >> 64) as u64, product as u64);
            if low >= surplus {
                return high;
            }
        }
    }

    /// A number of a range, ends included, each as likely as any other.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        assert!(!range.is_empty(), "no number is in an empty range");
        match (range.end() - range.start()).checked_add(1) {
            Some(width) => range.start() + self.below(width),
            None => self.next_u64(),
        }
    }

    /// A duration of a range, ends included, in whole milliseconds: the timers of tokio know nothing finer.
    ///
    /// # Panics
    ///
    /// If the range holds no whole millisecond.
    pub fn duration(&mut self, range: RangeInclusive<Duration>) -> Duration {
        let whole = |ms: u128| u64::try_from(ms).unwrap_or(u64::MAX);
        let least = whole(range.start().as_nanos().div_ceil(1_000_000));
        Duration::from_millis(self.range(least..=whole(range.end().as_millis())))
    }

    /// One of several, each as likely as any other.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let place = self.below(of.len() as u64);
        &of[place as usize]
    }

    /// Random bytes: each draw gives eight, least significant first.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let draw = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&draw[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_seed_is_a_decimal_number_a_hex_number_or_a_commit_hash() {
        for (text, seed) in [
            ("0", 0),
            ("18446744073709551615", u64::MAX),
            ("0xC0ffee", 0xc0_ffee),
            ("0xffffffffffffffff", u64::MAX),
            ("c655cd5b7e8f90123456789abcdef0123456789a", 0xc655_cd5b_7e8f_9012),
            ("1234567890123456789012345678901234567890", 0x1234_5678_9012_3456),
        ] {
            assert_eq!(text.parse(), Ok(Seed(seed)), "{text}");
        }
    }

    #[test]
    fn a_bad_seed_is_an_error_that_says_what_would_be_right() {
        for text in ["", "-1", "+1", "4 2", "0x", "0x+1", "0x10000000000000000", "18446744073709551616", "c655cd5", "ä"]
        {
            let error = text.parse::<Seed>().expect_err(text);
            assert_eq!(error.text, text);
        }
        insta::assert_snapshot!(
            "tuesday".parse::<Seed>().expect_err("no seed"),
            @"`tuesday` is no seed: a seed is a decimal number below 2^64, `0x` with up to 16 hex digits, or a commit hash of 40 hex digits"
        );
    }

    #[test]
    fn the_published_answers_of_xoshiro256_star_star_hold() {
        let mut draws = Draws { state: [1, 2, 3, 4] };
        let answers: Vec<u64> = (0..6).map(|_| draws.next_u64()).collect();
        assert_eq!(
            answers,
            [11520, 0, 1_509_978_240, 1_215_971_899_390_074_240, 1_216_172_134_540_287_360, 607_988_272_756_665_600]
        );
    }

    #[test]
    fn what_a_seed_gives_can_never_change() {
        let tree = SeedTree::new(Seed(42));
        let mut fault = tree.child("plan").child("fault 3").draws();
        let mut bytes = [0; 11];
        let answers = (
            tree.draws().next_u64(),
            fault.next_u64(),
            fault.below(1000),
            fault.range(10..=20),
            fault.duration(Duration::from_secs(1)..=Duration::from_secs(60)),
            *fault.pick(&["blackhole", "stall", "discard"]),
            fault.below(2) < 1,
            {
                fault.fill(&mut bytes);
                bytes
            },
        );
        insta::assert_debug_snapshot!(answers, @r#"
        (
            1865750160070900731,
            8716967326469626999,
            489,
            16,
            20.177s,
            "discard",
            true,
            [
                113,
                112,
                48,
                42,
                95,
                22,
                214,
                79,
                129,
                109,
                106,
            ],
        )
        "#);
    }

    #[test]
    fn labels_do_not_run_into_each_other() {
        let tree = SeedTree::new(Seed(0));
        let nodes = [
            tree.clone(),
            tree.child(""),
            tree.child("a"),
            tree.child("b"),
            tree.child("ab"),
            tree.child("a").child("b"),
            tree.child("b").child("a"),
        ];
        for (place, node) in nodes.iter().enumerate() {
            assert!(!nodes[..place].contains(node), "node {place} is an earlier one");
        }
    }

    #[test]
    fn every_number_below_a_bound_is_as_likely_as_any_other() {
        let mut draws = SeedTree::new(Seed(7)).draws();
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[draws.below(6) as usize] += 1;
        }
        // Five standard deviations of a fair die.
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 460), "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_seed_reads_back_as_it_was_written(seed: u64) {
            prop_assert_eq!(Seed(seed).to_string().parse(), Ok(Seed(seed)));
            prop_assert_eq!(seed.to_string().parse(), Ok(Seed(seed)));
        }

        #[test]
        fn a_draw_is_in_its_range(seed: u64, one: u64, other: u64) {
            let mut draws = SeedTree::new(Seed(seed)).draws();
            let range = one.min(other)..=one.max(other);
            prop_assert!(range.contains(&draws.range(range.clone())));
        }
    }
}
