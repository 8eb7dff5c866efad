//! A key that is misspelt is told, in every table of the language.

use super::{GOOD, read};
use crate::fault::Registry;
use crate::scenario::*;

/// Every key of two files, one after the other misspelt in three ways. Only what a service and a message call their own may have any
/// name.
#[test]
fn a_misspelt_key_is_told_wherever_it_stands() {
    let everything = arbitrary::scenario().to_toml();
    let (mut accepted, mut unnamed) = (Vec::new(), Vec::new());
    for text in [GOOD, &everything] {
        assert!(read(text).is_ok(), "{text}");
        for key in keys_of(text) {
            let word = &text[key.clone()];
            for misspelt in [format!("{word}x"), format!("x{word}"), word[..word.len() - 1].to_owned()] {
                let changed = [&text[..key.start], &misspelt, &text[key.end..]].concat();
                let Err(mistakes) = Scenario::whole_from_toml(&changed, Path::new("idle.toml"), &Registry::default())
                else {
                    accepted.push(word.to_owned());
                    continue;
                };
                let told = mistakes.sorted(Path::new("idle.toml"));
                let names_it = |error: &ScenarioError| {
                    error.sentence.contains(&format!("`{misspelt}`")) || error.suggestion.as_deref() == Some(word)
                };
                if !told.iter().any(names_it) {
                    let told = told.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                    unnamed.push(format!("`{misspelt}` for `{word}`: {told}"));
                }
            }
        }
    }
    assert_eq!(unnamed, [""; 0]);
    accepted.dedup();
    insta::assert_snapshot!(accepted.join(" "), @"port names port every job_id kind type");
}

/// Where keys stand, in lines and in inline tables.
fn keys_of(text: &str) -> Vec<std::ops::Range<usize>> {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let ends = text.match_indices(" = ").map(|(at, _)| at);
    let begins = |end: usize| text[..end].rfind(|c| !is_of_key(c)).map_or(0, |before| before + 1);
    ends.map(|end| begins(end)..end).filter(|key| key.len() > 1).collect()
}
