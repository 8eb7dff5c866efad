//! How a gauge's law is written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::leaks::{EstablishedSockets, GaugeBounds, GaugeLaw};
use crate::name::HostName;

/// The keys of a gauge's table.
const KEYS: [&str; 6] = ["at_most", "at_least", "at_rest", "established_on", "with", "optional"];

impl<'de> Deserialize<'de> for GaugeLaw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = GaugeLaw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(
            "a gauge's value at the end (a whole number), its bounds at all times (`{ at_most = 5 }`), or whose sockets \
             it counts (`{ established_on = \"chat\" }`)",
        )
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<GaugeLaw, E> {
        Ok(GaugeLaw::Value(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<GaugeLaw, E> {
        i64::try_from(value).map(GaugeLaw::Value).map_err(|_| E::custom(format!("the number {value} is too large")))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<GaugeLaw, M::Error> {
        let mut bounds = GaugeBounds::default();
        let (mut established_on, mut with): (Option<HostName>, Option<HostName>) = (None, None);
        let mut optional = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "at_most" => bounds.at_most = Some(map.next_value()?),
                "at_least" => bounds.at_least = Some(map.next_value()?),
                "at_rest" => bounds.at_rest = Some(map.next_value()?),
                "established_on" => established_on = Some(map.next_value()?),
                "with" => with = Some(map.next_value()?),
                "optional" => optional = map.next_value()?,
                other => return Err(M::Error::unknown_field(other, &KEYS)),
            }
        }
        let bounded = bounds != GaugeBounds::default();
        match (established_on, with, bounded) {
            (Some(established_on), with, false) => {
                Ok(GaugeLaw::Sockets(EstablishedSockets { established_on, with, optional }))
            }
            (None, None, true) => {
                possible(GaugeBounds { optional, ..bounds }).map(GaugeLaw::Bounds).map_err(M::Error::custom)
            }
            (Some(_), _, true) => Err(M::Error::custom(
                "a gauge counts sockets (`established_on`) or has bounds (`at_most`, `at_least`, `at_rest`), not both",
            )),
            (None, Some(_), _) => {
                Err(M::Error::custom("`with` says with whom sockets are established, and needs `established_on`"))
            }
            (None, None, false) => Err(M::Error::custom(
                "a gauge's law says something: `at_most`, `at_least`, `at_rest`, or `established_on`",
            )),
        }
    }
}

/// Refuses bounds that no value keeps.
fn possible(bounds: GaugeBounds) -> Result<GaugeBounds, &'static str> {
    let below = |low: Option<i64>, high: Option<i64>| low.zip(high).is_some_and(|(low, high)| high < low);
    let GaugeBounds { at_most, at_least, at_rest, optional: _ } = bounds;
    if below(at_least, at_most) || below(at_rest, at_most) || below(at_least, at_rest) {
        return Err(
            "no value keeps these bounds: `at_least` is no more than `at_rest`, and that no more than `at_most`",
        );
    }
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Leaks;

    #[test]
    fn a_gauge_has_a_value_bounds_or_sockets() {
        let sockets = |with: Option<&str>| {
            let with = with.map(HostName::from);
            GaugeLaw::Sockets(EstablishedSockets { established_on: "chat".into(), with, optional: false })
        };
        let bounds =
            |at_most, at_least, at_rest| GaugeLaw::Bounds(GaugeBounds { at_most, at_least, at_rest, optional: false });
        let untold = GaugeBounds { at_rest: Some(0), optional: true, ..GaugeBounds::default() };
        for (written, read) in [
            ("3", GaugeLaw::Value(3)),
            ("{ established_on = \"chat\" }", sockets(None)),
            ("{ established_on = \"chat\", with = \"bob\" }", sockets(Some("bob"))),
            ("{ at_most = 5 }", bounds(Some(5), None, None)),
            ("{ at_rest = 0, optional = true }", GaugeLaw::Bounds(untold)),
            ("{ at_least = 1, at_most = 5, at_rest = 1 }", bounds(Some(5), Some(1), Some(1))),
        ] {
            assert_eq!(law(written), Ok(read), "{written}");
        }
    }

    #[test]
    fn what_is_no_law_of_a_gauge_is_told_with_what_would_be_one() {
        for (written, part) in [
            ("{ optional = true }", "a gauge's law says something"),
            ("{}", "a gauge's law says something: `at_most`, `at_least`, `at_rest`, or `established_on`"),
            ("{ at_mots = 5 }", "unknown field `at_mots`, expected one of `at_most`"),
            ("{ at_most = 5, established_on = \"chat\" }", "not both"),
            ("{ with = \"chat\" }", "needs `established_on`"),
            ("{ at_most = 1, at_least = 2 }", "no value keeps these bounds"),
            ("{ at_most = 1, at_rest = 2 }", "no value keeps these bounds"),
            ("{ at_most = \"5\" }", "invalid type: string"),
            ("\"five\"", "expected a gauge's value at the end (a whole number), its bounds at all times"),
        ] {
            let error = law(written).expect_err("a mistake");
            assert!(error.contains(part), "{written}: {error}");
        }
    }

    fn law(written: &str) -> Result<GaugeLaw, String> {
        let leaks: Result<Leaks, _> = toml::from_str(&format!("gauges = {{ queued = {written} }}"));
        leaks.map(|leaks| leaks.gauges["queued"].clone()).map_err(|error| error.to_string())
    }
}
