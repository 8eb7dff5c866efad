//! Which messages may hold a secret: those with a word that is used where secrets are told, or with a run of characters that
//! is not prose.
//!
//! The rule errs on the side of withholding. It lets pass the names of models, dates, numbers and plain words.

/// A message that contains one of these, in any case and inside any word, speaks of a secret ("X-Api-Key", "apikey").
const TELLTALES: [&str; 16] = [
    "key",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "bearer",
    "authorization",
    "jwt",
    "cookie",
    "signature",
    "密钥",
    "令牌",
    "密码",
    "凭证",
    "ключ",
    "schlüssel",
];

/// Words that speak of a secret when they are whole words: inside a longer word they mean something else ("design").
const TELLTALE_WORDS: [&str; 5] = ["sig", "pwd", "otp", "apitoken", "accesstoken"];

/// Words before a "token" that is a piece of text and not a secret.
const BEFORE_TEXT_TOKEN: [&str; 13] = [
    "unexpected",
    "next",
    "max",
    "per",
    "input",
    "output",
    "prompt",
    "completion",
    "special",
    "stop",
    "eos",
    "each",
    "every",
];

/// Words behind such a "token".
const BEHIND_TEXT_TOKEN: [&str; 9] =
    ["limit", "limits", "count", "counts", "budget", "usage", "window", "length", "rate"];

/// Prefixes by which well-known services mark their keys; what follows is one.
const KEY_PREFIXES: [&str; 24] = [
    "sk-",
    "pk-",
    "rk-",
    "sk_",
    "pk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "hf_",
    "gsk_",
    "r8_",
    "nvapi-",
    "xai-",
    "AIza",
    "ya29.",
    "eyJ",
    "AKIA",
];

/// A run of this many letters and digits is no word, characters.
const RUN_CHARS: usize = 22;
/// A run of this many is none when it has letters and digits, two of each, or digits only, characters.
const MIXED_RUN_CHARS: usize = 16;
/// A chain of runs ("AbC1-dEf2") of this many characters is looked at as a whole.
const CHAIN_CHARS: usize = 20;
/// This many letters without vowels are no abbreviation any more, characters.
const SPOKEN_CHARS: usize = 8;
/// This many characters of a chain, in pieces that are neither words nor versions, make it a key.
const ODD_CHARS: usize = 8;

/// Whether `message` may contain a secret.
///
/// ```
/// use halfopen_gateway::sanitise::may_hold_a_secret;
///
/// assert!(may_hold_a_secret("invalid x-api-key"));
/// assert!(may_hold_a_secret("no such user: 9f86d081884c7d65"));
/// assert!(!may_hold_a_secret("the model 'gpt-4o-mini-2024-07-18' does not exist"));
/// ```
pub fn may_hold_a_secret(message: &str) -> bool {
    let lower = message.to_lowercase();
    TELLTALES.iter().any(|telltale| lower.contains(telltale))
        || has_telltale_word(&lower)
        // A key with most of it masked is still a part of one.
        || lower.contains("***")
        || message.split(|c: char| !is_key_char(c)).any(is_key)
}

fn has_telltale_word(lower: &str) -> bool {
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().any(|(at, word)| match *word {
        "token" => {
            let before = at.checked_sub(1).and_then(|before| words.get(before));
            let behind = words.get(at + 1);
            !before.is_some_and(|word| BEFORE_TEXT_TOKEN.contains(word))
                && !behind.is_some_and(|word| BEHIND_TEXT_TOKEN.contains(word))
        }
        word => TELLTALE_WORDS.contains(&word),
    })
}

/// What keys are written in: base64 in both alphabets, hexadecimal, and the marks that join their parts.
fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_+/=.~".contains(c)
}

fn is_key(chain: &str) -> bool {
    has_key_prefix(chain)
        || is_padded(chain)
        || chain.split(|c: char| !c.is_ascii_alphanumeric()).any(is_odd_run)
        || is_odd_chain(chain)
}

fn has_key_prefix(chain: &str) -> bool {
    KEY_PREFIXES.iter().any(|prefix| {
        chain.match_indices(prefix).any(|(at, _)| {
            let behind = &chain[at + prefix.len()..];
            // Inside a word it is a key by its length and a digit, where a word like "task-force" has none.
            let glued = chain[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            if glued {
                behind.len() > 7 && behind.bytes().any(|byte| byte.is_ascii_digit())
            } else {
                !behind.is_empty()
            }
        })
    })
}

/// Whether a chain ends as base64 ends whose bytes are no multiple of three.
fn is_padded(chain: &str) -> bool {
    chain.len() >= MIXED_RUN_CHARS && chain.ends_with('=')
}

fn is_odd_run(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let letters = run.len() - digits;
    run.len() >= RUN_CHARS && !is_type_name(run)
        || run.len() >= MIXED_RUN_CHARS && (letters == 0 || digits >= 2 && letters >= 2 || !is_word(run))
}

fn is_odd_chain(chain: &str) -> bool {
    let odd = chain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|piece| !is_plain(piece)).map(str::len);
    chain.len() >= CHAIN_CHARS && odd.sum::<usize>() >= ODD_CHARS
}

/// Whether a piece is what names are made of: a word, a number, or a short mark of a version ("405B", "llama3").
fn is_plain(piece: &str) -> bool {
    let word = piece.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = piece.len() - word.len();
    piece.len() <= 3 || (number == piece.len() && number <= 8) || (number <= 3 && is_word(word))
}

/// Whether letters are written as words are: in one case, or with a capital where a part begins ("DeepSeek"), and so that
/// they can be said.
fn is_word(letters: &str) -> bool {
    let upper = letters.bytes().filter(u8::is_ascii_uppercase).count();
    letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (upper == letters.len() || upper * 4 <= letters.len() + 3)
        && (letters.len() < SPOKEN_CHARS || can_be_said(letters))
}

/// Whether letters have the vowels of a word: a quarter of them, and never more than five consonants in a row ("lengths"
/// has five). Of letters drawn at random a fifth are vowels.
fn can_be_said(letters: &str) -> bool {
    let is_vowel = |letter: char| "aeiouyAEIOUY".contains(letter);
    letters.chars().filter(|letter| is_vowel(*letter)).count() * 4 >= letters.len()
        && letters.split(is_vowel).all(|consonants| consonants.len() <= 5)
}

/// Whether a run is a name that a program gives to a type ("InternalServerErrorException").
fn is_type_name(run: &str) -> bool {
    run.len() <= 2 * RUN_CHARS && run.bytes().filter(u8::is_ascii_uppercase).count() >= 2 && is_word(run)
}
