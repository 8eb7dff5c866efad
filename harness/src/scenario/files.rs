//! The files of a folder of scenarios, and their texts.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ScenarioError;
use super::folder::BASE_FOLDERS;

/// What lies in a folder and the folders below it, `_base` and `base` excepted.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The files whose names are those of scenarios, sorted.
    pub(super) files: Vec<PathBuf>,
    /// What looks like scenarios and is not read, with the reason.
    pub(super) strange: Vec<ScenarioError>,
}

impl Listing {
    /// Lists a folder. Files and folders whose names begin with a dot are somebody else's, as are an editor's copies.
    ///
    /// # Errors
    ///
    /// If the folder itself cannot be read; one below it that cannot is strange.
    pub(super) fn of(folder: &Path) -> Result<Self, ScenarioError> {
        let mut listing = Self::default();
        listing.collect(folder, &mut Vec::new())?;
        Ok(listing)
    }

    /// `above` are the folders in which this one lies, as they are really called.
    fn collect(&mut self, folder: &Path, above: &mut Vec<PathBuf>) -> Result<(), ScenarioError> {
        let unreadable = |error: io::Error| ScenarioError::whole(folder, format!("the folder cannot be read: {error}"));
        let real = fs::canonicalize(folder).map_err(unreadable)?;
        if above.contains(&real) {
            let sentence = "this is a link to a folder that it lies in: what is there is read once";
            self.strange.push(ScenarioError::whole(folder, sentence));
            return Ok(());
        }
        let entries: Result<BTreeSet<PathBuf>, _> =
            fs::read_dir(folder).map_err(unreadable)?.map(|entry| entry.map(|entry| entry.path())).collect();
        above.push(real);
        for path in entries.map_err(unreadable)? {
            self.take(path, above);
        }
        above.pop();
        Ok(())
    }

    fn take(&mut self, path: PathBuf, above: &mut Vec<PathBuf>) {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { return };
        if name.starts_with('.') {
            return;
        }
        if path.is_dir() {
            if !BASE_FOLDERS.contains(&name.as_str())
                && let Err(error) = self.collect(&path, above)
            {
                self.strange.push(error);
            }
            return;
        }
        let Some(extension) = path.extension().map(|extension| extension.to_string_lossy().into_owned()) else {
            return;
        };
        if extension == "toml" {
            self.files.push(path);
        } else if extension.eq_ignore_ascii_case("toml") {
            let sentence = format!("the name ends in `.{extension}`, and a scenario's in `.toml`: rename the file");
            self.strange.push(ScenarioError::whole(&path, sentence));
        }
    }
}

/// The text of a file.
pub(crate) fn text_of(path: &Path) -> Result<String, ScenarioError> {
    let wrong = |sentence: String| ScenarioError::whole(path, sentence);
    let bytes = fs::read(path).map_err(|error| wrong(unreadable(path, &error)))?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(wrong("the file is written in UTF-16, and TOML is UTF-8: save it as UTF-8".to_owned()));
    }
    let on_line = |at: usize, sentence: String| {
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        ScenarioError { line: u32::try_from(line).unwrap_or(u32::MAX), ..wrong(sentence) }
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(on_line(at, "here is a NUL byte: this is no text, or not in UTF-8".to_owned()));
    }
    if let Some(at) =
        bytes.iter().enumerate().position(|(at, byte)| *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
    {
        let sentence =
            "here is a carriage return without a newline: save the file with the line ends of Linux or Windows";
        return Err(on_line(at, sentence.to_owned()));
    }
    String::from_utf8(bytes.clone()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        on_line(at, format!("the byte 0x{byte:02x} is no UTF-8, as in a file in Latin-1: save it as UTF-8"))
    })
}

/// Why a file cannot be read.
fn unreadable(path: &Path, error: &io::Error) -> String {
    match fs::read_link(path) {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => {
            format!("the file cannot be read: it is a link to {}, which is not there", target.display())
        }
        Ok(_) | Err(_) => format!("the file cannot be read: {error}"),
    }
}
