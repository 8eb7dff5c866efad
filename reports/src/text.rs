//! Times and texts for people.

use std::time::Duration;

/// A text in which every character shows: what controls a terminal or turns the order of letters round is a symbol or a number.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('⏎'),
            '\t' => shown.push(' '),
            // U+2400 to U+241F are the pictures of the control characters.
            '\0'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\u{7f}' => shown.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => {
                shown.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            _ => shown.push(c),
        }
    }
    shown
}

/// The beginning of a text, at most this many characters long, with an ellipsis where something was left out.
pub(crate) fn clipped(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => {
            let cut = text.char_indices().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at);
            format!("{}…", text[..cut].trim_end())
        }
    }
}

/// A moment of a run: `1.040 s`, `690.06 s`.
pub(crate) fn moment(at: Duration) -> String {
    let millis = at.as_millis();
    if millis < 100_000 {
        format!("{}.{:03} s", millis / 1000, millis % 1000)
    } else {
        let hundredths = millis / 10;
        format!("{}.{:02} s", hundredths / 100, hundredths % 100)
    }
}

/// How long something took, with as many digits as a reader compares: `20 ms`, `0.50 s`, `41.2 s`, `11 min 25 s`.
pub(crate) fn length(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0..100 => format!("{millis} ms"),
        100..10_000 => format!("{}.{:02} s", millis / 1000, millis % 1000 / 10),
        10_000..120_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        120_000..7_200_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_or_the_order_of_letters_shows() {
        assert_eq!(visible("a\u{1b}[31m\0\u{202e}b\n"), "a␛[31m␀\\u{202e}b⏎");
        assert_eq!(visible("</script> ü"), "</script> ü");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(clipped("äöü", 3), "äöü");
        assert_eq!(clipped("äöüß", 3), "äö…");
    }

    #[test]
    fn times_have_the_digits_that_a_reader_compares() {
        let told: Vec<_> = [20, 500, 41_234, 685_000, 7_300_000].map(|ms| length(Duration::from_millis(ms))).into();
        assert_eq!(told, ["20 ms", "0.50 s", "41.2 s", "11 min 25 s", "2 h 1 min"]);
        assert_eq!(moment(Duration::from_millis(1040)), "1.040 s");
        assert_eq!(moment(Duration::from_millis(690_062)), "690.06 s");
    }
}
