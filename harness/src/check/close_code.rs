//! Law: an application sees the close code that its connection ended with.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fact_index::{Entry, facts};
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::name::HostName;
use crate::trace::Seconds;

/// The close codes that applications see (the values of their `detected` facts) are those that are expected. Codes are
/// those of RFC 6455, 7.4, with 1005 for none given and 1006 for no Close frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseCode {
    /// Each code that is seen must be one of these; any, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<u16>,
    /// What each of these hosts sees, in order and completely.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_order: BTreeMap<HostName, Vec<u16>>,
    /// What is seen for each of these keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_key: BTreeMap<String, u16>,
}

impl Check for CloseCode {
    fn name(&self) -> &'static str {
        "close_code"
    }

    fn law(&self) -> &'static str {
        "an application sees the close code that its connection ended with"
    }

    fn needs(&self) -> Vec<FactKind> {
        vec![FactKind::Detected]
    }

    // It bounds what the faults of its scenario lead to.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let seen: Vec<Sighting> = facts(evidence.records)
            .filter(|entry| entry.kind == FactKind::Detected && entry.at <= evidence.last.at)
            .map(|entry| Sighting { code: entry.value.and_then(|value| value.parse().ok()), entry })
            .collect();
        if seen.is_empty() {
            return Err(Finding::new("nothing seen", "no application saw a connection end."));
        }
        for sighting in &seen {
            self.is_expected(sighting)?;
        }
        for (key, code) in &self.by_key {
            if !seen.iter().any(|sighting| sighting.entry.key == key) {
                let sentence = format!("no host saw {key} end; {code} was expected.");
                return Err(Finding::new("nothing seen", sentence));
            }
        }
        for (host, codes) in &self.in_order {
            in_order(host, codes, seen.iter().filter(|sighting| sighting.entry.host == Some(host)))?;
        }
        let codes: BTreeSet<_> = seen.iter().map(Sighting::word).collect();
        Ok(format!("saw {}", codes.into_iter().collect::<Vec<_>>().join(", ")))
    }
}

impl CloseCode {
    fn is_expected(&self, sighting: &Sighting) -> Result<(), Finding> {
        let expected = match self.by_key.get(sighting.entry.key) {
            Some(code) => std::slice::from_ref(code),
            None => &self.any_of,
        };
        if expected.is_empty() || sighting.code.is_some_and(|code| expected.contains(&code)) {
            return Ok(());
        }
        let sentence = format!(
            "{} saw {} for {} at {}; expected was {}.",
            sighting.entry.by(),
            sighting.word(),
            sighting.entry.key,
            Seconds(sighting.entry.at),
            words(expected, " or "),
        );
        Err(Finding::new("other code", sentence).witness([sighting.entry.index]).role(sighting.entry.host))
    }
}

/// What one application saw of the end of one connection.
struct Sighting<'a> {
    entry: Entry<'a>,
    code: Option<u16>,
}

impl Sighting<'_> {
    fn word(&self) -> String {
        match (self.code, self.entry.value) {
            (Some(code), _) => code.to_string(),
            (None, Some(value)) => format!("`{value}`"),
            (None, None) => "no code".to_owned(),
        }
    }
}

fn in_order<'a>(
    host: &HostName,
    expected: &[u16],
    seen: impl Iterator<Item = &'a Sighting<'a>>,
) -> Result<(), Finding> {
    let seen: Vec<_> = seen.collect();
    let codes: Option<Vec<u16>> = seen.iter().map(|sighting| sighting.code).collect();
    if codes.as_deref() == Some(expected) {
        return Ok(());
    }
    let shown: Vec<_> = seen.iter().map(|sighting| sighting.word()).collect();
    let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", then ") };
    let sentence = format!("{host} saw {shown}; expected was {}.", words(expected, ", then "));
    Err(Finding::new("other order", sentence)
        .witness(seen.iter().map(|sighting| sighting.entry.index).take(3))
        .role(Some(host)))
}

fn words(codes: &[u16], between: &str) -> String {
    codes.iter().map(u16::to_string).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;
    use crate::fact::FactKind::Detected;

    #[test]
    fn expected_codes_hold_and_are_listed() {
        let law = CloseCode { any_of: vec![1000, 1006], ..CloseCode::default() };
        assert_eq!(two_ends().held(&law), "saw 1000, 1006");
        let ordered =
            CloseCode { in_order: [("alice".into(), vec![1006, 1000])].into_iter().collect(), ..CloseCode::default() };
        assert_eq!(two_ends().held(&ordered), "saw 1000, 1006");
    }

    #[test]
    fn another_code_is_convicted() {
        let law = CloseCode { any_of: vec![1000], ..CloseCode::default() };
        insta::assert_snapshot!(two_ends().failure(&law));
    }

    #[test]
    fn codes_in_another_order_or_for_another_key_are_convicted() {
        let ordered =
            CloseCode { in_order: [("alice".into(), vec![1000, 1006])].into_iter().collect(), ..CloseCode::default() };
        assert_eq!(two_ends().broken(&ordered), "close_code: other order @ alice");
        let by_key =
            |key: &str| CloseCode { by_key: [(key.to_owned(), 1001)].into_iter().collect(), ..CloseCode::default() };
        assert_eq!(two_ends().broken(&by_key("s-1")), "close_code: other code @ alice");
        assert_eq!(two_ends().broken(&by_key("s-7")), "close_code: nothing seen");
    }

    #[test]
    fn an_end_that_nobody_saw_is_convicted() {
        assert_eq!(TraceBuilder::new().broken(&CloseCode::default()), "close_code: nothing seen");
    }

    fn two_ends() -> TraceBuilder {
        TraceBuilder::new().value(1000, "alice", Detected, "s-1", "1006").value(2000, "alice", Detected, "s-2", "1000")
    }
}
