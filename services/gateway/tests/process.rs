//! The `gateway` binary: exit codes, signals, and a terminal that went away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

#[test]
fn a_bad_configuration_is_told_in_a_sentence_and_exits_with_2_before_binding() {
    let cases = [
        ("listen = \"127.0.0.1:0\"\ncolour = \"red\"\n", "colour"),
        (
            "listen = \"127.0.0.1:0\"\n[timings]\nheartbeat = \"0s\"\n",
            "failed to accept `timings.heartbeat`: it must be greater than zero",
        ),
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
fn the_version_is_that_of_the_crate() {
    let output = gateway(&["--version"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told == format!("gateway {}\n", env!("CARGO_PKG_VERSION")), "{told}");
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
    running.signal("-HUP");
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

#[test]
fn help_teaches_and_names_every_exit_code() {
    let output = gateway(&["--help"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for taught in [
        "curl -N http://127.0.0.1:8080/v1/chat/completions",
        "--check-config",
        "GATEWAY_LOG_FORMAT",
        "SIGTERM, SIGINT",
        "Exit codes:",
        "\n  0 ",
        "\n  1 ",
        "\n  2 ",
        "\n  101 ",
    ] {
        assert!(told.contains(taught), "{taught:?} is not in {told}");
    }
}

#[test]
fn the_example_configuration_is_one_that_can_be_checked() {
    let example = gateway(&["--example-config"]);
    assert!(example.status.success());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("example.toml");
    std::fs::write(&path, &example.stdout).expect("the test's own directory");
    let output = gateway(&["--config", path.to_str().expect("UTF-8"), "--check-config"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.as_ref()), (Some(0), "gateway: the configuration is good\n"));
}

#[test]
fn a_log_for_machines_is_json_down_to_the_reason_of_the_end() {
    let mut command = command();
    // The reason is told whatever else is not.
    command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]).env("RUST_LOG", "warn");
    let mut running = Running::start_as(&mut command);
    assert!(running.ask().contains("hello"));
    running.signal("-TERM");
    let reason = running.read_stderr_until("exiting");
    let line: serde_json::Value = serde_json::from_str(&reason).unwrap_or_else(|error| panic!("{error}: {reason}"));
    assert_eq!(line["fields"]["message"], "exiting: SIGTERM, every request was finished");
    assert_eq!(running.child.wait().expect("a child of ours").code(), Some(0));

    let output = gateway(&["--log-format", "json", "--listen", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one object");
    assert_eq!(line["level"], "ERROR");
}

#[test]
fn the_environment_overrides_the_file_and_a_flag_overrides_both() {
    // Where each of them wants to listen is taken, so that the refusal tells who was heard.
    let taken: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let [file, environment, flag] = [0, 1, 2].map(|index: usize| taken[index].local_addr().expect("bound").to_string());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("layers.toml");
    std::fs::write(&path, format!("listen = \"{file}\"\n")).expect("the test's own directory");
    let mut command = command();
    command.env("GATEWAY_CONFIG", &path);
    assert_refused(&mut command, &file);
    command.env("GATEWAY_LISTEN", &environment);
    assert_refused(&mut command, &environment);
    command.args(["--listen", &flag]);
    assert_refused(&mut command, &flag);
}

#[test]
fn variables_are_named_after_the_house_and_older_names_are_read_where_those_are_not_set() {
    let listening = |variables: &[(&str, &str)]| {
        let mut command = command();
        command.arg("--check-config").envs(variables.iter().copied());
        let output = command.output().expect("the binary was built");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        halfopen_gateway::Config::from_toml(&text).expect("what is in effect, as a file").listen
    };
    let (new, old) = (("HALFOPEN_GATEWAY_LISTEN", "127.0.0.1:1"), ("GATEWAY_LISTEN", "127.0.0.1:2"));
    assert_eq!(listening(&[]), "127.0.0.1:8080");
    assert_eq!(listening(&[old]), "127.0.0.1:2");
    assert_eq!(listening(&[old, new]), "127.0.0.1:1");
}

#[test]
fn a_log_filter_that_cannot_be_understood_exits_with_2_and_one_that_can() {
    let output = command().env("RUST_LOG", "halfopen=loud").output().expect("the binary was built");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("\"halfopen=loud\"") && told.contains("\"halfopen_gateway=debug\""), "{told}");
}

#[test]
fn a_mistake_is_told_with_its_file_and_line() {
    let http = "[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\n";
    let echo = "[[backends]]\nkind = \"echo\"\n";
    let cases = [
        ("listen = \"127.0.0.1:0\"\ncolour = \"red\"\n".to_owned(), 2),
        ("\n[timings]\nheartbeat = \"0s\"\n".to_owned(), 3),
        ("\nlisten = \"8080\"\n".to_owned(), 2),
        ("backends = []\n".to_owned(), 1),
        ("cors_origin = \"\\n\"\n".to_owned(), 1),
        ("[limits]\nbuffer_bytes = 100\n".to_owned(), 2),
        ("[ready]\nattempts = 0\n".to_owned(), 2),
        (format!("{echo}models = []\n"), 3),
        (format!("{echo}{echo}"), 3),
        (format!("{echo}{echo}name = \"b\"\n"), 3),
        (format!("{echo}{http}base_url = \"ftp://x\"\n"), 7),
        (format!("{echo}{http}base_url = \"http://x\"\nhealth_url = \"/health\"\n"), 8),
        (format!("{echo}{http}base_url = \"http://x\"\napi_key_env = \"HALFOPEN_NO_SUCH_KEY\"\n"), 8),
        ("\n[tls]\nkey = \"/no/key.pem\"\ncertificate = \"/no/cert.pem\"\n".to_owned(), 4),
        (format!("{echo}{http}base_url = \"https://x\"\nca_file = \"/no/ca.pem\"\n"), 8),
        ("[access]\n[access.client_keys]\nfile = \"/no/keys\"\n".to_owned(), 2),
    ];
    for (index, (text, line)) in cases.iter().enumerate() {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("line-{index}.toml"));
        std::fs::write(&path, text).expect("the test's own directory");
        let output = gateway(&["--config", path.to_str().expect("UTF-8"), "--check-config"]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.starts_with(&format!("gateway: {}:{line}: ", path.display())), "{text:?} is told as {told:?}");
        assert!(output.stdout.is_empty(), "nothing is printed as if it were good");
    }
}

#[test]
fn what_is_in_effect_is_printed_and_reads_back_as_the_same_configuration() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("effective.toml");
    std::fs::write(&path, gateway(&["--example-config"]).stdout).expect("the test's own directory");
    let output = gateway(&["--config", path.to_str().expect("UTF-8"), "--check-config"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let shown = halfopen_gateway::Config::from_toml(&text).expect("what is in effect, as a file");
    let example = std::fs::read_to_string(&path).expect("it was written");
    assert_eq!(shown, halfopen_gateway::Config::from_toml(&example).expect("a good example"));
}

#[test]
fn a_second_signal_ends_it_at_once_with_1() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("silent.toml");
    let backend = format!("http://{}/v1", silent.local_addr().expect("bound"));
    let text =
        format!("[[backends]]\nkind = \"http\"\nname = \"silent\"\nmodels = [\"m\"]\nbase_url = \"{backend}\"\n");
    std::fs::write(&path, text).expect("the test's own directory");
    let config = path.to_str().expect("UTF-8");
    let mut running = Running::start_as(command().args(["--config", config, "--listen", "127.0.0.1:0"]));
    let _open = running.send(r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#);
    let _upstream = silent.accept().expect("the request is on its way");
    running.signal("-TERM");
    running.read_stderr_until("SIGTERM: finishing open requests");
    running.signal("-TERM");
    running.read_stderr_until("exiting: SIGTERM again");
    assert_eq!(running.child.wait().expect("a child of ours").code(), Some(1));
}

#[track_caller]
fn assert_refused(command: &mut Command, address: &str) {
    let output = command.output().expect("the binary was built");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&format!("failed to listen on {address}")), "{told}");
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
    command
        .env_remove("RUST_LOG")
        .env_remove("GATEWAY_CONFIG")
        .env_remove("GATEWAY_LISTEN")
        .env_remove("GATEWAY_LOG_FORMAT")
        .env_remove("HALFOPEN_GATEWAY_CONFIG")
        .env_remove("HALFOPEN_GATEWAY_LISTEN")
        .env_remove("HALFOPEN_LOG_FORMAT")
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
        let url = listening.rsplit('/').next().expect("a URL");
        // In a JSON log the URL stands in quotes.
        running.address = url.split('"').next().expect("an address").to_owned();
        running
    }

    /// The next line of its stderr that contains `needle`.
    fn read_stderr_until(&mut self, needle: &str) -> String {
        let stderr = self.stderr.as_mut().expect("open");
        let line = stderr.lines().map(|line| line.expect("UTF-8")).find(|line| line.contains(needle));
        line.unwrap_or_else(|| panic!("it ended before it said {needle:?}"))
    }

    fn ask(&self) -> String {
        let mut stream = self.send(r#"{"model":"echo","messages":[{"role":"user","content":"hello"}]}"#);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    fn send(&self, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        stream
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
