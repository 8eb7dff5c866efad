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

fn gateway(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("the binary was built")
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.env_remove("RUST_LOG").env_remove("GATEWAY_CONFIG").env_remove("GATEWAY_LISTEN");
    command
}

/// A running gateway on a port of its own.
struct Running {
    child: Child,
    stderr: Option<BufReader<ChildStderr>>,
    address: String,
}

impl Running {
    fn start() -> Self {
        let mut child = command()
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(stderr.read_line(&mut line).expect("UTF-8") > 0, "it ended before it listened");
            if let Some(address) = line.trim_end().strip_prefix("gateway: listening on http://") {
                break address.to_owned();
            }
        };
        Self { child, stderr: Some(stderr), address }
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
