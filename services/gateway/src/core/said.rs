//! What a backend says about its own failure: an OpenAI error object, or what others have in its place.

use serde_json::Value;

use crate::core::confidential::Confidential;
use crate::core::sanitise::{may_hold_a_secret, sanitise};

/// The longest word that names a kind of error or a member of a request, characters.
const WORD_CHARS: usize = 100;

/// A backend's own account of a failure, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// A sentence for people.
    pub message: String,
    /// Which kind of error, as the API's `type` has it.
    pub kind: Option<String>,
    /// Which error, in a word; some servers have a number here.
    pub code: Option<String>,
    /// Which member of the request is wrong.
    pub param: Option<String>,
    /// The HTTP status that it amounts to, where the account itself says so.
    pub status: Option<u16>,
}

impl Said {
    /// Of an error object, or a bare string in its place.
    pub(crate) fn read(error: &Value) -> Self {
        let word = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let message = error.get("message").or(error.get("detail")).unwrap_or(error);
        let number = ["code", "status"].iter().find_map(|name| error.get(name)?.as_u64());
        let code = word("code").or(number.map(|number| number.to_string()));
        let spelt =
            code.as_deref().and_then(|code| code.parse().ok()).or(number.and_then(|number| number.try_into().ok()));
        Self {
            message: message.as_str().unwrap_or("no message given").to_owned(),
            kind: word("type"),
            code,
            param: word("param"),
            status: spelt.filter(|status| (400..600).contains(status)),
        }
    }

    /// Of the body of a refusal, which is an object with an `error`, or one that is the error itself.
    #[cfg(any(feature = "shell", test))]
    pub(crate) fn read_body(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        match value.get("error").filter(|error| !error.is_null()) {
            Some(error) => Some(Self::read(error)),
            None => ["message", "detail"]
                .iter()
                .any(|name| value.get(name).is_some_and(Value::is_string))
                .then(|| Self::read(&value)),
        }
    }

    /// The same, fit for a client: a sentence without secrets, and words that are words.
    pub(crate) fn sanitised(&self) -> Self {
        let word = |text: &Option<String>| text.clone().filter(|text| is_word(text));
        Self {
            message: sanitise(&self.message),
            kind: word(&self.kind),
            code: word(&self.code),
            param: word(&self.param),
            status: self.status,
        }
    }

    /// The same without what `confidential` hides. A word that holds any of it is left out.
    pub(crate) fn hiding(&self, confidential: &Confidential) -> Self {
        let word = |text: &Option<String>| text.clone().filter(|text| confidential.hide(text) == *text);
        Self {
            message: confidential.hide(&self.message),
            kind: word(&self.kind),
            code: word(&self.code),
            param: word(&self.param),
            status: self.status,
        }
    }
}

/// A message and nothing else.
impl From<&str> for Said {
    fn from(message: &str) -> Self {
        Self { message: message.to_owned(), ..Self::default() }
    }
}

/// A message and nothing else.
impl From<&str> for Box<Said> {
    fn from(message: &str) -> Self {
        Self::new(Said::from(message))
    }
}

/// Whether a text is a name such as `context_length_exceeded` or `messages[3].content`, and cannot be anything else.
fn is_word(text: &str) -> bool {
    let fits = (1..=WORD_CHARS).contains(&text.len());
    fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte))
        && !may_hold_a_secret(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_all_servers_are_understood() {
        let full = Said::read_body(br#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded","param":"messages[3].content"}}"#);
        let full = full.expect("an error");
        assert_eq!(full.sanitised(), full);
        assert_eq!(
            (full.code.as_deref(), full.param.as_deref()),
            (Some("context_length_exceeded"), Some("messages[3].content"))
        );
        for (body, message, code, status) in [
            (r#"{"error":"no"}"#, "no", None, None),
            (r#"{"error":{"message":"busy","type":"TooMany","code":429}}"#, "busy", Some("429"), Some(429)),
            (r#"{"object":"error","message":"gone","code":40401}"#, "gone", Some("40401"), None),
            (r#"{"detail":"Not Found"}"#, "Not Found", None, None),
            (r#"{"error":{"code":"503","message":7}}"#, "no message given", Some("503"), Some(503)),
        ] {
            let said = Said::read_body(body.as_bytes()).expect(body);
            assert_eq!((said.message.as_str(), said.code.as_deref(), said.status), (message, code, status), "{body}");
        }
        for body in ["", "<html>", "[]", "{}", r#"{"error":null}"#, r#"{"detail":[1]}"#] {
            assert_eq!(Said::read_body(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_word_is_left_out_and_so_is_what_is_hidden() {
        let said = |code: &str| Said { code: Some(code.to_owned()), ..Said::from("no") };
        for bad in ["", "two words", "a\nb", "https://x", "sk-1234567890abcdef", "<b>", &"x".repeat(101)] {
            assert_eq!(said(bad).sanitised().code, None, "{bad}");
        }
        let confidential = Confidential::new(Some("hunter2"), "vllm-7");
        assert_eq!(said("no_hunter2").hiding(&confidential).code, None);
        assert_eq!(said("overloaded").hiding(&confidential).code.as_deref(), Some("overloaded"));
    }
}
