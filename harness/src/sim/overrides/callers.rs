//! Who made a stray call: told to a person on stderr, once a process, when the variable `HALFOPEN_STRAY_CALLERS` is set to
//! anything but `0`.
//!
//! It is no part of a run. What stands on a stack depends on what the compiler has inlined, and a run does not.

use std::backtrace::Backtrace;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

const VARIABLE: &str = "HALFOPEN_STRAY_CALLERS";

static ASKED: OnceLock<bool> = OnceLock::new();
/// The calls that were told of.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Crates that stand on every stack, and are never who is looked for.
const EVERYWHERE: [&str; 12] = [
    "__rustc",
    "alloc",
    "backtrace",
    "core",
    "halfopen",
    "halfopen_net",
    "mio",
    "socket2",
    "std",
    "test",
    "tokio",
    "tokio_util",
];

/// Where this crate's own source lies, and that of `halfopen-net`.
const OWN: [&str; 2] = [concat!(env!("CARGO_MANIFEST_DIR"), "/src/"), concat!(env!("CARGO_MANIFEST_DIR"), "/net/src/")];

/// Reads the variable, before a run has an environment of its own.
pub(super) fn ask() {
    ASKED.get_or_init(|| std::env::var_os(VARIABLE).is_some_and(|value| value != "0"));
}

/// Says who is on the stack, if anybody wants to know.
pub(super) fn tell(call: &str) {
    let is_new = || TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(call.to_owned());
    if ASKED.get() != Some(&true) || !is_new() {
        return;
    }
    let folder = std::env::current_dir().unwrap_or_default();
    let stack = Backtrace::force_capture().to_string();
    let callers = callers(&stack, &folder);
    let sentence = match callers.first() {
        Some(caller) => {
            let mut seen = BTreeSet::new();
            let crates: Vec<_> =
                callers.iter().map(|caller| caller.krate).filter(|krate| seen.insert(*krate)).collect();
            format!("{call} was called by {caller} (on the stack, innermost first: {})", crates.join(", "))
        }
        None => format!("{call} was called by a function without a name on the stack"),
    };
    // A process that has closed stderr asks for no report.
    let _ = writeln!(std::io::stderr(), "halfopen: {sentence}");
}

/// A function on the stack that is of no crate that is everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Caller<'a> {
    function: &'a str,
    /// The file and its line, from the package's folder on.
    place: &'a str,
    /// The crate, or the package with its version.
    krate: &'a str,
}

impl std::fmt::Display for Caller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            "" => f.write_str(self.function),
            place => write!(f, "{} at {place}", self.function),
        }
    }
}

/// The callers in a backtrace, innermost first; paths below `folder` are written without it there.
fn callers<'a>(stack: &'a str, folder: &Path) -> Vec<Caller<'a>> {
    let mut callers = Vec::new();
    let mut lines = stack.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(function) = function(line) else { continue };
        let place = lines.next_if(|line| line.trim_start().starts_with("at ")).unwrap_or_default();
        callers.extend(caller(function, place.trim_start().trim_start_matches("at "), folder));
    }
    callers
}

/// What a line of a backtrace names, if it is not the line that says where that is.
fn function(line: &str) -> Option<&str> {
    let (number, function) = line.trim_start().split_once(": ")?;
    number.parse::<u32>().ok().map(|_| function.trim())
}

/// A function that was inlined stands there without its crate, so the place counts first.
fn caller<'a>(function: &'a str, place: &'a str, folder: &Path) -> Option<Caller<'a>> {
    let is_everywhere = |krate: &str| EVERYWHERE.contains(&krate.replace('-', "_").as_str());
    if let Some((_, below)) = place.split_once("/registry/src/") {
        let (_, place) = below.split_once('/')?;
        let (package, _) = place.split_once('/')?;
        let name = package.rsplit_once('-').map_or(package, |(name, _)| name);
        return (!is_everywhere(name)).then_some(Caller { function, place, krate: package });
    }
    // libc's own functions stand at the bottom of every thread's stack.
    let is_rust = place.is_empty() || place.contains(".rs:");
    let whole = folder.join(place);
    if !is_rust || place.starts_with("/rustc/") || OWN.iter().any(|own| whole.starts_with(own)) {
        return None;
    }
    let krate = crate_of(function).unwrap_or(place);
    (!krate.is_empty() && !is_everywhere(krate)).then_some(Caller { function, place, krate })
}

/// The crate of a function, or of the type whose function it is. `<` opens a type that implements a trait.
fn crate_of(function: &str) -> Option<&str> {
    let path = function.trim_start_matches(['<', '&', '*']).trim_start_matches("dyn ").trim_start_matches("mut ");
    let (krate, _) = path.split_once("::")?;
    krate.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(krate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_function_of_a_library_is_who_called() {
        let stack = "   0: tell\n             at ./harness/src/sim/overrides/callers.rs:331:13\n   1: socket\n   \
                     2: new_socket\n             at /x/registry/src/index.crates.io-1/mio-1.2.4/src/sys.rs:8:28\n   \
                     3: connect\n             at /x/registry/src/index.crates.io-1/hyper-util-0.1.21/src/http.rs:9:1\n   \
                     4: poll<alloc::boxed::Box<()>>\n             at /rustc/5980/library/core/src/future.rs:133:9\n   \
                     5: <my_service::Client as my_service::Asks>::ask\n             at ./src/client.rs:4:5\n   \
                     6: start_thread\n             at ./nptl/pthread_create.c:442:8\n";
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let callers = callers(stack, folder);
        let told: Vec<_> = callers.iter().map(|caller| (caller.krate, caller.to_string())).collect();
        assert_eq!(
            told,
            [
                ("hyper-util-0.1.21", "connect at hyper-util-0.1.21/src/http.rs:9:1".to_owned()),
                ("my_service", "<my_service::Client as my_service::Asks>::ask at ./src/client.rs:4:5".to_owned()),
            ]
        );
    }

    #[test]
    fn without_places_the_names_tell_the_crates() {
        let stack = "   0: socket2::sys::socket\n   1: <hyper_util::client::HttpConnector<R> as tower::Service<_>>::call\n   \
                     2: reqwest::connect::Inner::call\n   3: tokio::runtime::task::core::poll\n   4: <unknown>\n   5: main\n";
        let callers = callers(stack, Path::new("/"));
        assert_eq!(callers.iter().map(|caller| caller.krate).collect::<Vec<_>>(), ["hyper_util", "reqwest"]);
        assert_eq!(callers[0].to_string(), "<hyper_util::client::HttpConnector<R> as tower::Service<_>>::call");
    }
}
