//! Mistakes with the line of the file on which they stand.

use std::fs;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::ScenarioError;

/// Every mistake with its place, and what stands there with a caret below it, one after the other.
#[cfg(any(feature = "cli", feature = "sim"))]
pub(crate) fn excerpts(mistakes: &[ScenarioError]) -> String {
    mistakes.iter().map(ScenarioError::with_excerpt).collect::<Vec<_>>().join("\n")
}

impl ScenarioError {
    /// The mistake as `path:line:column: sentence`, and below it the line of the file with a caret where it stands, if the
    /// file can be read.
    pub fn with_excerpt(&self) -> String {
        let place = match (self.line, self.column) {
            (0, _) => format!("{}: ", self.file.display()),
            (line, 0) => format!("{}:{line}: ", self.file.display()),
            (line, column) => format!("{}:{line}:{column}: ", self.file.display()),
        };
        let meant = self.suggestion.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        let sentence = format!("{place}{}{meant}", self.sentence);
        match self.excerpt() {
            Some(excerpt) => format!("{sentence}\n{excerpt}"),
            None => sentence,
        }
    }

    /// The line with a caret.
    fn excerpt(&self) -> Option<String> {
        if self.line == 0 || self.column == 0 {
            return None;
        }
        let text = fs::read_to_string(&self.file).ok()?;
        let line = text.lines().nth(usize::try_from(self.line - 1).ok()?)?;
        let at = |column: u32| {
            let mut starts = line.char_indices().map(|(start, _)| start).chain([line.len()]);
            starts.nth(usize::try_from(column).unwrap_or(usize::MAX)).unwrap_or(line.len())
        };
        let span = at(self.column - 1)..at(self.column - 1 + self.width.max(1));
        let snippet = Snippet::source(line)
            .line_start(usize::try_from(self.line).ok()?)
            .annotation(AnnotationKind::Primary.span(span));
        let group = Group::with_level(Level::ERROR).element(snippet);
        Some(Renderer::plain().render(&[group]).trim_end().to_owned())
    }
}
