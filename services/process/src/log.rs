//! Which lines are logged and how; and how a process speaks of itself.

use std::fmt::{self, Debug};
use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::about::{About, Kind};
pub use crate::lines::dropped_lines;
use crate::lines::{Farewell, Lines, escape_into};

/// The target of what a process says of itself.
const LIFE: &str = "halfopen_process";
/// The target of why it ends other than well.
const COMPLAINT: &str = "halfopen_process::complaint";

/// How lines on stderr are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How a process speaks of itself: in text as `name: line`, among JSON as one of the objects. A closed standard error
/// is no reason to end.
#[derive(Clone, Debug)]
pub struct Voice {
    name: &'static str,
    kind: Kind,
    stopping: &'static str,
    format: LogFormat,
    /// `None` before there is a log.
    lines: Option<Lines>,
}

impl Voice {
    /// The voice of a process that has no log yet.
    pub(crate) fn plain(about: &About) -> Self {
        Self { name: about.name, kind: about.kind, stopping: about.stopping, format: LogFormat::Text, lines: None }
    }

    /// That something panicked, in a line of the log.
    pub(crate) fn panicked(&self, panic: &std::panic::PanicHookInfo<'_>) {
        let thread = std::thread::current();
        let (thread, what) = (thread.name().unwrap_or("unnamed"), panic.payload_as_str().unwrap_or("no message"));
        let at = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        match self.format {
            LogFormat::Text => {
                let mut line = String::new();
                escape_into(&mut line, &format!("thread '{thread}' panicked at {at}: {what}"));
                self.write(&line);
            }
            LogFormat::Json => tracing::error!(target: COMPLAINT, thread, at, "panicked: {what}"),
        }
    }

    /// What a server says whatever the log filter lets through, and a tool logs on the level info.
    pub fn say(&self, line: &str) {
        self.tell(None, line, line);
    }

    /// That the service was asked to stop.
    pub(crate) fn stopping(&self, signal: &'static str) {
        self.tell(Some(signal), &format!("{signal}: {}", self.stopping), self.stopping);
    }

    /// That the service has ended well; the exit code of that.
    pub(crate) fn exiting(&self, signal: Option<&'static str>, how: Option<&str>) -> u8 {
        let line = last_line(signal, how);
        self.tell(signal, &line, &line);
        0
    }

    fn tell(&self, signal: Option<&str>, text: &str, message: &str) {
        match (self.format, self.kind) {
            (LogFormat::Text, Kind::Server) => self.write(text),
            (LogFormat::Text, Kind::Tool) | (LogFormat::Json, Kind::Server | Kind::Tool) => {
                tracing::info!(target: LIFE, signal, "{message}");
            }
        }
    }

    /// Says why the process ends other than well, whatever the log filter lets through; the exit code is handed back.
    pub(crate) fn complain(&self, why: &str, exit_code: u8) -> u8 {
        match self.format {
            LogFormat::Text => self.write(why),
            LogFormat::Json => tracing::error!(target: COMPLAINT, exit_code, "{why}"),
        }
        exit_code
    }

    fn write(&self, line: &str) {
        let line = format!("{}: {line}\n", self.name);
        match &self.lines {
            Some(lines) => lines.queue(line.as_bytes()),
            // A closed stderr must not end the process.
            None => drop(io::stderr().write_all(line.as_bytes())),
        }
    }
}

fn last_line(signal: Option<&str>, how: Option<&str>) -> String {
    match (signal, how) {
        (_, None) => "exiting".to_owned(),
        (None, Some(how)) => format!("exiting: {how}"),
        (Some(signal), Some(how)) => format!("exiting: {signal}, {how}"),
    }
}

/// A log, as long as its process lives.
pub(crate) struct Log {
    /// For what the process says of itself.
    pub(crate) voice: Voice,
    /// Why the filter that was asked for is not the log's.
    pub(crate) refused: Option<String>,
    /// For the end of the process.
    pub(crate) farewell: Farewell,
}

/// Installs the log. A filter that cannot be understood is complained of, in the format that was asked for.
pub(crate) fn install(about: &About, directives: Option<&str>, format: LogFormat) -> Log {
    let default = about.kind.log();
    let directives = directives.filter(|directives| !directives.is_empty()).unwrap_or(default);
    let (filter, refused) = match filter(directives, about) {
        Ok(filter) => (filter, None),
        Err(why) => (EnvFilter::new(default), Some(why)),
    };
    let (lines, farewell) = Lines::to_stderr(format);
    // Complaining of a closed stderr on that stderr would be a panic.
    let log = tracing_subscriber::fmt()
        .with_env_filter(always_heard(filter, about.kind))
        .with_writer(lines.clone())
        .log_internal_errors(false);
    // It fails only if the caller has a log already, which then is the one to be used.
    let _present = match format {
        LogFormat::Text => {
            let log = log.fmt_fields(escaped_fields()).with_ansi(io::stderr().is_terminal() && colours());
            log.finish().try_init()
        }
        LogFormat::Json => log.json().with_ansi(false).finish().try_init(),
    };
    Log { voice: Voice { format, lines: Some(lines), ..Voice::plain(about) }, refused, farewell }
}

/// Fields as tracing's own text format has them, but that no value can end the line or move the cursor: what a client sends
/// is a value, and must not look like a line of ours.
fn escaped_fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(write_field).delimited(" ")
}

fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let mut text = String::new();
    escape_into(&mut text, &format!("{value:?}"));
    match field.name() {
        "message" => writer.write_str(&text),
        name if writer.has_ansi_escapes() => write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{text}"),
        name => write!(writer, "{name}={text}"),
    }
}

fn filter(directives: &str, about: &About) -> Result<EnvFilter, String> {
    EnvFilter::try_new(directives).map_err(|error| {
        let target = about.log_target;
        format!(
            "failed to understand the log filter {directives:?} of --log or RUST_LOG: {error}; \
             try \"info\" or \"{target}=debug\""
        )
    })
}

/// Why the process ends is told, whatever else is not; and a server tells of its life.
fn always_heard(mut filter: EnvFilter, kind: Kind) -> EnvFilter {
    let own = match kind {
        Kind::Server => &[(LIFE, "info"), (COMPLAINT, "error")][..],
        Kind::Tool => &[(COMPLAINT, "error")],
    };
    for (target, level) in own {
        if let Ok(directive) = format!("{target}={level}").parse() {
            filter = filter.add_directive(directive);
        }
    }
    filter
}

/// By <https://no-color.org>, unless the variable is empty.
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::about::tests::ABOUT;

    /// What is logged, for tests.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What a voice says among JSON, under a filter that lets nothing else through.
    fn objects(kind: Kind, speak: impl FnOnce(&Voice)) -> Vec<serde_json::Value> {
        let written = Written::default();
        let filter = always_heard(EnvFilter::new("off"), kind);
        let log = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(written.clone()).finish();
        let about = About { kind, ..ABOUT };
        let voice = Voice { format: LogFormat::Json, ..Voice::plain(&about) };
        tracing::subscriber::with_default(log, || {
            tracing::error!(target: "toy", "not of the process");
            speak(&voice);
        });
        let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
    }

    #[test]
    fn a_server_tells_of_its_life_whatever_the_filter_says() {
        let told = objects(Kind::Server, |voice| {
            voice.say("listening");
            voice.stopping("SIGTERM");
            voice.exiting(Some("SIGTERM"), Some("nothing was lost"));
        });
        let messages: Vec<_> = told.iter().map(|object| &object["fields"]["message"]).collect();
        assert_eq!(messages, ["listening", "finishing", "exiting: SIGTERM, nothing was lost"]);
        assert_eq!(told[1]["fields"]["signal"], "SIGTERM");
        assert_eq!(told[2]["level"], "INFO");
    }

    #[test]
    fn a_tool_is_silent_until_it_has_to_complain() {
        let told = objects(Kind::Tool, |voice| {
            voice.say("listening");
            voice.stopping("SIGTERM");
            assert_eq!(voice.complain("nobody answers", 3), 3);
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((&told[0]["level"], &told[0]["fields"]["message"]), (&"ERROR".into(), &"nobody answers".into()));
        assert_eq!(told[0]["fields"]["exit_code"], 3);
    }

    #[test]
    fn no_value_forges_a_line() {
        let written = Written::default();
        let log = tracing_subscriber::fmt()
            .fmt_fields(escaped_fields())
            .with_ansi(false)
            .with_writer(written.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            let job = "job-1\n2026-11-28 INFO toy: forged\u{1b}[2J";
            let span = tracing::info_span!("request", id = %job);
            let _entered = span.enter();
            tracing::info!(target: "toy", job_id = %job, said = job, number = 7, "taken {job}");
        });
        let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("UTF-8");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let shown = r"job-1\n2026-11-28 INFO toy: forged\u{1b}[2J";
        for part in
            [format!("request{{id={shown}}}"), format!("taken {shown} job_id={shown} said="), " number=7".into()]
        {
            assert!(text.contains(&part), "{part} is not in {text}");
        }
    }

    #[test]
    fn the_last_line_says_what_is_known() {
        assert_eq!(last_line(Some("SIGINT"), None), "exiting");
        assert_eq!(last_line(None, Some("all was said")), "exiting: all was said");
        assert_eq!(last_line(Some("SIGINT"), Some("all was said")), "exiting: SIGINT, all was said");
    }

    #[test]
    fn a_filter_that_cannot_be_understood_is_told_with_one_that_can() {
        let why = filter("toy=loud", &ABOUT).expect_err("no level");
        for part in ["\"toy=loud\"", "RUST_LOG", "try \"info\" or \"toy=debug\""] {
            assert!(why.contains(part), "{part:?} is not in {why}");
        }
        for good in ["info", "toy=debug", "off", "warn,toy::inner=trace"] {
            assert_eq!(filter(good, &ABOUT).map(drop), Ok(()), "{good}");
        }
    }
}
