//! Most parts of an answer differ from the one before in nothing but the words that they bring. What such a part tells of the answer's
//! progress was told by the one before, and need not be read again.

/// The member that brings words, as every model server writes it.
const MEMBER: &str = "\"content\":";

/// After this many parts in a row that differ from the kept one elsewhere, the stream's parts are not compared any more.
const PATIENCE: u32 = 8;

/// The latest part that was read, as a mould for those after it.
#[derive(Debug, Default)]
pub(crate) struct Likeness {
    /// Up to the quote that opens the words.
    before: String,
    /// From the quote that closes them. Empty as long as there is no part.
    after: String,
    /// Parts that were read since one was alike.
    unlike: u32,
}

impl Likeness {
    /// Whether these data are the kept part's with other words. They are then JSON as the kept part's are, and tell the same of the
    /// answer's progress: a quote, a backslash or a control character, which could end the words or spoil them, is not among them.
    pub(crate) fn fits(&mut self, data: &str) -> bool {
        let words = data.strip_prefix(self.before.as_str()).and_then(|rest| rest.strip_suffix(self.after.as_str()));
        let fits = !self.after.is_empty() && words.is_some_and(is_plain);
        if fits {
            self.unlike = 0;
        }
        fits
    }

    /// Keeps a part that was read, and was found to be one.
    pub(crate) fn keep(&mut self, data: &str) {
        self.unlike = self.unlike.saturating_add(1);
        if self.unlike > PATIENCE {
            return self.after.clear();
        }
        let Some((before, after)) = around_the_words(data) else { return };
        self.before.clear();
        self.before.push_str(before);
        self.after.clear();
        self.after.push_str(after);
    }
}

/// What stands before the words and what stands behind them, the quotes included. In JSON the bytes of `MEMBER` with a quote behind them
/// open a string that is a value, wherever they stand: within a string the quotes would be escaped, and one that is escaped ends no name.
fn around_the_words(data: &str) -> Option<(&str, &str)> {
    let value = data.find(MEMBER)? + MEMBER.len();
    let rest = data[value..].strip_prefix(' ').unwrap_or(&data[value..]).strip_prefix('"')?;
    let begin = data.len() - rest.len();
    let end = begin + rest.find('"')?;
    is_plain(&data[begin..end]).then(|| (&data[..begin], &data[end..]))
}

/// Whether a text stands for itself within a JSON string (RFC 8259, section 7).
fn is_plain(text: &str) -> bool {
    // Without an early exit it becomes a few vector instructions.
    text.bytes().fold(true, |plain, byte| plain & !matches!(byte, b'"' | b'\\' | 0..=0x1F))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;

    use super::*;
    use crate::core::chunk::Chunk;

    fn kept(data: &str) -> Likeness {
        let mut likeness = Likeness::default();
        likeness.keep(data);
        likeness
    }

    #[test]
    fn a_part_with_other_words_is_alike_and_one_that_differs_elsewhere_is_not() {
        let part = |words: &str, reason: &str| {
            format!(r#"{{"choices":[{{"index":0,"delta":{{"content": "{words}"}},"finish_reason":{reason}}}]}}"#)
        };
        let mut likeness = kept(&part("hello", "null"));
        for words in ["", "hello", " world", "{}", "\u{4e16}\u{754c}"] {
            assert!(likeness.fits(&part(words, "null")), "{words}");
        }
        for words in [r#"a\""#, r"\u00", "a\"b", "a\nb", "a\u{1}"] {
            assert!(!likeness.fits(&part(words, "null")), "{words:?}");
        }
        assert!(!likeness.fits(&part("hello", "\"stop\"")));
        assert!(!likeness.fits("[DONE]") && !likeness.fits(""));
        assert!(!Likeness::default().fits("") && !Likeness::default().fits("{}"));
    }

    #[test]
    fn a_stream_whose_parts_differ_elsewhere_is_not_compared_any_more() {
        let part = |id: u32| format!(r#"{{"id":{id},"choices":[{{"delta":{{"content":"x"}}}}]}}"#);
        let mut likeness = Likeness::default();
        for id in 0..=PATIENCE {
            likeness.keep(&part(id));
        }
        assert!(!likeness.fits(&part(PATIENCE)));
    }

    /// Objects with the member in every place, and with names and strings that look like it.
    fn object() -> impl Strategy<Value = serde_json::Value> {
        let text = prop::sample::select(vec!["words", "", "\u{e9}", "\"content\":\"", "content", "a\"b", "\\"]);
        let name = prop::sample::select(vec![
            "choices",
            "index",
            "content",
            "finish_reason",
            "usage",
            "error",
            "\"content",
            "content\":",
            "a\\",
        ]);
        let leaf = prop_oneof![
            3 => text.prop_map(serde_json::Value::from),
            1 => Just(serde_json::Value::Null),
            1 => (0..3_u64).prop_map(serde_json::Value::from),
        ];
        let value = leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
                prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        });
        value.prop_filter("the data of a part are an object", serde_json::Value::is_object)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn what_is_alike_is_read_alike(first in object(), words in "[a-z\u{e9}\"\\\\\n{}:]{0,4}", other in object()) {
            let first = first.to_string();
            let mut likeness = kept(&first);
            let alike = around_the_words(&first).map(|(before, after)| [before, &words, after].concat());
            for data in [alike, Some(other.to_string())].into_iter().flatten() {
                if likeness.fits(&data) && matches!(Chunk::read("", &first), Chunk::Part(_)) {
                    prop_assert_eq!(Chunk::read("", &first), Chunk::read("", &data), "{} after {}", data, first);
                }
            }
        }
    }

    #[test]
    fn the_documents_of_the_property_have_words_often_enough() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let documents = (0..1000).map(|_| object().new_tree(&mut runner).expect("a document").current().to_string());
        let with_words = documents.filter(|data| around_the_words(data).is_some()).count();
        assert!(with_words > 50, "{with_words} of 1000 documents have words");
    }
}
