//! A checkout of its own, in which the services are broken and built.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::failure::{Failure, output_of};

/// A checkout of the last commit below `target/mutants`, so that the working tree may be edited meanwhile.
pub(crate) struct Tree {
    path: PathBuf,
    target: PathBuf,
    commit: String,
    originals: Mutex<BTreeMap<PathBuf, String>>,
}

/// What came of a build.
pub(crate) enum Build {
    /// The judge.
    Done(PathBuf),
    /// It does not compile: each error with the places that it names, and its text.
    Refused(Vec<CompileError>),
}

/// What the compiler complains of.
pub(crate) struct CompileError {
    /// File and line, as often as it names one.
    pub(crate) places: Vec<(PathBuf, usize)>,
    pub(crate) text: String,
}

/// A line of what cargo says.
#[derive(Deserialize)]
struct Said {
    message: Option<Message>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    rendered: Option<String>,
    spans: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    file_name: PathBuf,
    line_start: usize,
    is_primary: bool,
}

impl Tree {
    /// Checks the last commit of the repository out.
    pub(crate) fn check_out(repository: &Path, folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("tree");
        let commit = output_of(git(repository).args(["rev-parse", "HEAD"]))?.trim().to_owned();
        if !path.is_dir() {
            let clone = ["clone", "--quiet", "--shared", "--no-checkout", "."];
            output_of(git(repository).args(clone).arg(&path))?;
        }
        output_of(git(&path).args(["checkout", "--quiet", "--force", "--detach", &commit]))?;
        let (target, originals) = (folder.join("target"), Mutex::default());
        Ok(Self { path, target, commit, originals })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn commit(&self) -> &str {
        &self.commit
    }

    /// A file as it is now.
    pub(crate) fn read(&self, file: &Path) -> Result<String, Failure> {
        fs::read_to_string(self.path.join(file)).map_err(|error| Failure(format!("read {}: {error}", file.display())))
    }

    /// A file as it was committed.
    pub(crate) fn original(&self, file: &Path) -> Result<String, Failure> {
        if let Some(text) = self.originals.lock().unwrap_or_else(PoisonError::into_inner).get(file) {
            return Ok(text.clone());
        }
        let text = output_of(git(&self.path).arg("show").arg(format!("HEAD:{}", file.display())))?;
        self.originals.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), text.clone());
        Ok(text)
    }

    pub(crate) fn write(&self, file: &Path, text: &str) -> Result<(), Failure> {
        let path = self.path.join(file);
        // What has not changed is not built again.
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            return Ok(());
        }
        fs::write(path, text).map_err(|error| Failure(format!("write {}: {error}", file.display())))
    }

    /// Brings every file back.
    pub(crate) fn restore(&self) -> Result<(), Failure> {
        output_of(git(&self.path).args(["checkout", "--quiet", "--force", "."])).map(|_| ())
    }

    /// The files that a patch changes, as they are with it.
    pub(crate) fn patched(&self, patch: &Path) -> Result<BTreeMap<PathBuf, String>, Failure> {
        let patch = patch.canonicalize().map_err(|error| Failure(format!("find {}: {error}", patch.display())))?;
        self.restore()?;
        output_of(git(&self.path).args(["apply", "--recount"]).arg(&patch))?;
        let changed = output_of(git(&self.path).args(["diff", "--name-only"]))?;
        let files = changed.lines().map(PathBuf::from);
        let texts = files.map(|file| Ok((file.clone(), self.read(&file)?))).collect();
        self.restore()?;
        texts
    }

    /// Builds the judge with the services as they are in the tree.
    pub(crate) fn build(&self) -> Result<Build, Failure> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.path).args(["build", "--quiet", "--keep-going", "--profile", "mutants"]);
        command.args(["--package", "halfopen-mutation", "--example", "judge", "--message-format", "json"]);
        command.env("CARGO_TARGET_DIR", &self.target);
        let output =
            command.stderr(Stdio::inherit()).output().map_err(|error| Failure(format!("start cargo: {error}")))?;
        let said: Vec<Said> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if let Some(judge) = said.iter().rev().find_map(|said| said.executable.clone())
            && output.status.success()
        {
            return Ok(Build::Done(judge));
        }
        let errors: Vec<_> = said.into_iter().filter_map(|said| compile_error(said.message?)).collect();
        if errors.is_empty() {
            return Err(Failure("build the judge: see above".to_owned()));
        }
        Ok(Build::Refused(errors))
    }
}

fn compile_error(message: Message) -> Option<CompileError> {
    if message.level != "error" || message.spans.is_empty() {
        return None;
    }
    let mut spans = message.spans;
    spans.sort_by_key(|span| !span.is_primary);
    let places = spans.into_iter().map(|span| (span.file_name, span.line_start)).collect();
    Some(CompileError { places, text: message.rendered.unwrap_or_default() })
}

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder);
    git
}
