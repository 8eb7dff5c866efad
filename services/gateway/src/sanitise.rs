//! Messages that may be shown to a client: no key, no token, no internal address, and short.
//!
//! The rule errs on the side of hiding: a word that might be a secret or an address is replaced as a whole.

use std::net::{IpAddr, SocketAddr};

/// The longest message a client is shown, characters (field report: a stack trace inside an error event).
pub const MESSAGE_CHARS: usize = 200;

/// A run of this many letters and digits, with both in it, is taken for a secret. Shorter ones are ids and names.
const SECRET_CHARS: usize = 20;

/// Words that announce the secret which follows them.
const ANNOUNCERS: [&str; 8] = ["bearer", "basic", "authorization", "api_key", "api-key", "apikey", "token", "password"];

/// Prefixes by which well-known services mark their keys.
const KEY_PREFIXES: [&str; 10] = ["sk-", "pk-", "rk-", "sk_", "ghp_", "gho_", "xoxb-", "hf_", "eyJ", "AKIA"];

/// Name suffixes that exist only inside a network.
const INTERNAL_SUFFIXES: [&str; 6] = [".internal", ".local", ".localdomain", ".lan", ".svc", ".cluster"];

/// A shortened copy of `message` without anything that looks like a key, a token, an address or a file path.
///
/// ```
/// use halfopen_gateway::sanitise::sanitise;
///
/// assert_eq!(sanitise("connect to 10.0.0.7:8000 failed"), "connect to [address] failed");
/// assert_eq!(sanitise("Incorrect API key provided: sk-abc123"), "Incorrect API key provided: [secret]");
/// ```
pub fn sanitise(message: &str) -> String {
    let mut clean = String::with_capacity(message.len().min(4 * MESSAGE_CHARS));
    let mut announced = false;
    for piece in pieces(message) {
        match piece {
            Piece::Gap(gap) => clean.push(if gap.is_control() { ' ' } else { gap }),
            Piece::Word(word) => {
                match verdict(word, announced) {
                    Some(replacement) => clean.push_str(replacement),
                    None => clean.push_str(word),
                }
                announced = announces(word) || (announced && is_link(word));
            }
        }
    }
    shorten(&clean)
}

enum Piece<'a> {
    Word(&'a str),
    Gap(char),
}

/// Splits at whitespace, quotes and the punctuation that never occurs inside an address or a key.
fn pieces(message: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        if is_gap(first) {
            rest = &rest[first.len_utf8()..];
            return Some(Piece::Gap(first));
        }
        let end = rest.find(is_gap).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Word(word))
    })
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`,;(){}<>=|&?".contains(c)
}

fn verdict(word: &str, announced: bool) -> Option<&'static str> {
    let bare = word.trim_matches(|c: char| ".:!".contains(c));
    if bare.is_empty() {
        return None;
    }
    if announced && !is_link(word) && !announces(word) && bare.len() >= 4 {
        return Some("[secret]");
    }
    if is_address(bare) {
        return Some("[address]");
    }
    if is_path(bare) {
        return Some("[path]");
    }
    is_secret(bare).then_some("[secret]")
}

fn announces(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
    ANNOUNCERS.contains(&word.as_str())
}

/// Words that may stand between an announcer and its secret ("token is abc").
fn is_link(word: &str) -> bool {
    ["is", "was", ":", "->", "provided", "provided:", "of", "for", "in"].contains(&word)
}

fn is_secret(word: &str) -> bool {
    // `key:value` without a space: judge the value.
    if word.rsplit([':', '/', '@']).any(|part| KEY_PREFIXES.iter().any(|p| part.starts_with(p) && part.len() > p.len()))
    {
        return true;
    }
    if let Some((name, value)) = word.split_once(':')
        && announces(name)
        && !value.is_empty()
    {
        return true;
    }
    word.split(|c: char| !(c.is_ascii_alphanumeric() || "-_+/.".contains(c))).any(|run| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let letters = run.bytes().filter(u8::is_ascii_alphabetic).count();
        run.len() >= SECRET_CHARS && digits >= 2 && letters >= 2
    })
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
