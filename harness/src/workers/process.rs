//! A worker from outside: how it is started, asked and ended, and what ended it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::message::{Reply, Request};
use crate::sim::{self, MEMORY_MIB, Page};
use crate::sweep::{How, Loss};

/// The variable that makes this program a worker.
pub(super) const WORKER: &str = "HALFOPEN_WORKER";
/// A worker's exit code when it cannot be heard any more.
pub(super) const MUTE: u8 = 97;

/// How long a worker may take to begin, and to end once it is asked for no more runs.
const GRACE: Duration = Duration::from_secs(20);
/// Runs that one request may take: the warm-up, the run, and the run again.
const RUNS_A_REQUEST: u32 = 3;

/// What a worker's environment is, whatever that of this process is. A scenario's runs must not depend on whose shell
/// started them.
const ENVIRONMENT: [(&str, &str); 4] = [("TZ", "UTC"), ("LC_ALL", "C.UTF-8"), ("PATH", "/usr/bin:/bin"), ("HOME", "/")];
/// What a program cannot be started or measured without, and what asks the harness itself for something: passed on.
const PASSED_ON: [&str; 3] = ["LD_LIBRARY_PATH", "LLVM_PROFILE_FILE", "HALFOPEN_STRAY_CALLERS"];
/// The variable that names further ones, with commas between them.
const NAMES_MORE: &str = "HALFOPEN_TEST_ENV";

/// A process that plays runs.
pub(super) struct Worker {
    child: Child,
    requests: Option<PipeWriter>,
    replies: PipeReader,
    /// Bytes of an answer that is not complete.
    heard: Vec<u8>,
    page: Page,
    /// What it says on its standard output and error.
    said: File,
    opened: BTreeSet<usize>,
}

impl Worker {
    /// Starts this program once more, and waits until it has begun.
    pub(super) fn start() -> io::Result<Self> {
        let (its_requests, requests) = io::pipe()?;
        let (replies, its_replies) = io::pipe()?;
        let (page, its_page) = Page::new()?;
        let said = sim::memory_file()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1)).env_clear().envs(ENVIRONMENT).env(WORKER, "1").current_dir("/");
        let more = std::env::var(NAMES_MORE).unwrap_or_default();
        for name in PASSED_ON.into_iter().chain(more.split(',').map(str::trim).filter(|name| !name.is_empty())) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?);
        sim::prepare_worker(&mut command, its_requests.into(), its_replies.into(), its_page);
        let child = command.spawn()?;
        // The child's ends of the pipes live in the command: with it they are closed here.
        drop(command);
        let opened = BTreeSet::new();
        let mut worker = Self { child, requests: Some(requests), replies, heard: Vec::new(), page, said, opened };
        match worker.hear(GRACE) {
            Ok(Reply::Ready) => {
                worker.say(&Request::Watchdog(sim::watchdog()));
                Ok(worker)
            }
            Ok(other) => Err(io::Error::other(format!("it began with {other:?}"))),
            Err(how) => {
                let said = worker.said();
                worker.end();
                let end = match how {
                    Some(How::Exited(code)) => format!("with exit code {code}"),
                    Some(How::Killed(signal)) => format!("by {signal}"),
                    Some(How::OutOfMemory { .. } | How::StackOverflow | How::PanickedTwice | How::Mute) => {
                        "by a crash".to_owned()
                    }
                    Some(How::Stalled { .. }) | None => "as it said nothing in time".to_owned(),
                };
                let said = match said.trim() {
                    "" => "nothing".to_owned(),
                    said => said.replace('\n', "; "),
                };
                Err(io::Error::other(format!("it ended before it began, {end}, and said: {said}")))
            }
        }
    }

    /// Tells what a series plays, unless it has been told.
    pub(super) fn open(&mut self, series: usize, request: impl FnOnce() -> Request) {
        if self.opened.insert(series) {
            self.say(&request());
        }
    }

    /// Asks for a run and waits for what became of it.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply, Loss> {
        self.page.clear();
        if self.said.metadata().is_ok_and(|file| file.len() > 0) {
            // What was said in an earlier run explains nothing in this one.
            let _ = self.said.set_len(0);
        }
        self.say(request);
        let wall = sim::watchdog();
        self.hear(wall * RUNS_A_REQUEST + GRACE).map_err(|how| {
            let speaking = self.page.speaking();
            Loss { how: how.unwrap_or(How::Stalled { wall }), host: speaking.host, at: speaking.at }
        })
    }

    /// Copies what it has said to this process's standard error.
    pub(super) fn pass_on(&mut self) {
        let said = self.said();
        let _ = io::stderr().write_all(said.as_bytes());
    }

    /// Ends the process, whatever it is doing.
    pub(super) fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Says something; a worker that does not listen any more is noticed when it does not answer.
    fn say(&mut self, request: &Request) {
        let Ok(mut line) = serde_json::to_vec(request) else { return };
        line.push(b'\n');
        if let Some(requests) = &mut self.requests {
            let _ = requests.write_all(&line);
        }
    }

    /// Waits for an answer; what ended the process instead, or `None` when the time was up.
    fn hear(&mut self, within: Duration) -> Result<Reply, Option<How>> {
        let deadline = Instant::now() + within;
        let mut searched = 0;
        loop {
            if let Some(end) = self.heard[searched..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=searched + end).collect();
                return Ok(serde_json::from_slice(&line)
                    .unwrap_or_else(|error| Reply::Faulty(format!("failed to understand a worker: {error}"))));
            }
            searched = self.heard.len();
            if !sim::readable(&self.replies, deadline.saturating_duration_since(Instant::now())) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return Err(None);
            }
            let mut piece = [0; 64 * 1024];
            match self.replies.read(&mut piece) {
                Ok(0) | Err(_) => return Err(Some(self.end_of_process())),
                Ok(n) => self.heard.extend_from_slice(&piece[..n]),
            }
        }
    }

    /// What ended the process, whose answers have ended.
    fn end_of_process(&mut self) -> How {
        let deadline = Instant::now() + GRACE / 10;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => return how(status, &self.said()),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => break,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        How::Mute
    }

    fn said(&mut self) -> String {
        let mut bytes = Vec::new();
        // What cannot be read explains nothing.
        let _ = self.said.rewind().and_then(|()| self.said.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Worker {
    /// No more runs are asked for, so it ends by itself.
    fn drop(&mut self) {
        drop(self.requests.take());
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended. Rust's runtime says why it aborts, and only there.
fn how(status: ExitStatus, said: &str) -> How {
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(MUTE) => How::Mute,
        (Some(code), _) => How::Exited(code),
        (None, Some(libc::SIGABRT)) if said.contains("has overflowed its stack") => How::StackOverflow,
        (None, Some(libc::SIGABRT)) if said.contains("memory allocation of") => {
            How::OutOfMemory { limit_mib: MEMORY_MIB }
        }
        (None, Some(libc::SIGABRT))
            if said.contains("non-unwinding panic") || said.contains("while processing panic") =>
        {
            How::PanickedTwice
        }
        (None, signal) => How::Killed(signal.map_or_else(|| "an unknown signal".to_owned(), name_of_signal)),
    }
}

fn name_of_signal(signal: i32) -> String {
    const NAMES: [(i32, &str); 12] = [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGTERM, "SIGTERM"),
    ];
    let named = NAMES.into_iter().find(|(number, _)| *number == signal);
    named.map_or_else(|| format!("signal {signal}"), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits' statuses as `wait(2)` encodes them: a signal in the low bits, an exit code above.
    fn killed(signal: i32) -> ExitStatus {
        ExitStatus::from_raw(signal)
    }

    #[test]
    fn an_abort_is_told_by_what_rusts_runtime_says_of_it() {
        let abort = |said: &str| how(killed(libc::SIGABRT), said);
        assert_eq!(abort("thread 'x' (7) has overflowed its stack\n"), How::StackOverflow);
        assert_eq!(abort("memory allocation of 67108864 bytes failed\n"), How::OutOfMemory { limit_mib: MEMORY_MIB });
        assert_eq!(abort("thread caused non-unwinding panic. aborting.\n"), How::PanickedTwice);
        assert_eq!(abort("something else\n"), How::Killed("SIGABRT".to_owned()));
    }

    #[test]
    fn an_exit_is_told_with_its_code_and_a_signal_by_its_name() {
        assert_eq!(how(ExitStatus::from_raw(3 << 8), ""), How::Exited(3));
        assert_eq!(how(ExitStatus::from_raw(i32::from(MUTE) << 8), ""), How::Mute);
        assert_eq!(how(killed(libc::SIGSEGV), ""), How::Killed("SIGSEGV".to_owned()));
        assert_eq!(how(killed(40), ""), How::Killed("signal 40".to_owned()));
    }
}
