//! Messages that may be shown to a client: no key, no token, no internal address, and short.
//!
//! A secret is not searched for inside a message: no list of shapes finds every provider's key. A message that may hold a
//! secret ([`may_hold_a_secret`]) is withheld as a whole. Addresses and file paths, which can be told by their form, are replaced where
//! they stand.

mod secrets;

use std::net::{IpAddr, SocketAddr};

pub use secrets::may_hold_a_secret;

/// The longest message a client is shown, characters: an error event once carried a whole stack trace.
pub const MESSAGE_CHARS: usize = 200;

/// Replaces a message that may hold a secret. It passes its own test.
pub const WITHHELD: &str = "[message withheld]";

/// Name suffixes that exist only inside a network.
const INTERNAL_SUFFIXES: [&str; 6] = [".internal", ".local", ".localdomain", ".lan", ".svc", ".cluster"];

/// A shortened copy of `message` without addresses and file paths, or [`WITHHELD`] if `message` may hold a secret.
///
/// ```
/// use halfopen_gateway::sanitise::{WITHHELD, sanitise};
///
/// assert_eq!(sanitise("connect to 10.0.0.7:8000 failed"), "connect to [address] failed");
/// assert_eq!(sanitise("Incorrect API key provided: abc123"), WITHHELD);
/// ```
pub fn sanitise(message: &str) -> String {
    if may_hold_a_secret(message) {
        return WITHHELD.to_owned();
    }
    let mut clean = String::with_capacity(message.len().min(4 * MESSAGE_CHARS));
    for piece in pieces(message) {
        match piece {
            Piece::Gap(gap) => clean.push(if gap.is_control() { ' ' } else { gap }),
            Piece::Word(word) => {
                let bare = word.trim_end_matches(|c: char| ".:!".contains(c));
                clean.push_str(stand_in(bare).unwrap_or(bare));
                clean.push_str(&word[bare.len()..]);
            }
        }
    }
    shorten(&clean)
}

enum Piece<'a> {
    Word(&'a str),
    Gap(char),
}

/// Splits at whitespace, quotes and the punctuation that never occurs inside an address. A URL keeps its query, which may
/// carry a secret.
fn pieces(message: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        if is_gap(first) || ends_a_name(first) {
            rest = &rest[first.len_utf8()..];
            return Some(Piece::Gap(first));
        }
        let gap = rest.find(is_gap).unwrap_or(rest.len());
        let end = if rest[..gap].contains("://") { gap } else { rest.find(ends_a_name).unwrap_or(gap).min(gap) };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Word(word))
    })
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`,;(){}<>|".contains(c)
}

fn ends_a_name(c: char) -> bool {
    "=&?".contains(c)
}

fn stand_in(bare: &str) -> Option<&'static str> {
    if is_address(bare) { Some("[address]") } else { is_path(bare).then_some("[path]") }
}

fn is_address(word: &str) -> bool {
    if word.contains("://") {
        return true;
    }
    let host = word.split('/').next().unwrap_or(word);
    let unbracketed = host.trim_start_matches('[').trim_end_matches(']');
    if host.parse::<SocketAddr>().is_ok() || unbracketed.parse::<IpAddr>().is_ok() {
        return true;
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    if name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let lower = name.to_ascii_lowercase();
    if INTERNAL_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix) || lower.contains(&format!("{suffix}."))) {
        return true;
    }
    let is_name = |name: &str| {
        name.chars().any(|c| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_alphanumeric() || "-._".contains(c))
    };
    port.is_some_and(|port| (2..=5).contains(&port.len()) && port.parse::<u16>().is_ok()) && is_name(name)
}

fn is_path(word: &str) -> bool {
    let rooted = word.starts_with('/') && word[1..].contains('/');
    let drive = word.len() > 3 && word.as_bytes()[0].is_ascii_alphabetic() && word[1..].starts_with(":\\");
    rooted || drive
}

fn shorten(message: &str) -> String {
    let message = message.trim();
    if message.chars().count() <= MESSAGE_CHARS {
        return message.to_owned();
    }
    let mut short: String = message.chars().take(MESSAGE_CHARS - 1).collect();
    short.push('…');
    short
}
