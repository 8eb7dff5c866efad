//! Keys in texts.

/// Where the key stands in a text that is said.
pub(super) const PLACE: &str = "{key}";

/// A text with the key in its place.
pub(super) fn filled(text: &str, key: &str) -> String {
    text.replace(PLACE, key)
}

/// A text that is nothing but its key.
pub(super) fn alone() -> String {
    PLACE.to_owned()
}

/// Checks that a text has a place for its key.
pub(super) fn has_place(text: &str, name: &str) -> Result<(), String> {
    if text.contains(PLACE) {
        return Ok(());
    }
    Err(format!("`{name}` has no place for the key: write `{PLACE}` where the service passes text on"))
}

/// The words of a text that can be keys: letters, digits, `_`, `-` and `.`, without what stands around them.
#[cfg(any(test, all(feature = "sim", feature = "actors")))]
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.split(move |c| !is_part(c)).map(|word| word.trim_matches(['-', '.'])).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_word_of_its_own_in_whatever_a_service_makes_of_it() {
        let of = |text| words(text).collect::<Vec<_>>();
        assert_eq!(of(r#"{"by":"alice","text":"alice-1"}"#), ["by", "alice", "text", "alice-1"]);
        assert_eq!(of("alice: alice-12."), ["alice", "alice-12"]);
        assert_eq!(of("<alice-1><br/>"), ["alice-1", "br"]);
        assert!(of("...").is_empty());
    }

    #[test]
    fn a_text_without_a_place_for_its_key_is_refused() {
        assert_eq!(has_place(r#"{"say":"{key}"}"#, "text"), Ok(()));
        let sentence = has_place("hello", "text").expect_err("there is no place");
        assert!(sentence.contains("`{key}`"), "{sentence}");
    }
}
