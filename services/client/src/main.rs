//! The `halfopen-client` binary: flags, logging and signals around [`halfopen_client::run`](mod@halfopen_client::run).

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use halfopen_client::config::Order;
use halfopen_client::run::{RunError, run_lines};
use halfopen_client::{Config, run};
use tokio::io::BufReader;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Translates sentences, one a line, through a scheduler, and survives its connections.
///
/// Sentences are read from standard input. Each answer is a line on standard output: the sentence's number, a tab, and
/// the translation, or "!" and why there is none. What happens to the connection is told on standard error, in lines that
/// begin with "--". Connections that are lost are made again, and no sentence is lost with one.
#[derive(Debug, Parser)]
#[command(name = "halfopen-client", disable_version_flag = true, after_long_help = MORE)]
struct Arguments {
    /// Configuration file (TOML). Flags and variables override it; what it does not set has its default.
    #[arg(long, short, value_name = "FILE", env = "HALFOPEN_CLIENT_CONFIG")]
    config: Option<PathBuf>,
    /// The scheduler's session endpoint [default: ws://127.0.0.1:5010/ws/session].
    #[arg(long, value_name = "URL", env = "HALFOPEN_CLIENT_URL")]
    url: Option<String>,
    /// Language of the sentences, a BCP 47 tag [default: zh].
    #[arg(long, value_name = "TAG", env = "HALFOPEN_CLIENT_FROM")]
    from: Option<String>,
    /// Language of the translations, a BCP 47 tag [default: en].
    #[arg(long, value_name = "TAG", env = "HALFOPEN_CLIENT_TO")]
    to: Option<String>,
    /// Order of the answers: as they are ready, or as the sentences were given [default: completion].
    #[arg(long, value_name = "ORDER", env = "HALFOPEN_CLIENT_ORDER")]
    order: Option<AnswerOrder>,
    /// Attempts to reconnect before giving up, 1, 2, 4, 8, 16 and then 30 s apart [default: 10].
    #[arg(long, value_name = "COUNT", env = "HALFOPEN_CLIENT_ATTEMPTS")]
    attempts: Option<u32>,
    /// Tell nothing about the connection.
    #[arg(long, short)]
    quiet: bool,
    /// What is logged on standard error: error, warn, info, debug, trace, or a filter such as "halfopen_client=debug".
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "error")]
    log: String,
    /// How it is logged.
    #[arg(long, value_name = "FORMAT", env = "HALFOPEN_CLIENT_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Check the configuration, print it as it is in effect, and exit; nothing is opened.
    #[arg(long)]
    check_config: bool,
    /// Print the version and whether this build can be simulated.
    #[arg(long, short = 'V')]
    version: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AnswerOrder {
    Completion,
    Utterance,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

const MORE: &str = "\
Examples:
  halfopen-client
          Type a sentence, press Enter, read its translation. Ctrl-D ends.
  printf '早上好\\n谢谢\\n' | halfopen-client --order utterance > answers.tsv
          Each line is a sentence; ends once every one has its answer.
  halfopen-client --url ws://scheduler.example:5010/ws/session --from ja --to fr
  halfopen-client --config client.toml --check-config
          Shows every setting, with its value.
  halfopen-client --quiet --log halfopen_client=info --log-format json 2> client.jsonl

A setting's value is the flag's, else the variable's, else the file's, else the default.

A lost connection is noticed at once when it ends, and within 40 s when it goes silent (a ping every 20 s, its pong
within 20 s). Ctrl-C or SIGTERM says goodbye to the scheduler; a second one does not wait for its answer.

Exit codes:
  0  every sentence has its translation, or the program was asked to stop
  1  sentences could not be read or answers not written, or a second signal cut the goodbye short
  2  a wrong flag or configuration; nothing was opened
  3  gave up: the scheduler could not be reached any more
  4  another connection has taken the session over (close code 4001)
  5  the input has ended, and at least one sentence could not be translated";

const FAILED: u8 = 1;
const BAD_CONFIGURATION: u8 = 2;
const GAVE_UP: u8 = 3;
const REPLACED: u8 = 4;
const UNANSWERED: u8 = 5;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.version {
        return print(&halfopen_net::version_line("halfopen-client", env!("CARGO_PKG_VERSION")));
    }
    let config = match configuration(&arguments).and_then(|config| install_logging(&arguments).map(|()| config)) {
        Ok(config) => config,
        Err(problem) => {
            say(&problem);
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    if arguments.check_config {
        return match toml::to_string_pretty(&config) {
            Ok(text) => print(text.trim_end()),
            Err(error) => {
                say(&format!("failed to print the configuration: {error}"));
                ExitCode::from(BAD_CONFIGURATION)
            }
        };
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("failed to start the runtime: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    if !arguments.quiet && io::stdin().is_terminal() {
        write_line(io::stderr(), "-- type a sentence and press Enter; Ctrl-D ends");
    }
    let code = runtime.block_on(supervise(config, arguments.quiet));
    // A read of standard input cannot be interrupted, and must not be waited for.
    runtime.shutdown_background();
    code
}

/// Runs the client until its input ends or a signal comes; a second signal does not wait for the goodbye.
async fn supervise(config: Config, quiet: bool) -> ExitCode {
    let (mut interrupt, mut terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            say(&format!("failed to watch for signals: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let shutdown = CancellationToken::new();
    let asked = shutdown.clone();
    let running = async move {
        if quiet {
            let sentences = BufReader::new(tokio::io::stdin());
            run_lines(config, asked, sentences, tokio::io::stdout(), tokio::io::sink()).await
        } else {
            run(config, asked).await
        }
    };
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return report(ended),
        () = next_signal(&mut interrupt, &mut terminate) => shutdown.cancel(),
    }
    tokio::select! {
        ended = &mut running => report(ended),
        () = next_signal(&mut interrupt, &mut terminate) => {
            say("stopped without waiting for the goodbye");
            ExitCode::from(FAILED)
        }
    }
}

async fn next_signal(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn report(ended: Result<(), RunError>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    say(&chain(&error));
    ExitCode::from(match error {
        RunError::Config(_) => BAD_CONFIGURATION,
        RunError::Read(_) | RunError::Write(_) => FAILED,
        RunError::GaveUp => GAVE_UP,
        RunError::Replaced => REPLACED,
        RunError::Unanswered(_) => UNANSWERED,
    })
}

fn configuration(arguments: &Arguments) -> Result<Config, String> {
    let mut config = match &arguments.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("failed to read the configuration {}: {error}", path.display()))?;
            toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Config::default(),
    };
    for (given, setting) in [
        (&arguments.url, &mut config.url),
        (&arguments.from, &mut config.src_lang),
        (&arguments.to, &mut config.tgt_lang),
    ] {
        if let Some(value) = given {
            setting.clone_from(value);
        }
    }
    if let Some(order) = arguments.order {
        config.order = match order {
            AnswerOrder::Completion => Order::Completion,
            AnswerOrder::Utterance => Order::Utterance,
        };
    }
    config.reconnect.attempts = arguments.attempts.unwrap_or(config.reconnect.attempts);
    config.validate().map_err(|error| error.to_string())?;
    Ok(config)
}

fn install_logging(arguments: &Arguments) -> Result<(), String> {
    let filter = EnvFilter::try_new(&arguments.log).map_err(|error| {
        format!("log filter {:?}: {error}; try \"info\" or \"halfopen_client=debug\"", arguments.log)
    })?;
    // A stderr that cannot be written must not end the process, which complaining about it would.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false);
    match arguments.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

fn print(text: &str) -> ExitCode {
    if write_line(io::stdout(), text) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn say(text: &str) {
    write_line(io::stderr(), &format!("halfopen-client: {}", text.trim_end()));
}

/// Whether it could be written; a stream that is closed ends nothing.
fn write_line(mut stream: impl Write, text: &str) -> bool {
    writeln!(stream, "{text}").and_then(|()| stream.flush()).is_ok()
}
