//! What a backend would have to keep to itself: its key and its host, which no rule about the look of words can know.

use std::fmt;
use std::sync::Arc;

/// A key shorter than this is a word like any other, characters.
const KEY_CHARS: usize = 4;

/// Words of one deployment that no message to a client may contain.
#[derive(Clone, Default)]
pub struct Confidential {
    key: Option<Arc<str>>,
    host: Option<Arc<str>>,
}

impl Confidential {
    /// Hides `key` wherever it is, and `host` where it is a word of its own. A host whose name is a plain word
    /// ("model") is left to the rule about addresses, which sees it by its port.
    pub fn new(key: Option<&str>, host: &str) -> Self {
        let telling = host.contains(|c: char| c.is_ascii_digit() || "-_.".contains(c));
        Self {
            key: key.filter(|key| key.chars().count() >= KEY_CHARS).map(Arc::from),
            host: telling.then(|| Arc::from(host)),
        }
    }

    /// A copy of `message` without them.
    ///
    /// ```
    /// use halfopen_gateway::confidential::Confidential;
    ///
    /// let confidential = Confidential::new(Some("open sesame"), "vllm-7");
    /// assert_eq!(confidential.hide("vllm-7 refused open sesame"), "[address] refused [secret]");
    /// ```
    pub fn hide(&self, message: &str) -> String {
        let message = match &self.key {
            Some(key) => message.replace(&**key, "[secret]"),
            None => message.to_owned(),
        };
        match &self.host {
            Some(host) => replace_word(&message, host, "[address]"),
            None => message,
        }
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confidential")
    }
}

fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut copied = 0;
    for (at, _) in text.match_indices(word) {
        let joins = |c: char| c.is_alphanumeric() || "-_".contains(c);
        let before = text[..at].chars().next_back().is_some_and(joins);
        let after = text[at + word.len()..].chars().next().is_some_and(joins);
        if !before && !after {
            replaced.push_str(&text[copied..at]);
            replaced.push_str(by);
            copied = at + word.len();
        }
    }
    replaced.push_str(&text[copied..]);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hidden_wherever_it_stands_and_a_host_as_a_word() {
        let confidential = Confidential::new(Some("hunter2"), "vllm-7");
        let message = "(vllm-7) said: xhunter2x, not vllm-70, at vllm-7:8000";
        assert_eq!(confidential.hide(message), "([address]) said: x[secret]x, not vllm-70, at [address]:8000");
    }

    #[test]
    fn plain_words_stay() {
        let confidential = Confidential::new(Some("abc"), "model");
        assert_eq!(confidential.hide("the model knows its abc"), "the model knows its abc");
    }

    #[test]
    fn it_does_not_tell_what_it_hides() {
        assert_eq!(format!("{:?}", Confidential::new(Some("hunter2"), "vllm-7")), "Confidential");
    }
}
