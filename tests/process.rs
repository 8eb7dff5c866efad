//! The released binaries, as an operator gets them: refusing a bad configuration before
//! they bind, and delivering over real sockets although the scheduler is killed between two sentences.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Nothing here takes longer on a machine that works at all; who waits so long says for what.
const PATIENCE: Duration = Duration::from_secs(60);
const BINARIES: [&str; 4] = ["halfopen-client", "scheduler", "node", "gateway"];

#[test]
fn a_released_binary_says_its_version() {
    for name in BINARIES {
        let output = finish(Command::new(binary(name)).arg("--version"));
        let line = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {output:?}");
        assert_eq!(line, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_bad_configuration_ends_each_binary_with_2_and_a_sentence_before_it_binds() {
    for name in BINARIES {
        // A process that bound the port first would fail on it, with another exit code and another sentence.
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = taken.local_addr().expect("a bound socket has an address").port();
        let config = match name {
            "halfopen-client" => format!("url = \"ws://127.0.0.1:{port}/ws/session\"\nno_such_key = 1\n"),
            "node" => format!("scheduler = \"127.0.0.1:{port}\"\nno_such_key = 1\n"),
            _ => format!("listen = \"127.0.0.1:{port}\"\nno_such_key = 1\n"),
        };
        let file = scratch(&format!("{name}.toml"));
        fs::write(&file, config).expect("the scratch folder can be written");
        let output = finish(Command::new(binary(name)).arg("--config").arg(&file));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains("no_such_key"), "{name} does not name the mistake: {said}");
        assert!(said.contains(&*file.to_string_lossy()), "{name} does not name the file: {said}");
        taken.set_nonblocking(true).expect("a listener can be asked without waiting");
        assert!(taken.accept().is_err(), "{name} connected to somewhere");
    }
}

#[test]
fn a_sentence_is_translated_and_the_next_one_too_after_the_scheduler_was_killed() {
    let address = free_address();
    let mut scheduler = Process::scheduler(address);
    let _node = Process::node(address);
    let (client, mut sentences, translations) = client(address);
    say(&mut sentences, "good morning");
    assert_eq!(heard(&translations), "1\t[en] good morning");
    scheduler.kill();
    say(&mut sentences, "is anybody there");
    scheduler = Process::scheduler(address);
    assert_eq!(heard(&translations), "2\t[en] is anybody there");
    drop(sentences);
    let status = client.finish();
    assert!(status.success(), "the client ended with {status}");
    drop(scheduler);
}

/// The client with what it is told and what it answers, line by line.
fn client(scheduler: SocketAddr) -> (Process, ChildStdin, Receiver<String>) {
    let mut command = Command::new(binary("halfopen-client"));
    command.arg("--url").arg(format!("ws://{scheduler}/ws/session"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client starts");
    let sentences = child.stdin.take().expect("its input is a pipe");
    let answers = BufReader::new(child.stdout.take().expect("its output is a pipe"));
    let (tell, translations) = channel();
    thread::spawn(move || answers.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    (Process { name: "halfopen-client", child }, sentences, translations)
}

fn say(sentences: &mut ChildStdin, sentence: &str) {
    writeln!(sentences, "{sentence}").expect("the client reads");
}

fn heard(translations: &Receiver<String>) -> String {
    translations.recv_timeout(PATIENCE).expect("the client answers in time")
}

/// A process that does not outlive its test.
struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// A scheduler that listens.
    fn scheduler(address: SocketAddr) -> Self {
        let mut command = Command::new(binary("scheduler"));
        command.arg("--listen").arg(address.to_string());
        let mut process = Self::spawn("scheduler", &mut command);
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert_eq!(process.child.try_wait().expect("its own child"), None, "the scheduler has ended");
            assert!(started.elapsed() < PATIENCE, "the scheduler does not listen on {address}");
            thread::sleep(Duration::from_millis(20));
        }
        process
    }

    /// A node that echoes, and is impatient, so that the test is not slow.
    fn node(scheduler: SocketAddr) -> Self {
        let file = scratch("impatient_node.toml");
        let config = format!("scheduler = \"{scheduler}\"\nretry_interval = \"200ms\"\n[worker]\nkind = \"echo\"\n");
        fs::write(&file, config).expect("the scratch folder can be written");
        Self::spawn("node", Command::new(binary("node")).arg("--config").arg(file))
    }

    fn spawn(name: &'static str, command: &mut Command) -> Self {
        let child = command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self { name, child: child.unwrap_or_else(|error| panic!("{name} does not start: {error}")) }
    }

    /// SIGKILL, and nothing of it is left.
    fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("its own child can be killed");
    }

    /// Waits for its own end.
    fn finish(mut self) -> std::process::ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its own child") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{} does not end", self.name);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that ends by itself.
fn finish(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (tell, ended) = channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    let output = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{command:?} does not end"));
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a bound socket has an address")
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A service's binary, built as for a release: by itself, so that no other crate of the workspace turns the simulation
/// on, in a target folder of its own. What is tested is not how fast it is, so nothing is optimised.
fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let target = scratch("binaries");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace");
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(root).args(["build", "--quiet", "--bins", "--target-dir"]).arg(&target);
        build.args(["--config", "profile.dev.package.\"*\".opt-level=0", "--config", "profile.dev.debug=false"]);
        build.args([
            "--package",
            "halfopen-client",
            "--package",
            "halfopen-scheduler",
            "--package",
            "halfopen-gateway",
        ]);
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "the services do not build by themselves");
        target.join("debug")
    });
    folder.join(name)
}
