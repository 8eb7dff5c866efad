//! Stable names for what is made at random.

use std::collections::BTreeMap;

use crate::trace::{Record, RecordKind};

/// Ordinals for random ids, by kind, in the order in which the ids appear.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    known: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
}

/// The kinds of ids that services make at random: a prefix and hex digits.
const KINDS: [&str; 3] = ["job-", "s-", "node-"];
/// Fewer hex digits are a person's own numbering: the services' shortest random ids have 8.
const MIN_DIGITS: usize = 8;

impl Aliases {
    /// Numbers the ids in the order in which facts first speak of them, so that no log line moves an ordinal.
    pub(super) fn of(records: &[Record]) -> Self {
        let mut aliases = Self::default();
        for record in records {
            if let RecordKind::Fact(fact) = &record.what {
                aliases.shorten(&fact.key);
                aliases.shorten(fact.value.as_deref().unwrap_or_default());
            }
        }
        aliases
    }

    /// The text with ordinals for random ids, and without addresses.
    pub(super) fn shorten(&mut self, text: &str) -> String {
        let mut short = String::with_capacity(text.len());
        let mut rest = text;
        let mut inside_word = false;
        while let Some(next) = rest.chars().next() {
            let matched = if inside_word { None } else { self.id(rest).or_else(|| address(rest)) };
            let (length, shown) = matched.unwrap_or_else(|| (next.len_utf8(), next.to_string()));
            inside_word = rest[..length].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            short.push_str(&shown);
            rest = &rest[length..];
        }
        short
    }

    fn id(&mut self, text: &str) -> Option<(usize, String)> {
        let kind = KINDS.into_iter().find(|kind| text.starts_with(kind))?;
        let tail = &text[kind.len()..];
        let run = tail.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(tail.len());
        let run = tail[..run].trim_end_matches('-').len();
        let digits = tail[..run].bytes().filter(u8::is_ascii_hexdigit).count();
        let continues = tail[run..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if digits < MIN_DIGITS || continues {
            return None;
        }
        let length = kind.len() + run;
        let counts = &mut self.counts;
        let alias = self.known.entry(text[..length].to_owned()).or_insert_with(|| {
            let count = counts.entry(kind).or_insert(0);
            *count += 1;
            format!("{kind}{count}")
        });
        Some((length, alias.clone()))
    }
}

/// `10.0.0.1:9000` and `[fe80::1]:9000`, with or without their port.
fn address(text: &str) -> Option<(usize, String)> {
    let host = match text.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']').filter(|&end| inner[..end].parse::<std::net::Ipv6Addr>().is_ok())?;
            end + 2
        }
        None => {
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let end = text[..end].trim_end_matches('.').len();
            text[..end].parse::<std::net::Ipv4Addr>().ok()?;
            end
        }
    };
    let port = text[host..].strip_prefix(':').map_or(0, |port| {
        let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
        if digits > 0 { digits + 1 } else { 0 }
    });
    Some((host + port, "<address>".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_become_ordinals_in_order_of_appearance() {
        let mut aliases = Aliases::default();
        assert_eq!(
            aliases.shorten("job-9F4E0EE2 of s-7CD0E883, then job-1FBF2A15 on node-00C0FFEE."),
            "job-1 of s-1, then job-2 on node-1."
        );
        assert_eq!(aliases.shorten("job-1FBF2A15"), "job-2");
        assert_eq!(aliases.shorten("job-550e8400-e29b-41d4-a716-446655440000!"), "job-3!");
    }

    #[test]
    fn names_that_people_gave_stay() {
        let mut aliases = Aliases::default();
        for text in ["job-1", "node-a", "sessions-1234567890", "job-9F4E0EE2x", "jobs-9F4E0EE2", "s-", "über s-"] {
            assert_eq!(aliases.shorten(text), text);
        }
    }

    #[test]
    fn addresses_are_not_shown() {
        let mut aliases = Aliases::default();
        assert_eq!(
            aliases.shorten("connect 10.0.0.12:9000 or [fe80::1]:80: 1.2.3 of 4.5"),
            "connect <address> or <address>: 1.2.3 of 4.5"
        );
    }
}
