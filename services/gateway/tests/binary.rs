//! The `gateway` binary: exit codes, signals, and a terminal that went away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

#[test]
fn a_bad_configuration_is_told_in_a_sentence_and_exits_with_2_before_binding() {
    let cases = [
        ("listen = \"127.0.0.1:0\"\ncolour = \"red\"\n", "colour"),
        ("listen = \"127.0.0.1:0\"\n[timings]\nheartbeat = \"0s\"\n", "timings.heartbeat must be greater than zero"),
    ];
    for (index, (text, expected)) in cases.iter().enumerate() {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bad-{index}.toml"));
        std::fs::write(&path, text).expect("the test's own directory");
        let output = gateway(&["--config", path.to_str().expect("UTF-8")]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected) && !told.contains("listening"), "{told}");
    }
    assert_eq!(gateway(&["--config", "/nowhere/gateway.toml"]).status.code(), Some(2));
    assert_eq!(gateway(&["--listen", "nonsense"]).status.code(), Some(2));
    assert_eq!(gateway(&["--colour"]).status.code(), Some(2));
}

#[test]
fn an_address_that_is_taken_exits_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let output = gateway(&["--listen", &taken.local_addr().expect("bound").to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed to listen on"));
}

#[test]
fn the_version_says_whether_the_build_can_be_simulated() {
    let output = gateway(&["--version"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.starts_with("gateway ") && told.contains("sim: "), "{told}");
}

#[test]
fn a_signal_ends_it_cleanly_and_it_says_why() {
    for (signal, name) in [("-TERM", "SIGTERM"), ("-INT", "SIGINT")] {
        let mut running = Running::start();
        assert!(running.ask().contains("hello"));
        running.signal(signal);
        let status = running.child.wait().expect("a child of ours");
        let mut told = String::new();
        running.stderr.take().expect("open").read_to_string(&mut told).expect("UTF-8");
        assert_eq!(status.code(), Some(0), "{told}");
        assert!(told.contains(&format!("exiting: {name}, every request was finished")), "{told}");
    }
}

#[test]
fn a_terminal_that_went_away_does_not_end_it() {
    let mut running = Running::start();
    // What is logged from here on meets a broken pipe, and so does what is said at the end.
    drop(running.stderr.take());
    drop(running.child.stdout.take());
    for _ in 0..3 {
        assert!(running.ask().contains("hello"), "it serves on");
    }
    running.signal("-TERM");
    assert_eq!(running.child.wait().expect("a child of ours").code(), Some(0));
}

#[test]
fn a_full_file_table_is_survived() {
    let mut limited = Command::new("sh");
    let script = format!("ulimit -n 24; exec {} --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_gateway"));
    let mut running = Running::start_as(clean(limited.args(["-c", &script])));
    let crowd: Vec<TcpStream> =
        (0..40).map(|_| TcpStream::connect(&running.address).expect("the backlog has room")).collect();
    running.read_stderr_until("accept failed");
    drop(crowd);
    assert!(running.ask().contains("hello"), "the crowd has left, and it serves on");
}

fn gateway(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("the binary was built")
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    clean(&mut command);
    command
}

/// Without what the surroundings of the test might set.
fn clean(command: &mut Command) -> &mut Command {
    command.env_remove("RUST_LOG").env_remove("GATEWAY_CONFIG").env_remove("GATEWAY_LISTEN")
}

/// A running gateway on a port of its own.
struct Running {
    child: Child,
    stderr: Option<BufReader<ChildStderr>>,
    address: String,
}

impl Running {
    fn start() -> Self {
        Self::start_as(command().args(["--listen", "127.0.0.1:0"]))
    }

    fn start_as(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built");
        let stderr = child.stderr.take().map(BufReader::new);
        let mut running = Self { child, stderr, address: String::new() };
        let listening = running.read_stderr_until("listening on http://");
        running.address = listening.rsplit('/').next().expect("a URL").to_owned();
        running
    }

    /// The next line of its stderr that contains `needle`.
    fn read_stderr_until(&mut self, needle: &str) -> String {
        let stderr = self.stderr.as_mut().expect("open");
        let line = stderr.lines().map(|line| line.expect("UTF-8")).find(|line| line.contains(needle));
        line.unwrap_or_else(|| panic!("it ended before it said {needle:?}"))
    }

    fn ask(&self) -> String {
        let body = r#"{"model":"echo","messages":[{"role":"user","content":"hello"}]}"#;
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already reaped unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
