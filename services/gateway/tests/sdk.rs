//! The official SDKs against the real binary, where they are installed. Where they are not, each test says that it was
//! skipped: nothing is installed for it. Python finds it by `PYTHONPATH` as well; node, whose modules know no such path, in
//! the folder that `SDK_NODE_PROJECT` names.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

#[test]
fn the_python_sdk_is_served() {
    play("python3", &["-c", "import openai"], &["-c", include_str!("sdk/play.py")]);
}

#[test]
fn the_node_sdk_is_served() {
    let import = ["--input-type=module", "-e", "import 'openai'"];
    play("node", &import, &["--input-type=module", "-e", include_str!("sdk/play.mjs")]);
}

/// Runs `script` with the gateway's URL in its environment; it ends with 0 when everything in it held.
fn play(program: &str, probe: &[&str], script: &[&str]) {
    // A folder that is always there, so that a command can be given one.
    let folder = std::env::var("SDK_NODE_PROJECT").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let probed =
        Command::new(program).current_dir(&folder).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !probed.is_ok_and(|status| status.success()) {
        // Not `eprintln`: the test harness would swallow the line of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {program} has no `openai` on this machine");
        return;
    }
    let gateway = Gateway::start();
    let played = Command::new(program)
        .current_dir(&folder)
        .args(script)
        .env("GATEWAY_URL", format!("http://{}/v1", gateway.address))
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("it was there a moment ago");
    let (told, complained) = (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
    assert!(played.status.success(), "{told}\n{complained}");
    assert!(told.ends_with("played to the end\n"), "{told}\n{complained}");
}

struct Gateway {
    child: Child,
    /// Kept open, so that the gateway can go on logging.
    _stderr: BufReader<ChildStderr>,
    address: String,
}

impl Gateway {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["--listen", "127.0.0.1:0"]).env_remove("GATEWAY_CONFIG").env("RUST_LOG", "warn");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary was built");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("listening on http://") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).expect("UTF-8"), 0, "it ended before it listened");
        }
        let address = line.trim_end().rsplit('/').next().expect("a URL").to_owned();
        Self { child, _stderr: stderr, address }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It is not its end that is tested here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
