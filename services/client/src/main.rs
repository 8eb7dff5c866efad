//! The `halfopen-client` binary: its flags around [`halfopen_client::run`](mod@halfopen_client::run).

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use halfopen_client::config::Order;
use halfopen_client::connector::ByScheme;
use halfopen_client::run::{RunError, run_lines};
use halfopen_client::{Config, run};
use halfopen_process::{About, BAD_INPUT, FAILED, Failure, Kind, Process, Refusal, Service, chain};
use tokio::io::BufReader;

#[derive(Debug, Args)]
struct Arguments {
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
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AnswerOrder {
    Completion,
    Utterance,
}

const LESSON: &str = "\
Examples:
  halfopen-client
          Type a sentence, press Enter, read its translation. Ctrl-D ends.
  printf '早上好\\n谢谢\\n' | halfopen-client --order utterance > answers.tsv
          Each line is a sentence; ends once every one has its answer.
  halfopen-client --url ws://scheduler.example:5010/ws/session --from ja --to fr
  halfopen-client --quiet --log halfopen_client=info --log-format json 2> client.jsonl

A lost connection is noticed at once when it ends, and within 40 s when it goes silent (a ping every 20 s, its pong
within 20 s).";

const GAVE_UP: u8 = 3;
const REPLACED: u8 = 4;
const UNANSWERED: u8 = 5;
const REFUSED: u8 = 6;

fn main() -> ExitCode {
    halfopen_process::main::<Arguments>()
}

impl Service for Arguments {
    type Config = Config;

    const ABOUT: About = About {
        name: "halfopen-client",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Translates sentences, one a line, through a scheduler, and survives its connections.",
        description: "\
Sentences are read from standard input. Each answer is a line on standard output: the sentence's number, a tab, and \
the translation, or \"!\" and why there is none. What happens to the connection is told on standard error, in lines that \
begin with \"--\". Connections that are lost are made again, and no sentence is lost with one.",
        kind: Kind::Tool,
        example_config: include_str!("../client.example.toml"),
        config_variable: "HALFOPEN_CLIENT_CONFIG",
        former_variables: &[("log_format", "HALFOPEN_CLIENT_LOG_FORMAT")],
        log_target: "halfopen_client",
        try_it: "Try:  scheduler & node &\n      halfopen-client",
        lesson: LESSON,
        variables: &[],
        when_stopped: "say goodbye to the scheduler, tell what became of the open sentences, exit",
        stopping: "saying goodbye",
        cut: "the goodbye is not waited for",
        exit_codes: &[
            (0, "every sentence has its translation, or the program was asked to stop"),
            (FAILED, "sentences could not be read or answers not written, or a second signal cut the goodbye short"),
            (GAVE_UP, "gave up: the scheduler could not be reached any more"),
            (REPLACED, "another connection has taken the session over (close code 4001)"),
            (UNANSWERED, "the input has ended, and at least one sentence could not be translated"),
            (REFUSED, "the scheduler refuses this client: a wrong key (401) or a wrong path (404)"),
        ],
    };

    fn overrule(&self, config: &mut Config) {
        let texts =
            [(&self.url, &mut config.url), (&self.from, &mut config.src_lang), (&self.to, &mut config.tgt_lang)];
        for (given, setting) in texts {
            if let Some(value) = given {
                setting.clone_from(value);
            }
        }
        if let Some(order) = self.order {
            config.order = match order {
                AnswerOrder::Completion => Order::Completion,
                AnswerOrder::Utterance => Order::Utterance,
            };
        }
        config.reconnect.attempts = self.attempts.unwrap_or(config.reconnect.attempts);
    }

    fn check(config: &Config) -> Result<(), Refusal> {
        // The files of TLS are read as well.
        let checked = config.validate().and_then(|()| ByScheme::new(config).map(drop));
        checked.map_err(|error| Refusal::new(failed_to(&error), error.settings()))
    }

    async fn run(self, config: Config, process: Process) -> Result<Option<String>, Failure> {
        if !self.quiet && io::stdin().is_terminal() {
            // A closed stderr is no reason not to translate.
            let _closed = writeln!(io::stderr(), "-- type a sentence and press Enter; Ctrl-D ends");
        }
        let ended = if self.quiet {
            let sentences = BufReader::new(tokio::io::stdin());
            run_lines(config, process.shutdown, sentences, tokio::io::stdout(), tokio::io::sink()).await
        } else {
            run(config, process.shutdown).await
        };
        ended.map(|()| None).map_err(|error| Failure::new(exit_code(&error), failed_to(&error)))
    }
}

/// Errors of this crate complete "failed to".
fn failed_to(error: &dyn std::error::Error) -> String {
    format!("failed to {}", chain(error))
}

fn exit_code(error: &RunError) -> u8 {
    match error {
        RunError::Config(_) => BAD_INPUT,
        RunError::Read(_) | RunError::Write(_) => FAILED,
        RunError::GaveUp => GAVE_UP,
        RunError::Refused(_) => REFUSED,
        RunError::Replaced => REPLACED,
        RunError::Unanswered(_) => UNANSWERED,
    }
}
