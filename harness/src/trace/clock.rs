//! Times for people.

use std::fmt;
use std::time::Duration;

/// A time in seconds with two significant digits (`0.042s`, `3.1s`, `42s`, `620s`), and never finer than a millisecond
/// (`0.004s`, `0s`), since links deliver in whole ones.
///
/// Two digits are what a reader compares; the third is the link's latency, and would change a reviewed story whenever a
/// packet more or less is sent. The unit is always the second, so that a column of them can be read down.
///
/// ```
/// use std::time::Duration;
/// use halfopen::trace::Seconds;
///
/// assert_eq!(Seconds(Duration::from_millis(41_740)).to_string(), "42s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let rounded = round_to_two_digits(nanos);
        let (whole, fraction) = (rounded / 1_000_000_000, rounded % 1_000_000_000);
        let mut text = whole.to_string();
        if whole < 10 && rounded > 0 {
            let digits = format!("{fraction:09}");
            let shown = if whole > 0 { 1 } else { (first_digit(&digits) + 2).min(3) };
            text.push('.');
            text.push_str(&digits[..shown]);
        }
        text.push('s');
        f.pad(&text)
    }
}

const NANOS_PER_MILLISECOND: u128 = 1_000_000;

/// Integer arithmetic, half up: a float would make the text depend on how it was computed.
fn round_to_two_digits(nanos: u128) -> u128 {
    let mut step = 1;
    while nanos / step >= 100 || step < NANOS_PER_MILLISECOND {
        step *= 10;
    }
    (nanos + step / 2) / step * step
}

fn first_digit(digits: &str) -> usize {
    digits.bytes().position(|digit| digit != b'0').unwrap_or(digits.len())
}

/// Times as [`Seconds`] writes them, but for those that differ and would look the same: these get as many digits behind the
/// point as tell them apart. A sentence that says "only at" must not seem to name one time twice.
pub(crate) fn told_apart<const N: usize>(times: [Duration; N]) -> [String; N] {
    let brief = times.map(|time| Seconds(time).to_string());
    let collides = |time: Duration, text: &str| (0..N).any(|n| times[n] != time && brief[n] == text);
    let digits = (0..=9).find(|&digits| {
        let texts = times.map(|time| with_digits(time, digits));
        (0..N).all(|a| (0..a).all(|b| times[a] == times[b] || texts[a] != texts[b]))
    });
    std::array::from_fn(|n| match digits {
        Some(digits) if collides(times[n], &brief[n]) => with_digits(times[n], digits),
        Some(_) | None => brief[n].clone(),
    })
}

fn with_digits(time: Duration, digits: u32) -> String {
    let step = 10_u128.pow(9 - digits);
    let rounded = (time.as_nanos() + step / 2) / step * step;
    let (whole, fraction) = (rounded / 1_000_000_000, format!("{:09}", rounded % 1_000_000_000));
    match digits {
        0 => format!("{whole}s"),
        1.. => format!("{whole}.{}s", fraction.chars().take(digits as usize).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_differ_differ_in_print() {
        let told = |millis: [u64; 3]| told_apart(millis.map(Duration::from_millis));
        assert_eq!(told([1500, 1501, 9000]), ["1.500s", "1.501s", "9.0s"]);
        assert_eq!(told([60_000, 60_200, 5000]), ["60.0s", "60.2s", "5.0s"]);
        assert_eq!(told([1500, 1500, 9000]), ["1.5s", "1.5s", "9.0s"]);
        assert_eq!(told([624_900, 620_000, 1000]), ["625s", "620s", "1.0s"]);
        assert_eq!(told_apart([Duration::from_nanos(1), Duration::ZERO]), ["0.000000001s", "0.000000000s"]);
    }

    #[test]
    fn a_time_has_two_significant_digits() {
        for (nanos, text) in [
            (0, "0s"),
            (400_000, "0s"),
            (1_000_000, "0.001s"),
            (42_300_000, "0.042s"),
            (100_000_000, "0.10s"),
            (999_000_000, "1.0s"),
            (1_040_000_000, "1.0s"),
            (1_050_000_000, "1.1s"),
            (9_960_000_000, "10s"),
            (41_740_000_000, "42s"),
            (624_900_000_000, "620s"),
        ] {
            assert_eq!(Seconds(Duration::from_nanos(nanos)).to_string(), text, "of {nanos} ns");
        }
    }

    #[test]
    fn a_time_can_be_aligned() {
        assert_eq!(format!("{:>7}", Seconds(Duration::from_secs(3))), "   3.0s");
    }
}
