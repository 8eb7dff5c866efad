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

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

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

/// A client and a node that were written from docs/protocol.md alone.
#[test]
fn a_client_and_a_node_in_python_are_served_and_outlive_the_scheduler() {
    let probed = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !probed.is_ok_and(|status| status.success()) {
        // Not `eprintln`: the test harness would swallow the line of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no `python3` on this machine");
        return;
    }
    let address = free_address();
    let python = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python").join(file);
        let mut command = Command::new("python3");
        command.arg("-B").arg(path).arg(address.to_string());
        command
    };
    let mut scheduler = Process::scheduler(address);
    let _node = Process::spawn("node.py", &mut python("node.py"));
    let (client, mut sentences, translations) = client_of(&mut python("client.py"));
    say(&mut sentences, "good morning");
    assert_eq!(heard(&translations), "1\tGOOD MORNING");
    scheduler.kill();
    say(&mut sentences, "is anybody there");
    scheduler = Process::scheduler(address);
    assert_eq!(heard(&translations), "2\tIS ANYBODY THERE");
    say(&mut sentences, &"x".repeat(70_000));
    assert_eq!(heard(&translations), format!("3\t{}", "X".repeat(70_000)));
    drop(sentences);
    let status = client.finish();
    assert!(status.success(), "the client ended with {status}");
    assert!(translations.recv().is_err(), "an answer came twice");
    drop(scheduler);
}

/// Every leg is encrypted, and the gateway asks for a key that is taken back and given again while it runs.
#[test]
fn sentences_are_translated_over_tls_and_keys_are_read_again_at_a_sighup() {
    let folder = certificates();
    let path = |name: &str| folder.join(name).display().to_string();
    let tls = format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", path("server.pem"), path("server.key"));
    let (at_scheduler, at_gateway) = (free_address(), free_address());
    let keys = folder.join("gateway.keys");
    let with_keys = |text: &str| fs::write(&keys, text).expect("the scratch folder can be written");
    with_keys("the-key-of-the-node\n");
    let config = |name: &str, text: String| {
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, text).expect("the scratch folder can be written");
        file
    };

    let of_gateway =
        format!("listen = \"{at_gateway}\"\n{tls}[access.client_keys]\nfile = {:?}\n", path("gateway.keys"));
    let mut gateway = Command::new(binary("gateway"));
    gateway.arg("--config").arg(config("gateway", of_gateway)).stderr(Stdio::piped());
    let mut gateway = Process::spawn("gateway", gateway.env("RUST_LOG", "info"));
    let mut said = BufReader::new(gateway.child.stderr.take().expect("it is a pipe")).lines().map_while(Result::ok);
    let mut wait_for = |words: &str| assert!(said.any(|line| line.contains(words)), "the gateway never said {words:?}");
    wait_for("listening on https://");

    let file = config("scheduler", format!("listen = \"{at_scheduler}\"\n{tls}"));
    let _scheduler =
        Process::listening_scheduler(at_scheduler, Command::new(binary("scheduler")).arg("--config").arg(file));
    let (port, ca) = (at_scheduler.port(), path("ca.pem"));
    let of_node = format!(
        "scheduler = \"wss://localhost:{port}\"\nca_file = {ca:?}\nretry_interval = \"200ms\"\n[worker]\nkind = \"gateway\"\n\
         base_url = \"https://localhost:{}\"\napi_key_env = \"HALFOPEN_TEST_NODE_KEY\"\n",
        at_gateway.port()
    );
    let mut node = Command::new(binary("node"));
    node.arg("--config").arg(config("node", of_node)).env("HALFOPEN_TEST_NODE_KEY", "the-key-of-the-node");
    let _node = Process::spawn("node", &mut node);

    let file = config("client", format!("url = \"wss://localhost:{port}/ws/session\"\nca_file = {ca:?}\n"));
    let (client, mut sentences, translations) =
        client_of(Command::new(binary("halfopen-client")).arg("--config").arg(file));
    say(&mut sentences, "good morning");
    assert_eq!(heard(&translations), "1\tgood morning");
    for (text, answer) in [("the-key-of-another-node\n", "2\t!"), ("the-key-of-the-node\n", "3\tis anybody there")] {
        with_keys(text);
        gateway.signal("-HUP");
        wait_for("certificates and keys were read again");
        say(&mut sentences, "is anybody there");
        let heard = heard(&translations);
        assert!(heard.starts_with(answer), "{heard}");
    }
    drop(sentences);
    client.finish();
}

/// A folder with an authority, `ca.pem`, and a server's certificate and key from it, for `localhost`.
fn certificates() -> PathBuf {
    let folder = scratch("tls");
    fs::create_dir_all(&folder).expect("the scratch folder can be written");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let server = params.signed_by(&key, &authority).expect("a certificate");
    for (name, text) in [("ca.pem", authority.pem()), ("server.pem", server.pem()), ("server.key", key.serialize_pem())]
    {
        fs::write(folder.join(name), text).expect("the scratch folder can be written");
    }
    folder
}

/// The client with what it is told and what it answers, line by line.
fn client(scheduler: SocketAddr) -> (Process, ChildStdin, Receiver<String>) {
    client_of(Command::new(binary("halfopen-client")).arg("--url").arg(format!("ws://{scheduler}/ws/session")))
}

fn client_of(command: &mut Command) -> (Process, ChildStdin, Receiver<String>) {
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
        Self::listening_scheduler(address, Command::new(binary("scheduler")).arg("--listen").arg(address.to_string()))
    }

    fn listening_scheduler(address: SocketAddr, command: &mut Command) -> Self {
        let mut process = Self::spawn("scheduler", command);
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
        if !command.get_envs().any(|(name, _)| name == "RUST_LOG") {
            command.env("RUST_LOG", "warn");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self { name, child: child.unwrap_or_else(|error| panic!("{name} does not start: {error}")) }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
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
