//! The binary as its user has it: a process with pipes for its input and output, a scheduler on a real socket, and
//! everything that can be seen from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use halfopen_link::message::{FailureCode, FromSession, ToSession};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[path = "../fixture/mod.rs"]
mod fixture;

use fixture::{Scheduler, soon};

#[tokio::test]
async fn a_conversation_survives_an_abrupt_reset_and_the_user_sees_it() {
    let scheduler = Scheduler::start().await;
    let mut program = Program::start(&scheduler, "reset", &[]);
    program.say("good morning");
    let mut peer = scheduler.greet(false).await;
    assert_eq!(program.noticed("connected").await, "-- connected: session s-00000001");
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    assert_eq!(program.heard().await, "1\tgood morning");

    program.say("is anybody there");
    let job = peer.submit().await;
    peer.reset();
    let lost = program.noticed("connection lost").await;
    assert!(lost.starts_with("-- connection lost: 1006 (no Close frame), by network"), "{lost}");
    let again = program.noticed("reconnecting in").await;
    assert!(again.ends_with("(attempt 1 of 10)"), "{again}");

    let mut peer = scheduler.greet(true).await;
    assert_eq!(program.noticed("resumed").await, "-- resumed: session s-00000001, nothing was lost");
    assert_eq!(peer.submit().await, job, "the sentence is sent again, under the same id");
    peer.answer(2, &job).await;
    assert_eq!(program.heard().await, "2\tis anybody there");

    program.end_of_input();
    assert_eq!(soon("the goodbye", peer.until_close()).await, (vec![FromSession::SessionClose], 1000));
    assert_eq!(program.exit_code().await, 0);
}

#[tokio::test]
async fn a_signal_says_goodbye_and_tells_what_became_of_the_open_sentences() {
    for signal in ["TERM", "INT"] {
        let scheduler = Scheduler::start().await;
        let mut program = Program::start(&scheduler, signal, &[]);
        program.say("open");
        let mut peer = scheduler.greet(false).await;
        let job_id = peer.submit().await.job_id;
        program.signal(signal);
        assert_eq!(peer.next().await, FromSession::SessionClose);
        let code = FailureCode::SessionClosed;
        peer.send(&ToSession::JobFailed { seq: 1, job_id, code, message: "the session was closed".into() }).await;
        let goodbye = soon("the goodbye", peer.until_close()).await;
        assert_eq!(goodbye, (vec![FromSession::Ack { upto_seq: 1 }], 1000));
        assert_eq!(program.heard().await, "1\t! SESSION_CLOSED (the session was closed)");
        assert_eq!(program.exit_code().await, 0, "SIG{signal}");
    }
}

#[tokio::test]
async fn giving_up_is_3_and_every_sentence_has_an_answer() {
    let scheduler = Scheduler::start().await;
    let mut program = Program::start(&scheduler, "gave_up", &["--attempts", "2"]);
    drop(scheduler);
    program.say("hello");
    assert_eq!(program.noticed("gave up").await, "-- gave up after 2 attempts");
    assert_eq!(program.heard().await, "1\t! UNKNOWN");
    assert_eq!(program.exit_code().await, 3);
}

#[tokio::test]
async fn a_refused_handshake_is_6_at_once_and_one_that_may_be_answered_otherwise_is_tried_again() {
    let scheduler = Scheduler::start().await;
    let mut program = Program::start(&scheduler, "refused", &[]);
    scheduler.refuse("503 Service Unavailable").await;
    scheduler.refuse("401 Unauthorized").await;
    let told = program.noticed("refused").await;
    assert_eq!(told, "-- refused: the scheduler answered the handshake with 401");
    assert_eq!(program.exit_code().await, 6);
}

#[tokio::test]
async fn losing_the_session_to_another_connection_is_4() {
    let scheduler = Scheduler::start().await;
    let mut program = Program::start(&scheduler, "replaced", &[]);
    scheduler.greet(false).await.close(4001, "replaced").await;
    program.noticed("belongs to another connection").await;
    assert_eq!(program.exit_code().await, 4);
}

#[tokio::test]
async fn a_sentence_without_a_translation_is_5_and_costs_no_other_one_anything() {
    let scheduler = Scheduler::start().await;
    let mut program = Program::start(&scheduler, "unanswered", &[]);
    program.say_bytes(b"\xff\xfe is not UTF-8\n");
    program.say("hello");
    program.end_of_input();
    assert_eq!(program.heard().await, "1\t! NOT_TEXT (the line is not UTF-8)");
    let mut peer = scheduler.greet(false).await;
    let job = peer.submit().await;
    peer.answer(1, &job).await;
    assert_eq!(program.heard().await, "2\thello");
    soon("the goodbye", peer.until_close()).await;
    assert_eq!(program.exit_code().await, 5);
}

#[tokio::test]
async fn the_log_is_json_if_asked_for_and_quiet_leaves_nothing_else() {
    let scheduler = Scheduler::start().await;
    let arguments = ["--quiet", "--log", "halfopen_client=info", "--log-format", "json"];
    let mut program = Program::start(&scheduler, "json", &arguments);
    let peer = scheduler.greet(false).await;
    // Nothing comes before it: a notice would be no JSON.
    let line = soon("a log line", program.notices.recv()).await.expect("a log line");
    let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
    assert_eq!(line["fields"]["message"], "session ready");
    assert_eq!(line["fields"]["session_id"], "s-00000001");
    assert_eq!(line["target"], "halfopen_client");
    program.end_of_input();
    soon("the goodbye", peer.until_close()).await;
    assert_eq!(program.exit_code().await, 0);
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let file = scratch("precedence.toml");
    std::fs::write(&file, "src_lang = \"de\"\ntgt_lang = \"fr\"\n[reconnect]\nattempts = 3\n")
        .expect("a scratch folder");
    let output = command()
        .args(["--check-config", "--from", "ko", "--config"])
        .arg(&file)
        .env("HALFOPEN_CLIENT_FROM", "ja")
        .env("HALFOPEN_CLIENT_ATTEMPTS", "4")
        .output()
        .expect("the program");
    assert!(output.status.success(), "{output:?}");
    let config: halfopen_client::Config = toml::from_str(&stdout(&output)).expect("a configuration");
    assert_eq!((config.src_lang.as_str(), config.tgt_lang.as_str()), ("ko", "fr"));
    assert_eq!((config.reconnect.attempts, config.hello_timeout.as_secs()), (4, 10));
}

#[test]
fn a_configuration_is_checked_without_opening_anything() {
    let file = scratch("bad.toml");
    std::fs::write(&file, "[reconnect]\nattemps = 3\n").expect("a scratch folder");
    let output = command().arg("--check-config").arg("--config").arg(&file).output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("bad.toml:2: ") && said.contains("line 2") && said.contains("attemps"), "{said}");
    let output = command().args(["--check-config", "--log", "halfopen_client=loud"]).output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("halfopen_client=loud") && said.contains("try \"info\""), "{said}");
}

#[test]
fn the_example_is_printed_and_is_what_is_in_effect_without_it() {
    let example = command().arg("--example-config").output().expect("the program");
    let file = scratch("example.toml");
    std::fs::write(&file, &example.stdout).expect("a scratch folder");
    let with = command().args(["--check-config", "--config"]).arg(&file).output().expect("the program");
    let without = command().arg("--check-config").output().expect("the program");
    assert!(example.status.success() && with.status.success() && !without.stdout.is_empty(), "{with:?}");
    assert_eq!(stdout(&with), stdout(&without));
    assert!(with.stderr.is_empty(), "it says nothing unasked: {with:?}");
}

#[test]
fn what_is_complained_of_among_json_is_json() {
    for (name, value) in [("HALFOPEN_LOG_FORMAT", "json"), ("HALFOPEN_CLIENT_LOG_FORMAT", "json")] {
        let output = command().args(["--url", "http://x"]).env(name, value).output().expect("the program");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let line: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one object");
        assert_eq!(
            line["fields"]["message"], "failed to accept url = \"http://x\": it must start with ws:// or wss://",
            "{name}"
        );
    }
}

#[test]
fn the_help_teaches() {
    let help = stdout(&command().arg("--help").output().expect("the program"));
    for taught in [
        "Examples:",
        "Exit codes:",
        "[default: ws://127.0.0.1:5010/ws/session]",
        "[default: error]",
        "HALFOPEN_CLIENT_URL",
        "--check-config",
        "within 40 s",
        "  5  the input has ended",
    ] {
        assert!(help.contains(taught), "the help lacks {taught:?}:\n{help}");
    }
}

/// A running client; it does not outlive its test.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    answers: UnboundedReceiver<String>,
    notices: UnboundedReceiver<String>,
}

impl Program {
    fn start(scheduler: &Scheduler, name: &str, arguments: &[&str]) -> Self {
        // Short delays, and nothing else changed.
        let file = scratch(&format!("{name}.toml"));
        std::fs::write(&file, "[reconnect]\nfirst_delay = \"50ms\"\nlongest_delay = \"100ms\"\n")
            .expect("a scratch folder");
        let mut child = command()
            .args(["--url", &scheduler.config().url, "--config"])
            .arg(&file)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let input = child.stdin.take();
        let answers = lines(child.stdout.take().expect("a pipe"));
        let notices = lines(child.stderr.take().expect("a pipe"));
        Self { child, input, answers, notices }
    }

    fn say(&mut self, sentence: &str) {
        self.say_bytes(format!("{sentence}\n").as_bytes());
    }

    fn say_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("an open input").write_all(bytes).expect("the program reads");
    }

    fn end_of_input(&mut self) {
        self.input = None;
    }

    /// The next answer.
    async fn heard(&mut self) -> String {
        soon("an answer", self.answers.recv()).await.expect("an answer")
    }

    /// The next line of its standard error that holds these words.
    async fn noticed(&mut self, words: &str) -> String {
        loop {
            let line = soon(words, self.notices.recv()).await.unwrap_or_else(|| panic!("never noticed: {words}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    async fn exit_code(&mut self) -> i32 {
        // Its streams end with it.
        soon("the program's end", async { while self.notices.recv().await.is_some() {} }).await;
        self.child.wait().expect("its own child").code().expect("not killed")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended, unless its test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a stream, as they come.
fn lines(stream: impl Read + Send + 'static) -> UnboundedReceiver<String> {
    let (tell, told) = unbounded_channel();
    std::thread::spawn(move || {
        BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
    });
    told
}

/// The program, with nothing of this process's own settings.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen-client"));
    command.env_remove("RUST_LOG").env_remove("HALFOPEN_LOG_FORMAT");
    command
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
