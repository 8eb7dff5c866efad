//! Configuration: defaults, then the file, then what flags and environment say; refused in one sentence that names the
//! file, the line and what would be right.

use std::error::Error;
use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::DeTable;

use super::sentence;

/// Settings that a file may hold.
pub trait Configuration: Default + Serialize + DeserializeOwned {
    /// Why they are refused; completes "failed to ...".
    type Refusal: Error;

    /// Checks every setting, and that none contradicts another.
    ///
    /// # Errors
    /// The first setting found wrong.
    fn check(&self) -> Result<(), Self::Refusal>;

    /// The settings that a refusal is about, as dotted names, the one to be changed first.
    fn settings(refusal: &Self::Refusal) -> Vec<String>;
}

/// A configuration that is refused, in a sentence.
#[derive(Debug)]
pub struct BadConfig(String);

impl fmt::Display for BadConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The settings of `file`, or the defaults, changed by `overrule`.
///
/// # Errors
/// When the file cannot be read, is not TOML, holds a setting that does not exist or a value of the wrong kind, or when
/// the outcome fails its check. The sentence names the file and, where there is one, the line.
pub fn load<C: Configuration>(file: Option<&Path>, overrule: impl FnOnce(&mut C)) -> Result<C, BadConfig> {
    let mut text = String::new();
    let mut config = C::default();
    if let Some(path) = file {
        let named = |line: Option<usize>, why: String| BadConfig(format!("{}{}: {why}", path.display(), at(line)));
        text = std::fs::read_to_string(path).map_err(|error| named(None, format!("failed to read it: {error}")))?;
        config = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| line_at(&text, span.start));
            named(line, format!("failed to read the configuration: {}", error.message()))
        })?;
    }
    overrule(&mut config);
    config.check().map_err(|refusal| {
        let line = C::settings(&refusal).iter().find_map(|setting| line_of(&text, setting));
        let why = sentence(&refusal);
        match (file, line) {
            (Some(path), Some(line)) => BadConfig(format!("{}:{line}: {why}", path.display())),
            (Some(path), None) => BadConfig(format!("{}: {why}", path.display())),
            (None, _) => BadConfig(why),
        }
    })?;
    Ok(config)
}

/// The configuration as a file that says the same.
///
/// # Errors
/// When a setting has no place in TOML.
pub fn to_toml<C: Configuration>(config: &C) -> Result<String, BadConfig> {
    toml::to_string(config).map_err(|error| BadConfig(format!("failed to write the configuration down: {error}")))
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

/// The line, from 1, that a byte is in.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

/// The line on which a document gives a setting its value.
fn line_of(text: &str, setting: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut names = setting.split('.').peekable();
    loop {
        let name = names.next()?;
        let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
        if names.peek().is_none() {
            return Some(line_at(text, key.span().start));
        }
        table = value.get_ref().as_table()?;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::Config;
    use crate::node::{GatewayConfig, NodeConfig, WorkerConfig};

    #[test]
    fn a_refusal_names_the_file_the_line_and_what_would_be_right() {
        let cases = [
            ("\n[timings]\nidle_timeuot = \"5min\"\n", ":3: ", "idle_timeuot"),
            ("[timings]\n\n\nack_timeout = \"0s\"\n", ":4: ", "`timings.ack_timeout`: it must be more than zero"),
            ("[timings]\nack_timeout = 7\n", ":2: ", "expected a duration"),
            ("[link]\nqueue = 64\n", ":2: ", "200 messages at once"),
            ("limits = { attempts = 0 }\n", ":1: ", "`limits.attempts`"),
            ("[timings]\nforget_after = \"1min\"\n", ":2: ", "must not be longer than"),
            ("[link]\nping_interval = \"3days\"\n", ":2: ", "link.ping_interval must be between"),
            ("listen = \"here\"\n", ":1: ", "socket address"),
        ];
        for (text, line, right) in cases {
            let file = file(text);
            let refused = load::<Config>(Some(&file), |_| {}).expect_err("a mistake").to_string();
            assert!(refused.starts_with(&*file.to_string_lossy()), "{refused}");
            assert!(refused.contains(line) && refused.contains(right), "{text:?} is refused with: {refused}");
        }
    }

    #[test]
    fn a_flag_overrules_the_file_before_anything_is_checked() {
        let file = file("capacity = 0\n[worker]\nkind = \"echo\"\nwork_time = \"1s\"\n");
        let refused = load::<NodeConfig>(Some(&file), |_| {}).expect_err("no capacity").to_string();
        assert!(refused.contains(":1: ") && refused.contains("`capacity`"), "{refused}");
        let config = load::<NodeConfig>(Some(&file), |config| config.capacity = 2).expect("valid");
        let worker = WorkerConfig::Echo { work_time: Duration::from_secs(1) };
        assert_eq!(config, NodeConfig { capacity: 2, worker, ..NodeConfig::default() });
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let refused = load::<Config>(Some(Path::new("/nowhere/scheduler.toml")), |_| {}).expect_err("no file");
        assert!(refused.to_string().starts_with("/nowhere/scheduler.toml: failed to read it"), "{refused}");
    }

    #[test]
    fn what_is_written_down_reads_back_as_the_same_configuration() {
        let config = Config { listen: ([0, 0, 0, 0], 7).into(), ..Config::default() };
        let text = to_toml(&config).expect("TOML");
        assert_eq!(Config::from_toml(&text), Ok(config), "{text}");
        let worker = WorkerConfig::Gateway(GatewayConfig::new("http://gateway:8080"));
        let config = NodeConfig { worker, ..NodeConfig::default() };
        let text = to_toml(&config).expect("TOML");
        assert_eq!(NodeConfig::from_toml(&text), Ok(config), "{text}");
    }

    /// A file of its own for each text.
    fn file(text: &str) -> PathBuf {
        let name: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let folder = std::env::temp_dir().join(format!("halfopen-configuration-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder of the test's own");
        let path = folder.join(format!("{}.toml", &name[..name.len().min(100)]));
        std::fs::write(&path, text).expect("a file of the test's own");
        path
    }
}
