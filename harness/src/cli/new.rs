//! Writes a scenario to begin with.

use std::fs;
use std::io::IsTerminal as _;
use std::path::Path;

use super::arguments::New;
use super::{CommandError, HELD, complain, say};
use crate::catalogue::Catalogue;
use crate::fault::{Entry, Holds, Key, Registry, Without};
use crate::scenario::{Scenario, ScenarioError, unknown};

/// Writes the file of a new scenario, says what to do with it, and returns the exit code.
pub(super) fn new(catalogue: &Catalogue, wanted: &New) -> Result<u8, CommandError> {
    let name = &wanted.name;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(CommandError(format!("`{name}` cannot name a scenario: names have letters, digits, `_` and `-`")));
    }
    let file = catalogue.folder().join(format!("{name}.toml"));
    if let Some(taken) = catalogue.read_folder()?.scenarios.iter().find(|scenario| scenario.name == *name) {
        let place = taken.file().unwrap_or(&file).display();
        return Err(CommandError(format!("there is a scenario `{name}` already, in {place}")));
    }
    if file.exists() {
        return Err(CommandError(format!("{} exists already", file.display())));
    }
    let text = Draft::of(catalogue, wanted)?.text(catalogue.faults(), &file)?;
    fs::create_dir_all(catalogue.folder())
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| CommandError(format!("failed to write {}: {error}", file.display())))?;
    say(&format!("written: {}", file.display()));
    complain(&format!(
        "it says what it can say by itself: fill in the rest, then play it with `{} run {name}`",
        catalogue.command_line()
    ));
    Ok(HELD)
}

/// When a fault may strike, in TOML: each verb takes one of these.
const MOMENTS: [&str; 5] = [
    "{ at = \"2s\" }",
    "{ message = 1, direction = \"to_client\" }",
    "{ sse_event = 1 }",
    "{ http_head = 1, direction = \"to_client\" }",
    "{ connect = true }",
];

/// What a new scenario says.
struct Draft {
    proves: String,
    hosts: Vec<String>,
    actors: Vec<String>,
    verb: Entry,
}

impl Draft {
    fn of(catalogue: &Catalogue, wanted: &New) -> Result<Self, CommandError> {
        let (services, actors) = (catalogue.host_names(), catalogue.actor_names());
        let verb = catalogue.faults().entry(&wanted.verb).copied().ok_or_else(|| {
            let known = catalogue.faults().words();
            refusal(unknown(format!("there is no verb `{}`", wanted.verb), &wanted.verb, known))
        })?;
        Ok(Self {
            proves: match &wanted.proves {
                Some(sentence) => sentence.clone(),
                None => asked("What does a run of it prove?")?
                    .unwrap_or_else(|| "say in one sentence what must be true when this has been played".to_owned()),
            },
            hosts: registered("host", &wanted.hosts, &services)?,
            actors: registered("actor", &wanted.actors, &actors)?,
            verb,
        })
    }

    /// The text of the file, with the first moment at which the verb may strike.
    ///
    /// # Errors
    /// If it would be no scenario whatever the moment: what is written must be what is read.
    fn text(&self, verbs: &Registry, file: &Path) -> Result<String, ScenarioError> {
        let mut first = None;
        // Some kinds of a verb need a key that others do not take.
        let keys = self.verb.keys().iter().map(|key| Some(key.name));
        for given in [None].into_iter().chain(keys) {
            for moment in MOMENTS {
                let text = self.text_with(moment, given);
                match Scenario::from_toml_with(&text, file, verbs) {
                    Ok(_) => return Ok(text),
                    Err(mistake) => _ = first.get_or_insert(mistake),
                }
            }
        }
        Err(first.unwrap_or_else(|| ScenarioError::whole(file, "there is no moment for this fault")))
    }

    fn text_with(&self, moment: &str, given: Option<&str>) -> String {
        let mut text = format!("proves = {}\n", quoted(&self.proves));
        text.push_str("\n# Who takes part: hosts are services, which run until the end; actors end by themselves.\n");
        for host in &self.hosts {
            text.push_str(&member("host", host));
        }
        for actor in &self.actors {
            text.push_str(&member("actor", actor));
        }
        text.push_str(&self.fault(moment, given));
        text.push_str(
            "\n# What must hold. Without this table the laws of every run are judged: it stays within its rules, comes to rest,\n\
             # leaks nothing, and each fault changes something. `delivery` says who must receive what is offered.\n\
             # [checks.delivery]\n# receivers = [\"NAME OF A HOST\"]\n",
        );
        text
    }

    /// The fault, and its keys: those that must be given and `given`, and the others as comments.
    fn fault(&self, moment: &str, given: Option<&str>) -> String {
        let verb = self.verb;
        let (client, server) = (self.actors.first().or(self.hosts.get(1)), self.hosts.first());
        let (Some(client), Some(server)) = (client, server) else {
            return "\n# Nothing breaks: a fault needs two who talk to each other.\n".to_owned();
        };
        let place = match verb.place() {
            "host" => format!("host = {}", quoted(server)),
            "between" => format!("between = [{}, {}]", quoted(client), quoted(server)),
            place => format!("{place} = {}", quoted(&format!("{client} -> {server}"))),
        };
        let mut text = format!(
            "\n# What breaks, and when. `{}`: {}; it strikes {}.\n\
             # Another moment may suit it better: a time, a message, an event of a log (docs/scenarios.md).\n\
             [[fault]]\n{place}\nwhen = {moment}\ndo = {}\n",
            verb.word(),
            verb.does(),
            verb.strikes(),
            quoted(verb.word()),
        );
        let other = self.hosts.last().unwrap_or(server);
        verb.keys().iter().for_each(|key| text.push_str(&parameter(key, other, given == Some(key.name))));
        text
    }
}

/// A parameter of a verb as a line, a comment if it is neither `given` nor needed; `host` stands for any host.
fn parameter(key: &Key, host: &str, given: bool) -> String {
    let example = match key.holds {
        Holds::Time => "\"10s\"".to_owned(),
        Holds::Whole { least, .. } => least.to_string(),
        Holds::Text => "\"text\"".to_owned(),
        Holds::Flag => "true".to_owned(),
        Holds::Host => quoted(host),
        Holds::Word(words) => quoted(words.first().copied().unwrap_or_default()),
    };
    match key.without {
        _ if given => format!("{} = {example} # {}\n", key.name, key.means),
        Without::Mistake => format!("{} = {example} # {}\n", key.name, key.means),
        Without::Default(usual) => format!("# {} = {usual} # {}\n", key.name, key.means),
        Without::Absent(absent) => format!("# {} = {example} # {}; without it, {absent}\n", key.name, key.means),
    }
}

fn member(kind: &str, name: &str) -> String {
    format!(
        "\n[{kind}.{name}]\nrun = {}\n# config = {{ }} # what `{name}` is told, if it asks for anything\n",
        quoted(name)
    )
}

/// The registered names that are wanted; the first that is registered, if none is.
fn registered(kind: &str, wanted: &[String], known: &[&str]) -> Result<Vec<String>, CommandError> {
    for name in wanted {
        if !known.contains(&name.as_str()) {
            let sentence = format!("nothing is registered as {} under the name `{name}`", article(kind));
            return Err(refusal(unknown(sentence, name, known.iter().copied())));
        }
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let Some(first) = known.first() else { return Ok(Vec::new()) };
    let question = format!("Which {kind}? There are {} (nothing for `{first}`)", known.join(", "));
    match asked(&question)? {
        Some(name) => registered(kind, &[name], known),
        None => Ok(vec![(*first).to_owned()]),
    }
}

fn article(kind: &str) -> &'static str {
    if kind == "actor" { "an actor" } else { "a host" }
}

fn refusal((sentence, suggestion): (String, Option<String>)) -> CommandError {
    let hint = suggestion.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
    CommandError(format!("{sentence}{hint}"))
}

/// The answer to a question, if there is somebody to ask and he says anything.
fn asked(question: &str) -> Result<Option<String>, CommandError> {
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    complain(question);
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| CommandError(format!("failed to read the answer: {error}")))?;
    let answer = answer.trim();
    Ok((!answer.is_empty()).then(|| answer.to_owned()))
}

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(hosts: &[&str], verb: &Entry) -> Draft {
        Draft {
            proves: "a \"quoted\" word stays one".to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            actors: vec!["alice".to_owned()],
            verb: *verb,
        }
    }

    #[test]
    fn what_is_written_is_a_scenario_whatever_the_verb() {
        let verbs = Registry::default();
        for verb in verbs.entries() {
            let text = draft(&["chat", "mail"], verb).text(&verbs, Path::new("new.toml"));
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", verb.word()));
            let scenario = Scenario::from_toml(&text, Path::new("new.toml")).expect("it was read before");
            assert_eq!((scenario.hosts.len(), scenario.rules.len()), (3, 1), "{text}");
            assert_eq!(scenario.proves, "a \"quoted\" word stays one");
        }
    }

    #[test]
    fn who_talks_to_nobody_gets_no_fault() {
        let verbs = Registry::default();
        let verb = verbs.entry("reset").expect("a verb of this crate");
        let text = draft(&[], verb).text(&verbs, Path::new("new.toml")).expect("a scenario");
        assert!(!text.contains("[[fault]]"), "{text}");
    }
}
