//! `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.

use std::time::Duration;

/// The longest that is believed: who is told to come back next year is better served by asking tomorrow.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long the sender of an answer asks to be left alone. `date` is the answer's own `Date`, beside which a date in the
/// header is read, because the sender's clock is the only one that it can mean. `None` for what cannot be understood.
///
/// ```
/// use std::time::Duration;
/// use halfopen_upstream::retry_after;
///
/// assert_eq!(retry_after::read("3", None), Some(Duration::from_secs(3)));
/// let (then, now) = ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:29 GMT");
/// assert_eq!(retry_after::read(then, Some(now)), Some(Duration::from_secs(30)));
/// ```
#[must_use]
pub fn read(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a long time.
        return Some(value.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(then.duration_since(now).unwrap_or(Duration::ZERO).min(LONGEST))
}

/// As `retry-after-ms`, which some servers send beside it: milliseconds, with or without a fraction.
#[must_use]
pub fn read_ms(value: &str) -> Option<Duration> {
    let millis: f64 = value.trim().parse().ok()?;
    (millis >= 0.0 && millis.is_finite()).then(|| Duration::from_millis(millis as u64).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else_is() {
        let seconds = |value| read(value, None).map(|after| after.as_secs());
        assert_eq!([" 0", "7 ", "120"].map(seconds), [Some(0), Some(7), Some(120)]);
        assert_eq!(["", "-1", "1.5", "soon", "0x3"].map(seconds), [None; 5]);
        assert_eq!(["99999999999999999999999", "86401"].map(seconds), [Some(86400); 2]);
    }

    #[test]
    fn a_date_means_nothing_without_the_clock_of_who_sent_it_and_a_past_one_means_now() {
        let (early, late) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:00 GMT");
        assert_eq!(read(late, Some(early)), Some(Duration::from_secs(23)));
        assert_eq!(read(early, Some(late)), Some(Duration::ZERO));
        assert_eq!((read(late, None), read(late, Some("today"))), (None, None));
    }

    #[test]
    fn milliseconds_may_have_a_fraction() {
        assert_eq!(
            ["250", "0.5", " 1500.9 "].map(read_ms).map(|after| after.map(|it| it.as_millis())),
            [Some(250), Some(0), Some(1500)]
        );
        assert_eq!(["", "-1", "NaN", "inf", "soon"].map(read_ms), [None; 5]);
    }
}
