//! Configuration: defaults, then the file, then what variables and flags say; refused in one sentence that names the
//! file, the line and what would be right.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// Why a service refuses a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    why: String,
    settings: Vec<String>,
}

impl Refusal {
    /// The sentence, and the settings that it is about, the one to be changed first: dotted names, in which a number
    /// counts the tables of an array from 0 (`backends.1.base_url`). The first that the file has is pointed at.
    pub fn new<N: Into<String>>(why: impl Into<String>, settings: impl IntoIterator<Item = N>) -> Self {
        Self { why: why.into(), settings: settings.into_iter().map(Into::into).collect() }
    }
}

/// A configuration that is refused, in a sentence.
#[derive(Debug)]
pub(crate) struct BadConfig(String);

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
pub(crate) fn load<C: Default + DeserializeOwned>(
    file: Option<&Path>,
    overrule: impl FnOnce(&mut C),
    check: impl FnOnce(&C) -> Result<(), Refusal>,
) -> Result<C, BadConfig> {
    let mut text = String::new();
    let mut config = C::default();
    if let Some(path) = file {
        text = std::fs::read_to_string(path)
            .map_err(|error| BadConfig(format!("{}: failed to read it: {error}", path.display())))?;
        config = toml::from_str(&text).map_err(|error| misread(path, &text, &error))?;
    }
    overrule(&mut config);
    check(&config).map_err(|Refusal { why, settings }| {
        let line = settings.iter().find_map(|setting| line_of(&text, setting));
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
pub(crate) fn to_toml<C: Serialize>(config: &C) -> Result<String, BadConfig> {
    toml::to_string(config).map_err(|error| BadConfig(format!("failed to write the configuration down: {error}")))
}

fn misread(path: &Path, text: &str, error: &toml::de::Error) -> BadConfig {
    let path = path.display();
    // One sentence, whatever the parser makes of it.
    let why = error.message().trim_end().replace('\n', ", ");
    BadConfig(match error.span() {
        Some(span) => {
            let (line, column) = position(text, span.start);
            format!("{path}:{line}: failed to read the configuration at line {line}, column {column}: {why}")
        }
        None => format!("{path}: failed to read the configuration: {why}"),
    })
}

/// The line and the column, in characters and from 1, that a byte is in.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (1 + before.matches('\n').count(), 1 + line.chars().count())
}

/// The line on which a document gives a setting its value, or begins a table of an array.
fn line_of(text: &str, setting: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut at = document.span().start;
    let mut here: Option<&DeValue<'_>> = None;
    for name in setting.split('.') {
        let within = match here {
            None => Some(document.get_ref()),
            Some(value) => value.as_table(),
        };
        if let Some(table) = within {
            let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
            (at, here) = (key.span().start, Some(value.get_ref()));
        } else {
            let value = here?.as_array()?.get(name.parse::<usize>().ok()?)?;
            (at, here) = (value.span().start, Some(value.get_ref()));
        }
    }
    Some(position(text, at).0)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    /// A configuration with every shape that a service's may have.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Toy {
        listen: std::net::SocketAddr,
        doors: Vec<Door>,
        timings: Timings,
        seed: Option<u64>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Door {
        Front { width: u32 },
        Back,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Timings {
        #[serde(with = "humantime_serde")]
        idle: Duration,
    }

    impl Default for Toy {
        fn default() -> Self {
            let doors = vec![Door::Front { width: 1 }];
            Self { listen: ([127, 0, 0, 1], 5010).into(), doors, timings: Timings::default(), seed: None }
        }
    }

    impl Default for Timings {
        fn default() -> Self {
            Self { idle: Duration::from_secs(10) }
        }
    }

    fn check(toy: &Toy) -> Result<(), Refusal> {
        if toy.timings.idle.is_zero() {
            return Err(Refusal::new("timings.idle must be more than zero", ["timings.idle"]));
        }
        let narrow = toy.doors.iter().position(|door| matches!(door, Door::Front { width: 0 }));
        if let Some(index) = narrow {
            return Err(Refusal::new("a door has no width", [format!("doors.{index}.width")]));
        }
        if toy.doors.len() > 2 {
            return Err(Refusal::new("a third door", ["doors.2"]));
        }
        if toy.seed == Some(7) {
            return Err(Refusal::new("seed and listen contradict each other", ["listen", "seed"]));
        }
        Ok(())
    }

    #[test]
    fn a_refusal_names_the_file_the_line_and_what_would_be_right() {
        let cases = [
            ("\n[timings]\nidel = \"5min\"\n", ":3: failed to read the configuration at line 3, column 1: ", "`idle`"),
            ("[timings]\n\n\nidle = \"0s\"\n", ":4: ", "timings.idle must be more than zero"),
            ("[timings]\nidle = 7\n", ":2: ", "expected a duration"),
            ("timings = { idle = \"0s\" }\n", ":1: ", "timings.idle"),
            ("timings.idle = \"0s\"\n", ":1: ", "timings.idle"),
            ("listen = \"here\"\n", ":1: ", "socket address"),
            ("listen = \"127.0.0.1:1\nseed = 1\n", ":1: ", "at line 1"),
            ("[[doors]]\nkind = \"back\"\n[[doors]]\nkind = \"front\"\nwidth = 0\n", ":5: ", "no width"),
            (
                "seed = 1\n[[doors]]\nkind = \"back\"\n[[doors]]\nkind = \"back\"\n[[doors]]\nkind = \"back\"\n",
                ":6: ",
                "third",
            ),
            ("# listen has its default\nseed = 7\n", ":2: ", "contradict"),
            ("seed = 7\nlisten = \"[::1]:1\"\n", ":2: ", "contradict"),
        ];
        for (text, line, right) in cases {
            let file = file(text);
            let refused = load::<Toy>(Some(&file), |_| {}, check).expect_err("a mistake").to_string();
            let expected = format!("{}{line}", file.display());
            assert!(refused.starts_with(&expected) && refused.contains(right), "{text:?} is refused with: {refused}");
            assert!(!refused.contains('\n'), "{refused:?} is no sentence");
        }
    }

    #[test]
    fn a_setting_that_the_file_does_not_have_is_refused_without_a_line() {
        let file = file("seed = 1\n");
        let refused = load(Some(&file), |toy: &mut Toy| toy.timings.idle = Duration::ZERO, check).expect_err("zero");
        assert_eq!(refused.to_string(), format!("{}: timings.idle must be more than zero", file.display()));
        let refused = load(None, |toy: &mut Toy| toy.timings.idle = Duration::ZERO, check).expect_err("zero");
        assert_eq!(refused.to_string(), "timings.idle must be more than zero");
    }

    #[test]
    fn a_flag_overrules_the_file_before_anything_is_checked() {
        let file = file("seed = 3\n[timings]\nidle = \"0s\"\n");
        let right = Timings { idle: Duration::from_secs(2) };
        let toy = load(Some(&file), |toy: &mut Toy| toy.timings = right.clone(), check).expect("valid");
        assert_eq!(toy, Toy { timings: right, seed: Some(3), ..Toy::default() });
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let refused = load::<Toy>(Some(Path::new("/nowhere/toy.toml")), |_| {}, check).expect_err("no file");
        assert!(refused.to_string().starts_with("/nowhere/toy.toml: failed to read it: "), "{refused}");
    }

    #[test]
    fn what_is_written_down_reads_back_as_the_same_configuration() {
        let doors = vec![Door::Back, Door::Front { width: 3 }];
        for toy in [Toy::default(), Toy { doors, seed: Some(9), ..Toy::default() }] {
            let file = file(&to_toml(&toy).expect("TOML"));
            assert_eq!(load::<Toy>(Some(&file), |_| {}, check).expect("valid"), toy);
        }
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("a\nbé c", 5), (2, 3));
        assert_eq!(position("", 0), (1, 1));
    }

    /// A file of its own for each text.
    fn file(text: &str) -> PathBuf {
        let name: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let folder = std::env::temp_dir().join(format!("halfopen-configuration-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder of the test's own");
        let path = folder.join(format!("{}.toml", &name[..name.len().min(200)]));
        std::fs::write(&path, text).expect("a file of the test's own");
        path
    }
}
