//! Where the lines of a body begin and end, as of newline-delimited JSON.

use super::mark::{CountedUnit, Mark};

/// The parser of one body. Empty lines are no lines, and a CR before the LF belongs to the line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the line in passage begins.
    start: Option<u64>,
}

impl Lines {
    /// Reads up to the next boundary; `at` is the offset of the first byte. Returns how many bytes were read.
    pub(super) fn advance(&mut self, input: &[u8], at: u64, marks: &mut Vec<Mark>) -> usize {
        let Some(start) = self.start else {
            let empty = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if empty == 0 && !input.is_empty() {
                self.start = Some(at);
                marks.push(Mark::Begun { what: CountedUnit::Line, at });
            }
            return empty;
        };
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return input.len() };
        let read = end + 1;
        self.start = None;
        marks.push(Mark::Ended { what: CountedUnit::Line, start, end: at + read as u64, unit: None });
        read
    }

    /// The body is over, and the line in passage with it.
    pub(super) fn end(&mut self, at: u64, marks: &mut Vec<Mark>) {
        if let Some(start) = self.start.take() {
            marks.push(Mark::Ended { what: CountedUnit::Line, start, end: at, unit: None });
        }
    }
}
