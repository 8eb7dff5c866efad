//! What is wrong with a file, in one sentence.

use std::path::{Path, PathBuf};

/// What is wrong with a scenario, plan or capsule. Displayed as `path:line: sentence; did you mean `x`?`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{sentence}{}", place(.file, *.line), hint(.suggestion.as_deref()))]
pub struct ScenarioError {
    /// The file; for a scenario that was built in Rust, its name.
    pub file: PathBuf,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: u32,
    /// The column in it, in characters from 1; 0 when the whole line is meant.
    pub column: u32,
    /// How many characters are meant from there on, in this line.
    pub width: u32,
    /// What is wrong, without a full stop.
    pub sentence: String,
    /// The known word that is nearest to the unknown one.
    pub suggestion: Option<String>,
}

impl ScenarioError {
    /// An error that concerns a whole file.
    pub(crate) fn whole(file: &Path, sentence: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, width: 0, sentence: sentence.into(), suggestion: None }
    }
}

/// The mistakes of a part of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<ScenarioError>);

impl From<ScenarioError> for Mistakes {
    fn from(mistake: ScenarioError) -> Self {
        Self(vec![mistake])
    }
}

impl Extend<ScenarioError> for Mistakes {
    fn extend<I: IntoIterator<Item = ScenarioError>>(&mut self, mistakes: I) {
        self.0.extend(mistakes);
    }
}

impl Mistakes {
    /// What was read, or nothing and its mistakes added to these.
    pub(crate) fn keep<T, E: Into<Self>>(&mut self, read: Result<T, E>) -> Option<T> {
        read.map_err(|mistakes| self.0.extend(mistakes.into().0)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was read, if there is no mistake.
    pub(crate) fn unless<T>(self, read: T) -> Result<T, Self> {
        if self.is_empty() { Ok(read) } else { Err(self) }
    }

    /// Each mistake once, those of a file in the order of its lines; `file` comes before the bases that it stands on.
    pub(crate) fn sorted(mut self, file: &Path) -> Vec<ScenarioError> {
        self.0.sort_by(|one, other| {
            let key = |error: &ScenarioError| (error.file != file, error.line);
            key(one).cmp(&key(other)).then_with(|| one.file.cmp(&other.file))
        });
        let mut sorted: Vec<ScenarioError> = Vec::new();
        for mistake in self.0 {
            if !sorted.contains(&mistake) {
                sorted.push(mistake);
            }
        }
        sorted
    }

    /// The first of [`sorted`](Self::sorted).
    pub(crate) fn first(self, file: &Path) -> ScenarioError {
        let first = self.sorted(file).into_iter().next();
        first.unwrap_or_else(|| ScenarioError::whole(file, "the file has a mistake"))
    }
}

/// What is wrong with a part of a typed scenario, whose line is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The way to the part, as in `fault/2/when`.
    pub(crate) path: String,
    pub(crate) sentence: String,
    pub(crate) suggestion: Option<String>,
}

impl Flaw {
    pub(crate) fn new(path: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { path: path.into(), sentence: sentence.into(), suggestion: None }
    }

    /// A flaw with what was probably meant.
    pub(crate) fn unknown(path: impl Into<String>, (sentence, suggestion): (String, Option<String>)) -> Self {
        Self { path: path.into(), sentence, suggestion }
    }
}

fn place(file: &Path, line: u32) -> String {
    match line {
        0 => format!("{}: ", file.display()),
        line => format!("{}:{line}: ", file.display()),
    }
}

fn hint(suggestion: Option<&str>) -> String {
    suggestion.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

/// The known word that an unknown one was probably meant to be: the nearest, if at most a third of it is wrong.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates = known.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    let (distance, known) = candidates.min()?;
    let longest = word.chars().count().max(known.chars().count());
    (distance <= longest.div_ceil(3)).then(|| known.to_owned())
}

/// What is to be said of a word that is none of the known ones: the nearest of them, or else all.
pub(crate) fn unknown<'a>(
    sentence: impl Into<String>,
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> (String, Option<String>) {
    let sentence = sentence.into();
    match nearest(word, known.clone()) {
        Some(suggestion) => (sentence, Some(suggestion)),
        None => (format!("{sentence}; known are {}", list(known)), None),
    }
}

/// Words as a sentence lists them: `a`, `b` and `c`.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.pop() {
        None => "none".to_owned(),
        Some(only) if quoted.is_empty() => only,
        Some(last) => format!("{} and {last}", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_suggested_only_when_it_is_near() {
        assert_eq!(nearest("schedler", ["alice", "scheduler"]).as_deref(), Some("scheduler"));
        assert_eq!(nearest("tpye", ["type", "tie"]).as_deref(), Some("type"));
        assert_eq!(nearest("bob", ["alice", "scheduler"]), None);
        assert_eq!(nearest("bob", []), None);
    }

    #[test]
    fn a_list_of_words_reads_as_a_sentence() {
        assert_eq!(list([]), "none");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
