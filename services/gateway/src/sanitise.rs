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

/// Words that may stand between an announcer and its secret ("token is abc").
const LINKS: [&str; 8] = ["is", "was", ":", "->", "provided", "provided:", "of", "for"];

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
    let mut announced = Announced::No;
    for piece in pieces(message) {
        match piece {
            Piece::Gap(gap) => {
                if gap == '=' && announced == Announced::Weakly {
                    announced = Announced::Strongly;
                }
                clean.push(if gap.is_control() { ' ' } else { gap });
            }
            Piece::Word(word) => {
                let bare = word.trim_end_matches(|c: char| ".:!".contains(c));
                clean.push_str(verdict(bare, announced).unwrap_or(bare));
                clean.push_str(&word[bare.len()..]);
                announced = announced.after(word);
            }
        }
    }
    shorten(&clean)
}

/// Whether the words so far announce a secret. "token abc" may be prose, "token: abc" is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announced {
    No,
    Weakly,
    Strongly,
}

impl Announced {
    fn after(self, word: &str) -> Self {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if ANNOUNCERS.iter().any(|announcer| bare.eq_ignore_ascii_case(announcer)) {
            let strong = word.ends_with(':') || bare.eq_ignore_ascii_case("bearer");
            return if strong { Self::Strongly } else { Self::Weakly };
        }
        match self {
            Self::No => Self::No,
            Self::Weakly | Self::Strongly if word == ":" => Self::Strongly,
            Self::Weakly | Self::Strongly if LINKS.contains(&word) => self,
            Self::Weakly | Self::Strongly => Self::No,
        }
    }

    fn covers(self, bare: &str) -> bool {
        let prose = bare.is_empty() || LINKS.contains(&bare) || Self::No.after(bare) != Self::No;
        match self {
            Self::No => false,
            Self::Weakly => !prose && bare.bytes().any(|byte| byte.is_ascii_digit()),
            Self::Strongly => !prose,
        }
    }
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

fn verdict(bare: &str, announced: Announced) -> Option<&'static str> {
    if announced.covers(bare) {
        Some("[secret]")
    } else if is_address(bare) {
        Some("[address]")
    } else if is_path(bare) {
        Some("[path]")
    } else {
        is_secret(bare).then_some("[secret]")
    }
}

fn is_secret(word: &str) -> bool {
    if word.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c))).any(has_key_prefix) {
        return true;
    }
    if let Some((name, value)) = word.split_once(':')
        && !value.is_empty()
        && Announced::No.after(name) != Announced::No
    {
        return true;
    }
    word.split(|c: char| !(c.is_ascii_alphanumeric() || "_+".contains(c))).any(|run| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let letters = run.bytes().filter(u8::is_ascii_alphabetic).count();
        run.len() >= SECRET_CHARS && digits >= 2 && letters >= 2
    })
}

fn has_key_prefix(part: &str) -> bool {
    let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
    KEY_PREFIXES.iter().any(|prefix| match part.find(prefix) {
        Some(0) => part.len() > prefix.len(),
        // Glued to something: a key has a digit where a word like "task-force" has none.
        Some(_) => has_digit && part.len() > prefix.len() + 8,
        None => false,
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
