//! What a reader makes of an answer while it comes.

use std::collections::BTreeSet;

use serde_json::Value;

/// What one event says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A word of the answer.
    Word(String),
    /// Nothing that is read aloud: a role, the end of a choice, the usage.
    Nothing,
    /// An error in place of the rest.
    Error(String),
    /// The terminator.
    Done,
    /// What is no JSON ends the reading, as it does in SDKs.
    Gibberish,
}

/// How much of an answer has come.
#[derive(Debug, Default)]
pub(super) struct Answer {
    finished: BTreeSet<u64>,
    has_usage: bool,
    failed: bool,
    done: bool,
}

impl Answer {
    /// Takes the data of the next event.
    pub(super) fn take(&mut self, data: &str) -> Said {
        if data == "[DONE]" {
            self.done = true;
            return Said::Done;
        }
        let Ok(json) = serde_json::from_str::<Value>(data) else { return Said::Gibberish };
        if let Some(error) = json.get("error") {
            self.failed = true;
            return Said::Error(error["message"].as_str().unwrap_or("an error").to_owned());
        }
        self.has_usage |= json["usage"].is_object();
        let choices = json["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        for choice in choices.iter().filter(|choice| choice["finish_reason"].is_string()) {
            self.finished.insert(choice["index"].as_u64().unwrap_or_default());
        }
        let word = choices.first().and_then(|choice| choice["delta"]["content"].as_str());
        word.filter(|word| !word.is_empty()).map_or(Said::Nothing, |word| Said::Word(word.to_owned()))
    }

    /// Whether everything that was asked for has come, and nothing went wrong.
    pub(super) fn is_whole(&self, choices: u64, usage: bool) -> bool {
        self.done && !self.failed && self.finished.len() as u64 >= choices && (self.has_usage || !usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_every_finish_reason_the_usage_and_the_terminator() {
        let mut answer = Answer::default();
        assert_eq!(answer.take(r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#), Said::Word("a".to_owned()));
        assert_eq!(answer.take(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#), Said::Nothing);
        assert_eq!(answer.take("[DONE]"), Said::Done);
        assert_eq!(
            (answer.is_whole(1, false), answer.is_whole(2, false), answer.is_whole(1, true)),
            (true, false, false)
        );
    }

    #[test]
    fn a_terminator_behind_an_error_ends_no_whole_answer() {
        let mut answer = Answer::default();
        answer.take(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
        assert_eq!(answer.take(r#"{"error":{"message":"no"}}"#), Said::Error("no".to_owned()));
        answer.take("[DONE]");
        assert!(!answer.is_whole(1, false));
        assert_eq!(answer.take("half of"), Said::Gibberish);
    }
}
