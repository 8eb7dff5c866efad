//! Lines in, sentences out: bounded, and with bad input told apart from the end of it.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// Without its line end.
    Text(String),
    /// It is longer than any message may be; the rest of the line was skipped.
    TooLong,
    /// It is not UTF-8.
    NotText,
}

/// The lines of a reader. No more of one is kept than a message could hold.
#[derive(Debug)]
pub(crate) struct Sentences<R> {
    reader: R,
    longest: usize,
    line: Vec<u8>,
    too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Sentences<R> {
    pub(crate) fn new(reader: R, longest: usize) -> Self {
        Self { reader, longest, line: Vec::new(), too_long: false }
    }

    /// The next line that is not blank; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Sentence>> {
        loop {
            let available = self.reader.fill_buf().await?;
            let ended = available.is_empty();
            let line_end = available.iter().position(|byte| *byte == b'\n');
            let taken = &available[..line_end.unwrap_or(available.len())];
            let room = self.longest - self.line.len();
            self.too_long |= taken.len() > room;
            self.line.extend_from_slice(&taken[..taken.len().min(room)]);
            let used = taken.len() + usize::from(line_end.is_some());
            self.reader.consume(used);
            if line_end.is_some() || ended {
                let sentence = self.take();
                if sentence.is_some() || ended {
                    return Ok(sentence);
                }
            }
        }
    }

    fn take(&mut self) -> Option<Sentence> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return Some(Sentence::TooLong);
        }
        match String::from_utf8(line) {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(Sentence::Text(text.trim_end_matches('\r').to_owned())),
            Err(_) => Some(Sentence::NotText),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[tokio::test]
    async fn each_line_is_what_it_is_and_costs_nothing_to_the_next() {
        let input = b"one\r\n\n   \nmuch too long for this\n\xff\xfe\nlast";
        // A buffer that is smaller than the lines, so that they come in pieces.
        let mut sentences = Sentences::new(BufReader::with_capacity(3, &input[..]), 10);
        let mut seen = Vec::new();
        while let Some(sentence) = sentences.next().await.expect("a slice can be read") {
            seen.push(sentence);
        }
        let text = |text: &str| Sentence::Text(text.into());
        assert_eq!(seen, [text("one"), Sentence::TooLong, Sentence::NotText, text("last")]);
        assert_eq!(sentences.next().await.expect("a slice can be read"), None, "the end stays the end");
    }
}
