//! The simulation on this thread.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::OnceLock;

use super::handle::Handle;
use super::options::Options;
use crate::engine::{self, Engine, Lookup, SocketOption};

/// Connections that may wait for `accept` when the caller names no number: what mio's `bind`, which is tokio's, passes to
/// `listen`.
const DEFAULT_BACKLOG: u32 = 128;

/// Set to `tokio`, the types of this crate are tokio's in a simulation as well, which answers their system calls. Tests set
/// it, to play what was written for one front of the simulated network on the other.
const FRONT: &str = "HALFOPEN_NET";

fn is_tokios() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var_os(FRONT).is_some_and(|front| front == "tokio"))
}

/// A simulation, by the number of its run: finds the engine again on the right thread and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SimulationHandle {
    run: u64,
}

impl SimulationHandle {
    /// The simulation of this thread.
    pub(crate) fn current() -> Option<Self> {
        if is_tokios() {
            return None;
        }
        engine::current().map(|engine| Self { run: engine.run() })
    }

    /// The simulation with this number, on whichever thread it runs.
    pub(super) fn of_run(run: u64) -> Self {
        Self { run }
    }

    /// The engine, if this is its thread; the error names `call`.
    pub(super) fn engine(self, call: &'static str) -> io::Result<Rc<dyn Engine>> {
        self.with_engine(call, Rc::clone)
    }

    /// Asks the engine, if this is its thread; the error names `call`.
    pub(super) fn with_engine<T>(self, call: &'static str, ask: impl FnOnce(&Rc<dyn Engine>) -> T) -> io::Result<T> {
        engine::with_current(|run, engine| {
            if run == self.run {
                Ok(ask(engine))
            } else {
                Err(elsewhere(call, "another simulation runs on this thread"))
            }
        })
        .unwrap_or_else(|| Err(elsewhere(call, "no simulation runs on this thread")))
    }

    /// The addresses of a simulated host.
    pub(crate) async fn resolve(self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let Lookup { takes, answer } = self.engine("lookup_host")?.lookup(host, port);
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        answer
    }

    /// Listens as `TcpListener::bind` does, which on Unix sets `SO_REUSEADDR`.
    pub(crate) async fn bind(self, address: SocketAddr) -> io::Result<Handle> {
        let mut options = Options::default();
        options.set(SocketOption::ReuseAddress(true));
        let key =
            poll_fn(|cx| self.engine("TcpListener::bind")?.poll_bind(address, DEFAULT_BACKLOG, options.as_slice(), cx))
                .await?;
        Ok(Handle::new(key, options))
    }

    /// Connects as `TcpStream::connect` does.
    pub(crate) async fn connect(self, to: SocketAddr) -> io::Result<Handle> {
        self.connect_from(None, to, Options::default(), "TcpStream::connect").await
    }

    /// Connects from a chosen address with options that are set before the SYN.
    pub(super) async fn connect_from(
        self,
        from: Option<SocketAddr>,
        to: SocketAddr,
        options: Options,
        call: &'static str,
    ) -> io::Result<Handle> {
        let key = self.engine(call)?.connect(to, from, options.as_slice())?;
        // Owned before the wait: a caller that gives up drops this future, and with it the attempt.
        let handle = Handle::new(key, options);
        poll_fn(|cx| handle.poll_connected(call, cx)).await?;
        Ok(handle)
    }

    /// Tells the run that `call` would leave the simulation, and makes the error that the caller gets.
    pub(crate) fn refuse(self, call: &'static str, remedy: &'static str) -> io::Error {
        self.report(call, remedy);
        let reason = format!("{call} is not possible in a simulation: {remedy}");
        io::Error::new(io::ErrorKind::Unsupported, reason)
    }

    /// Tells the run that `call` left the simulation.
    pub(crate) fn report(self, call: &'static str, remedy: &'static str) {
        if let Ok(engine) = self.engine(call) {
            engine.stray(call, remedy);
        }
    }
}

fn elsewhere(call: &'static str, reason: &str) -> io::Error {
    let reason = format!("{call}: the socket belongs to a simulation, but {reason}");
    io::Error::new(io::ErrorKind::NotConnected, reason)
}

/// The error of a call that stays inside the simulation but means nothing there.
pub(super) fn unsupported(call: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{call} is not supported in a simulation"))
}
