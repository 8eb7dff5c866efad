//! Rules about the repository itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use halfopen::fault::{Act, Entry, Holds, Registry};
use halfopen::internals::FaultRule;
use halfopen_scenarios::catalogue;

/// The keys whose every value is a fault of its own.
const KINDS: [(&str, &str); 3] = [("illegal", "kind"), ("upstream", "kind"), ("io_error", "call")];

/// What lies in the repository's folders and is not the repository's own.
const FOREIGN: [&str; 3] = [".git", "target", "node_modules"];

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    // This file is the only one that may.
    let own = root().join("tests/repository.rs");
    let forbidden = ["/work/", "../shared", "/home/", "/Users/", "/root/"];
    let mut named = Vec::new();
    for path in files().into_iter().filter(|path| *path != own) {
        // What is not text has no paths to name.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(word) = forbidden.into_iter().find(|word| names(line, word)) {
                named.push(format!("{}:{number} names `{word}`", path.display()));
            }
        }
    }
    assert!(named.is_empty(), "{}", named.join("\n"));
}

/// What a core may not touch is written once, in clippy.toml, and proved by a build for a target without sockets and clocks.
#[test]
fn every_core_is_held_to_its_contract() {
    let ci = fs::read_to_string(root().join(".ci/run")).expect("the CI's script");
    let services = fs::read_dir(root().join("services")).expect("the services");
    let folders = services.map(|entry| entry.expect("a folder").path()).filter(|path| path.join("src/core").is_dir());
    let mut cores = 0;
    for folder in folders {
        cores += 1;
        let read = |file: &str| fs::read_to_string(folder.join(file)).expect(file);
        let name = folder.file_name().expect("a name").to_str().expect("in ASCII");
        let is_denied = read("src/lib.rs").contains("#![deny(clippy::disallowed_methods)]");
        assert!(is_denied, "services/{name}/src/lib.rs does not deny what clippy.toml lists");
        assert!(read("Cargo.toml").contains("\nshell = ["), "services/{name} has a core and no feature `shell`");
        assert!(ci.contains(&format!("--package halfopen-{name}")), ".ci/run does not build the core of {name}");
    }
    assert!(cores >= 4, "{cores} cores");
}

#[test]
fn every_scenario_says_in_a_sentence_what_it_proves() {
    let mut seen = BTreeSet::new();
    for scenario in catalogue().scenarios().expect("the catalogue has no mistakes") {
        let words = scenario.proves.split_whitespace().count();
        assert!(words >= 5, "{} proves `{}`, which is no sentence", scenario.name, scenario.proves);
        assert!(!scenario.proves.ends_with('.'), "{}: the sentence goes without its full stop", scenario.name);
        assert!(seen.insert(scenario.proves.clone()), "{} proves what another scenario proves", scenario.name);
    }
}

/// A scenario has four beats: what is steady, what breaks, what is noticed of it, and what holds afterwards. A reader needs
/// no other file to know what the fault breaks into: what actors say stands in the scenario itself.
#[test]
fn every_scenario_says_what_is_steady_before_it_says_what_breaks() {
    for scenario in catalogue().scenarios().expect("the catalogue has no mistakes") {
        let name = &scenario.name;
        let path = scenario.file().expect("it is read from a file");
        let text = fs::read_to_string(path).expect("scenarios are text");
        let beats: Vec<_> = text.lines().filter(|line| line.starts_with('[')).map(beat).collect();
        assert!(
            beats.is_sorted(),
            "{name}: hosts and actors come first, then faults, facts, checks, opposites and what it convicts"
        );
        let comment = text.lines().skip_while(|line| !line.starts_with("# Steady: "));
        let steady: Vec<_> = comment.take_while(|line| line.starts_with('#')).collect();
        assert!(!steady.is_empty(), "{name} says nowhere what is steady: write `# Steady: alice says ...`");
        let first = text.lines().take_while(|line| !line.starts_with('[')).any(|line| line == steady[0]);
        assert!(first, "{name} says what is steady behind something else");
        let file: toml::Table = text.parse().expect("it has been read");
        for host in &scenario.hosts {
            let here = |key: &str| file.get("actor")?.get(host.name.as_str())?.get("config")?.get(key);
            let elsewhere = host.config.keys().find(|key| SCRIPTS.contains(&key.as_str()) && here(key).is_none());
            let said = elsewhere.map(String::as_str);
            assert_eq!(
                said, None,
                "{name}: what {} says stands in the base, where no reader of {name} sees it",
                host.name
            );
        }
    }
}

/// The keys under which actors are told what to say and ask.
const SCRIPTS: [&str; 4] = ["sentences", "questions", "steps", "urls"];

/// The place of a table in a scenario.
fn beat(header: &str) -> u8 {
    let mut table = header.trim_matches(['[', ']']).split('.');
    match (table.next(), table.next()) {
        (Some("fault"), _) => 1,
        (Some("facts"), _) => 2,
        (Some("checks"), None | Some("detect" | "close_code" | "stream" | "sometimes")) => 3,
        (Some("checks"), Some(_)) => 4,
        (Some("opposite"), _) => 5,
        (Some("specimen" | "convicts"), _) => 6,
        _ => 0,
    }
}

#[test]
fn every_verb_and_each_of_its_kinds_strikes_in_a_scenario() {
    let scenarios = catalogue().scenarios().expect("the catalogue has no mistakes");
    let acts: Vec<_> = scenarios.iter().flat_map(|scenario| &scenario.rules).flat_map(FaultRule::acts).collect();
    let has = |word: &str, key: &str, value: &str| {
        let says = |act: &Act| act.verb().keys().iter().any(|(name, is)| *name == key && is.as_str() == Some(value));
        acts.iter().any(|act| act.word() == word && says(act))
    };
    for entry in Registry::default().entries() {
        let word = entry.word();
        assert!(acts.iter().any(|act| act.word() == word), "no scenario has {word}");
        // Of these each value is a fault of its own.
        for key in entry.keys().iter().filter(|key| KINDS.contains(&(word, key.name))) {
            let Holds::Word(values) = key.holds else { panic!("`{}` of {word} is no word", key.name) };
            let is_held = |value: &str| value == NO_CALL || has(word, key.name, value);
            let missing: Vec<_> = values.iter().filter(|value| !is_held(value)).collect();
            assert!(missing.is_empty(), "no scenario has {word} with the {} {missing:?}", key.name);
        }
    }
    let one_way = |act: &Act| matches!(act, Act::Pair { verb, .. } if verb.is_one_way());
    assert!(acts.iter().copied().any(one_way), "no scenario has a partition that is one way");
}

/// A flush of tokio's sockets makes no call: harness/tests/engine/calls.rs has it fail on those of halfopen-net.
const NO_CALL: &str = "flush";

/// The legs of the services, and on each the local calls that no service makes there, or that another leg stands for.
const LEGS: [(&str, &str, &[&str]); 6] = [
    ("alice", "scheduler", &[]),
    // One listener of the scheduler's serves this leg and the one above.
    ("node", "scheduler", &["accept"]),
    // One listener of the gateway's serves this leg and the reader's.
    ("node", "gateway", &["accept"]),
    // The gateway ends a request by dropping its socket; the model is no service of this repository.
    ("gateway", "model", &["accept", "shutdown"]),
    // The reader is no service of this repository, so it is the gateway's calls that fail.
    ("reader", "gateway", &["connect"]),
    // The engine is no service of this repository.
    ("core", "engine", &["accept"]),
];

/// A call that fails locally is met by another piece of code on every leg: `shutdown` is what Windows lets fail
/// (docs/failures.md), and a read that fails is met elsewhere than a write that does.
#[test]
fn every_local_call_fails_on_every_leg_that_makes_it() {
    let scenarios = catalogue().scenarios().expect("the catalogue has no mistakes");
    let acts: Vec<_> = scenarios.iter().flat_map(|scenario| &scenario.rules).flat_map(FaultRule::acts).collect();
    let fails = |client: &str, server: &str, call: &str| {
        let on_leg = |act: &Act| {
            act.target().link().is_some_and(|link| link.client.as_str() == client && link.server.as_str() == server)
        };
        let says = |act: &Act| act.verb().keys().iter().any(|(name, is)| *name == "call" && is.as_str() == Some(call));
        acts.iter().any(|act| act.word() == "io_error" && on_leg(act) && says(act))
    };
    let registry = Registry::default();
    let io_error = registry.entries().iter().filter(|entry| entry.word() == "io_error");
    let key = io_error.flat_map(|entry| entry.keys()).find(|key| key.name == "call").expect("a call fails");
    let Holds::Word(calls) = key.holds else { panic!("`call` is no word") };
    for (client, server, never_made) in LEGS {
        let is_held = |call: &str| call == NO_CALL || never_made.contains(&call) || fails(client, server, call);
        let missing: Vec<_> = calls.iter().filter(|call| !is_held(call)).collect();
        assert!(missing.is_empty(), "no scenario lets these calls fail on {client} -> {server}: {missing:?}");
    }
}

#[test]
fn the_readme_lists_every_verb_by_the_place_where_it_strikes() {
    let registry = Registry::default();
    let mut table = String::from("| where it strikes | `do` |\n|---|---|\n");
    let mut places: Vec<&str> = registry.entries().iter().map(Entry::strikes).collect();
    places.dedup();
    let mut seen = BTreeSet::new();
    for place in places.into_iter().filter(|place| seen.insert(*place)) {
        let entries = registry.entries().iter().filter(|entry| entry.strikes() == place);
        let words: Vec<_> = entries.map(|entry| format!("`{}`", entry.word())).collect();
        table.push_str(&format!("| {place} | {} |\n", words.join(", ")));
    }
    let (begin, end) = ("<!-- the verbs, from the registry -->\n", "<!-- end of the verbs -->");
    let readme = read("README.md");
    let (before, rest) = readme.split_once(begin).expect("README.md has the table of verbs");
    let (kept, after) = rest.split_once(end).expect("README.md has the table's end");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(root().join("README.md"), [before, begin, &table, end, after].concat()).expect("it can be written");
        return;
    }
    assert_eq!(kept, table, "README.md's table of verbs is stale: run this test with INSTA_UPDATE=always");
}

/// A law that cannot convict is no law: each file with a check has a test that builds a run and has it convicted
/// (`broken` and `failure` of the tests' `TraceBuilder` panic on a verdict of "held").
#[test]
fn every_check_has_a_test_in_which_it_convicts() {
    let mut checks = 0;
    for path in files_in(&root().join("harness/src/check")) {
        let text = fs::read_to_string(&path).expect("the sources are text");
        let beside = fs::read_to_string(path.with_extension("").join("tests.rs")).unwrap_or_default();
        let own = text.split_once("#[cfg(test)]\nmod tests {").or_else(|| {
            let code = text.strip_suffix("#[cfg(test)]\nmod tests;\n")?;
            Some((code, beside.as_str()))
        });
        let Some((code, tests)) = own else {
            assert!(!is_check(&text), "{} has a check and no tests", path.display());
            continue;
        };
        if is_check(code) {
            checks += 1;
            let convicts = tests.split("#[test]").any(|test| test.contains(".broken(&") || test.contains(".failure(&"));
            assert!(convicts, "no test of {} convicts", path.display());
        }
    }
    assert!(checks >= 12, "only {checks} checks were found: is this test looking in the right place?");
}

/// A workspace of its own has a lock file of its own, which no build of this one looks at.
#[test]
fn every_lock_file_outside_of_the_workspace_knows_what_halfopen_depends_on() {
    let manifest = read("harness/Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]\n").expect("halfopen has dependencies");
    // Who does not ask for the feature `libtest` does not have its library.
    let names = dependencies.lines().map_while(|line| line.split_once(" = ")).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| *name != "libtest-mimic").collect();
    assert!(names.contains(&"tokio"), "is this test looking in the right place? {names:?}");
    let museum = ["examples/museum", "examples/museum/pool_retry/at-0_1_8", "examples/museum/pool_retry/at-0_1_21"];
    for folder in ["examples/adopter", "examples/libraries"].into_iter().chain(museum) {
        let lock = read(&format!("{folder}/Cargo.lock"));
        let (_, package) = lock.split_once("name = \"halfopen\"\n").expect("it depends on halfopen");
        let package = package.split("[[package]]").next().unwrap_or_default();
        let missing: Vec<_> = names.iter().filter(|name| !package.contains(&format!("\n \"{name}"))).collect();
        assert!(missing.is_empty(), "{folder}/Cargo.lock is stale: run cargo there once; it lacks {missing:?}");
    }
}

#[test]
fn the_two_commands_of_the_readme_are_those_that_ci_runs() {
    let readme = read("README.md");
    let shown = commands(&readme);
    let ci = read(".ci/run");
    for command in ["cargo test --workspace", "cargo halfopen run"] {
        assert!(shown.contains(command), "README.md shows `{command}` in no code block");
        assert!(ci.lines().any(|line| line.trim() == command), ".ci/run does not run `{command}`");
    }
}

/// A reader goes from the word under `do` to the code that strikes in four files: ARCHITECTURE.md walks it.
#[test]
fn the_walk_from_a_word_to_what_strikes_is_true() {
    let document = read("ARCHITECTURE.md");
    let (_, table) = document.split_once("| `do` | the verb |").expect("ARCHITECTURE.md has the walk");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut walked = 0;
    for row in rows {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let word = cells.next().expect("the first cell is the word").trim_matches('`');
        let files: Vec<_> = cells.map(|cell| cell.split_once(": ").expect("a file, and what stands in it")).collect();
        assert_eq!(files.len(), 4, "{row}");
        assert_eq!(files[0].0, format!("`fault/verbs/{word}.rs`"));
        for (file, stands) in files {
            let (file, stands) = (file.trim_matches('`'), stands.trim_end_matches('|').trim().trim_matches('`'));
            assert!(read(&format!("harness/src/{file}")).contains(stands), "{word}: {file} has no `{stands}`");
        }
        walked += 1;
    }
    assert!(walked >= 3, "{walked} verbs");
}

#[test]
fn every_scenario_that_the_documents_replay_is_in_the_catalogue() {
    let scenarios = catalogue().scenarios().expect("the catalogue has no mistakes");
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = read(document);
        for (_, rest) in text.match_indices("cargo halfopen replay ").map(|(at, found)| text.split_at(at + found.len()))
        {
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            // A placeholder is written in capitals, and a path of a capsule begins otherwise.
            if name.is_empty() || name.chars().all(char::is_uppercase) || rest.starts_with("target/") {
                continue;
            }
            assert!(scenarios.iter().any(|scenario| scenario.name == name), "{document} replays `{name}`");
        }
    }
}

#[test]
fn the_network_knows_no_simulation_and_the_simulation_no_judge() {
    let forbidden = [
        ("harness/src/tcp", ["crate::sim", "crate::check", "crate::fabric", "tokio", "halfopen_net"].as_slice()),
        ("harness/src/fabric", ["crate::sim", "crate::check", "std::task", "tokio", "halfopen_net"].as_slice()),
        ("harness/src/sim", ["crate::check", "check::{"].as_slice()),
    ];
    let mut found = Vec::new();
    for (folder, words) in forbidden {
        let sources = files_in(&root().join(folder));
        assert!(!sources.is_empty(), "{folder} has no files");
        for path in sources {
            let text = fs::read_to_string(&path).expect("a source file is text");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for (line, word) in code.flat_map(|line| words.iter().map(move |word| (line, word))) {
                if line.contains(word) {
                    found.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What is deployed has no seam in it: a service opens tokio's own sockets, and only a test knows of a simulation.
#[test]
fn no_service_depends_on_the_harness_or_on_its_sockets() {
    let manifests: Vec<_> =
        files_in(&root().join("services")).into_iter().filter(|path| path.ends_with("Cargo.toml")).collect();
    assert!(manifests.len() >= 8, "is this test looking in the right place? {manifests:?}");
    for path in manifests {
        let manifest = fs::read_to_string(&path).expect("a manifest is text");
        let depends =
            |line: &str| ["halfopen =", "halfopen-net", "halfopen_net"].iter().any(|name| line.starts_with(name));
        let lines = manifest.lines().map(|line| line.trim().trim_start_matches("\"dep:"));
        assert!(!lines.into_iter().any(depends), "{} depends on the harness or on halfopen-net", path.display());
    }
}

/// Phrases that hide who does what, with what to write instead.
const OBSCURE: [(&str, &str); 7] = [
    ("whoever", "name the subject: the host that, a client that, the caller"),
    ("of which", "two sentences, or `whose`"),
    ("another than", "say what differs from what"),
    ("so many", "this many, or the given number of"),
    ("anew", "again"),
    ("nobody", "name the subject: no host, no task, no call"),
    ("in spite of that", "say what is still noticed, and by what"),
];

/// Docs that repeat a question instead of answering it.
const QUESTIONS: [&str; 8] = ["Why.", "Which.", "Whose.", "What.", "How.", "When.", "Of whom.", "From 1."];

#[test]
fn comments_and_documents_say_who_does_what() {
    let mut found = Vec::new();
    for path in files() {
        let name = path.strip_prefix(root()).expect("it lies in the repository").display().to_string();
        let is_prose = [".rs", ".md", ".toml"].iter().any(|end| name.ends_with(end));
        if !is_prose || name == "tests/repository.rs" {
            continue;
        }
        let text = fs::read_to_string(&path).expect("sources and documents are text");
        for (number, line) in (1..).zip(text.lines()) {
            let advice = prose(&name, line).and_then(obscurity);
            found.extend(advice.map(|advice| format!("{name}:{number}: {advice}: {}", line.trim())));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_obscure_sentence_is_found_and_a_plain_one_is_not() {
    let advice = |name: &str, line: &str| prose(name, line).and_then(obscurity);
    let found = advice("a.rs", "    /// The record, of which the host is known.").expect("`of which` is obscure");
    assert_eq!(found, "instead of `of which` write: two sentences, or `whose`");
    assert!(advice("a.rs", "let x = 1; // Whoever waits looks again.").is_some());
    assert!(advice("a.md", "It begins anew.").is_some());
    assert!(advice("a.toml", "# Strikes so many messages.").is_some());
    assert_eq!(advice("a.rs", "/// Why.").as_deref(), Some("`Why.` answers nothing: say what the item is"));
    assert_eq!(advice("a.rs", "/// The host whose connection it is, renewed."), None);
    assert_eq!(advice("a.rs", "let whoever = 1;"), None);
}

/// What a line says to a reader: a comment of a source or of a TOML file, the whole line of a document.
fn prose<'a>(name: &str, line: &'a str) -> Option<&'a str> {
    let mark = if name.ends_with(".md") {
        return Some(line);
    } else if name.ends_with(".toml") {
        "# "
    } else {
        "//"
    };
    let (before, comment) = line.split_once(mark)?;
    (before.is_empty() || before.ends_with(' ')).then(|| comment.trim_start_matches(['/', '!']).trim())
}

fn obscurity(prose: &str) -> Option<String> {
    if QUESTIONS.contains(&prose) {
        return Some(format!("`{prose}` answers nothing: say what the item is"));
    }
    let words: Vec<_> = prose.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    let words = format!(" {} ", words.join(" "));
    let (phrase, instead) = OBSCURE.into_iter().find(|(phrase, _)| words.contains(&format!(" {phrase} ")))?;
    Some(format!("instead of `{phrase}` write: {instead}"))
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    for path in files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let lines = fs::read_to_string(&path).expect("the sources are text").lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn no_function_of_the_harness_or_a_service_is_longer_than_70_lines() {
    for path in ["harness", "services"].into_iter().flat_map(|folder| files_in(&root().join(folder))) {
        let name = path.display().to_string();
        if !name.ends_with(".rs") || !name.contains("/src/") || name.contains("/tests") || name.contains("arbitrary") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("the sources are text");
        let mut open: Option<(usize, usize)> = None;
        let mut before = "";
        for (number, line) in text.lines().take_while(|line| *line != "mod tests {").enumerate() {
            let depth = line.len() - line.trim_start().len();
            let is_test = std::mem::replace(&mut before, line.trim()) == "#[test]";
            let is_head =
                !is_test && line.split_whitespace().take_while(|word| !word.contains('(')).any(|word| word == "fn");
            open = match open {
                Some((since, of)) if line.trim() == "}" && depth == of => {
                    assert!(number - since < 70, "{name}:{}: {} lines", since + 1, number - since + 1);
                    None
                }
                None if is_head
                    && !line.trim_start().starts_with(['/', '#'])
                    && !line.contains("c\"")
                    && !line.ends_with(['}', ';']) =>
                {
                    Some((number, depth))
                }
                other => other,
            };
        }
    }
}

/// Whether the line names the path, and not one that only ends like it.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '/' | '*'))
    })
}

fn is_check(code: &str) -> bool {
    code.lines().any(|line| line.starts_with("impl Check for "))
}

/// The commands in the code blocks of a document, without their prompts.
fn commands(document: &str) -> BTreeSet<String> {
    let blocks = document.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| block.lines().skip(1));
    lines.map(|line| line.trim().trim_start_matches("$ ").to_owned()).collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every file of the repository.
fn files() -> Vec<PathBuf> {
    files_in(&root())
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry of the folder").path();
        let foreign = path.file_name().is_some_and(|name| FOREIGN.iter().any(|foreign| name == *foreign));
        // In a linked worktree `.git` is a file.
        if foreign {
            continue;
        }
        if path.is_dir() {
            files.extend(files_in(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the crate lies in the repository").to_owned()
}
