//! Processes that do not outlive their test, heard through their logs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes on the slowest machine: reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A service's command, without what the surroundings of the test might set.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(match program {
        "scheduler" => env!("CARGO_BIN_EXE_scheduler"),
        "node" => env!("CARGO_BIN_EXE_node"),
        other => panic!("{other} is no binary of this crate"),
    });
    for name in ["SCHEDULER_CONFIG", "SCHEDULER_LISTEN", "NODE_CONFIG", "NODE_SCHEDULER", "NODE_CAPACITY"] {
        command.env_remove(format!("HALFOPEN_{name}"));
    }
    for name in ["RUST_LOG", "HALFOPEN_LOG_FORMAT", "HALFOPEN_NODE_GATEWAY", "HALFOPEN_NODE_MODEL"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command that ends by itself.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Output {
    command(program).args(arguments).output().expect("the binary was built")
}

/// A file of the test's own.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the test's own directory");
    path
}

/// A running service.
pub(crate) struct Service {
    child: Child,
    log: Receiver<Value>,
}

impl Service {
    /// A scheduler that listens, and where.
    pub(crate) fn scheduler(listen: SocketAddr, config: &Path) -> (Self, SocketAddr) {
        let mut command = command("scheduler");
        command.arg("--listen").arg(listen.to_string()).arg("--config").arg(config);
        let mut service = Self::start(&mut command);
        let line = service.heard("listening");
        let address = line["fields"]["address"].as_str().and_then(|address| address.parse().ok());
        (service, address.unwrap_or_else(|| panic!("no address in {line}")))
    }

    /// A node, which may not have found its scheduler yet.
    pub(crate) fn node(scheduler: SocketAddr, config: &Path) -> Self {
        let mut command = command("node");
        Self::start(command.arg("--scheduler").arg(scheduler.to_string()).arg("--config").arg(config))
    }

    fn start(command: &mut Command) -> Self {
        let command = command.args(["--log-format", "json"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary was built");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (tell, log) = channel();
        // It reads to the end whether or not anybody listens: a full pipe would stop the service.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let _unheard = tell.send(line);
            }
        });
        Self { child, log }
    }

    /// The next line of the log with this message.
    pub(crate) fn heard(&mut self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line["fields"]["message"] == message => return line,
                Ok(line) => before.push(line.to_string()),
                Err(_) => panic!("{message:?} was never said, but\n{}", before.join("\n")),
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    /// SIGKILL: nothing is said, nothing is flushed.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child of ours");
    }

    /// Waits for its end.
    pub(crate) fn exit_code(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already reaped unless the test failed or has no more use for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page of the scheduler's port, whole: head and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a listener");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}

/// Waits until a line of the metrics reads so.
pub(crate) fn metric(address: SocketAddr, line: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = get(address, "/metrics");
        if page.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < deadline, "{line} never came: {page}");
        thread::sleep(Duration::from_millis(10));
    }
}
