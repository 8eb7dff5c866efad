//! The first signal asks the service to stop; the second one does not wait for it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Failure, Kind};

/// How a service came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it should.
    Well {
        /// What it was told, if it did not end by itself.
        signal: Option<&'static str>,
        /// In its own words.
        how: Option<String>,
    },
    /// With an error.
    Failed(Failure),
    /// It was told to stop, and told again before it had.
    CutShort {
        /// The second signal.
        again: &'static str,
    },
    /// With a panic, which has told of itself.
    Panicked,
}

/// Runs a service to its end. `next_signal` is asked again and again; a signal that comes between two calls must not be
/// lost. `stopping` is told the first one, before `shutdown` is cancelled.
pub(crate) async fn supervise(
    running: impl Future<Output = Result<Option<String>, Failure>>,
    shutdown: CancellationToken,
    mut next_signal: impl AsyncFnMut() -> &'static str,
    stopping: impl FnOnce(&'static str),
) -> Ended {
    // What a panic leaves behind is not looked at again: the process ends.
    let mut running = pin!(AssertUnwindSafe(running).catch_unwind());
    let ended = |signal, ended| match ended {
        Ok(Ok(how)) => Ended::Well { signal, how },
        Ok(Err(failure)) => Ended::Failed(failure),
        Err(_) => Ended::Panicked,
    };
    let signal = tokio::select! {
        biased;
        outcome = running.as_mut() => return ended(None, outcome),
        signal = next_signal() => signal,
    };
    stopping(signal);
    shutdown.cancel();
    tokio::select! {
        biased;
        outcome = running.as_mut() => ended(Some(signal), outcome),
        again = next_signal() => Ended::CutShort { again },
    }
}

/// How long the process has for its last words after the second signal, if its own threads still do anything.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The signals that ask a process to stop, heard by a thread of its own: whatever the service's threads do, a signal is told,
/// and the second one ends the process.
pub(crate) struct Signals {
    heard: UnboundedReceiver<&'static str>,
}

impl Signals {
    /// Watches from now on. The process ends with `exit_code` soon after the second signal. The end of the terminal ends a tool; a
    /// server goes on without one.
    pub(crate) fn watch(exit_code: u8, kind: Kind, hangups: Hangups) -> io::Result<Self> {
        let (tell, heard) = unbounded_channel();
        let (ready, watching) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                let mut source = match Source::watch(kind, hangups) {
                    Ok(source) => source,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                // The other end waits for this, and then for nothing of it.
                drop(ready.send(Ok(())));
                for _ in 0..2 {
                    // The service may have ended, and its receiver with it.
                    let _nobody = tell.send(source.next().await);
                }
                tokio::time::sleep(LAST_WORDS).await;
                std::process::exit(exit_code.into());
            });
        })?;
        watching.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that watches has ended")))?;
        Ok(Self { heard })
    }

    pub(crate) async fn next(&mut self) -> &'static str {
        match self.heard.recv().await {
            Some(signal) => signal,
            // The thread ends with the process only.
            None => std::future::pending().await,
        }
    }
}

/// The hangups of a server: SIGHUP asks it to read again what it has read from files. Clones tell and hear the same.
#[derive(Clone, Debug, Default)]
pub struct Hangups(watch::Sender<u32>);

impl Hangups {
    /// A hangup has come.
    fn tell(&self) {
        if self.0.receiver_count() == 0 {
            tracing::info!(target: "halfopen_process", "SIGHUP: there is nothing to reload, going on");
        }
        self.0.send_modify(|heard| *heard = heard.wrapping_add(1));
    }

    /// Calls `reload` at each hangup from now on, and logs what became of it. Hangups that come while it works are one.
    pub async fn at_each<E: std::error::Error>(&self, mut reload: impl FnMut() -> Result<(), E>) -> Infallible {
        let mut heard = self.0.subscribe();
        loop {
            // The sender is `self`.
            let _ = heard.changed().await;
            match reload() {
                Ok(()) => tracing::info!(target: "halfopen_process", "SIGHUP: certificates and keys were read again"),
                Err(error) => {
                    let why = crate::chain(&error);
                    tracing::error!(target: "halfopen_process", why, "SIGHUP: failed to read again; what could not be read stays as it was");
                }
            }
        }
    }
}

/// Where signals come from.
#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    hangups: Hangups,
    kind: Kind,
}

#[cfg(unix)]
impl Source {
    fn watch(kind: Kind, hangups: Hangups) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: signal(SignalKind::hangup())?, hangups, kind })
    }

    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.hangup.recv() => match self.kind {
                    Kind::Tool => return "SIGHUP",
                    Kind::Server => self.hangups.tell(),
                },
            }
        }
    }
}

/// Where signals come from.
#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn watch(_kind: Kind, _hangups: Hangups) -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Supervises with these signals, and none after them; and what was said to be stopping.
    async fn play(
        signals: &[&'static str],
        run: impl AsyncFnOnce(CancellationToken) -> Result<Option<String>, Failure>,
    ) -> (Ended, Option<&'static str>) {
        let (send, mut receive): (_, UnboundedReceiver<&'static str>) = unbounded_channel();
        for signal in signals {
            send.send(signal).expect("it is open");
        }
        let shutdown = CancellationToken::new();
        let mut told = None;
        let next = async || receive.recv().await.expect("the sender lives");
        let ended = supervise(run(shutdown.clone()), shutdown, next, |signal| told = Some(signal)).await;
        drop(send);
        (ended, told)
    }

    #[tokio::test]
    async fn a_service_may_end_by_itself() {
        let played = play(&[], async |_| Ok(Some("all was said".to_owned()))).await;
        assert_eq!(played, (Ended::Well { signal: None, how: Some("all was said".to_owned()) }, None));
    }

    #[tokio::test]
    async fn the_first_signal_is_waited_for() {
        let stops = async |shutdown: CancellationToken| {
            shutdown.cancelled().await;
            tokio::task::yield_now().await;
            Ok(None)
        };
        let ended = Ended::Well { signal: Some("SIGTERM"), how: None };
        assert_eq!(play(&["SIGTERM"], stops).await, (ended, Some("SIGTERM")));
    }

    #[tokio::test]
    async fn the_second_signal_is_not() {
        let deaf = async |_| std::future::pending().await;
        let ended = Ended::CutShort { again: "SIGINT" };
        assert_eq!(play(&["SIGTERM", "SIGINT"], deaf).await, (ended, Some("SIGTERM")));
    }

    #[tokio::test]
    async fn a_failure_is_one_before_a_signal_and_after_it() {
        let failure = Failure::new(3, "nobody answers");
        let fails = async |_| Err(failure.clone());
        assert_eq!(play(&[], fails).await, (Ended::Failed(failure.clone()), None));
        let fails_late = async |shutdown: CancellationToken| {
            shutdown.cancelled().await;
            Err(failure.clone())
        };
        assert_eq!(play(&["SIGINT"], fails_late).await, (Ended::Failed(failure.clone()), Some("SIGINT")));
    }

    #[tokio::test]
    async fn a_panic_is_caught_and_told_apart() {
        assert_eq!(play(&[], async |_| panic!("on purpose")).await, (Ended::Panicked, None));
    }

    #[tokio::test]
    async fn each_hangup_is_a_reload_and_one_that_fails_is_not_the_last() {
        let hangups = Hangups::default();
        hangups.tell();
        let (told, mut reloads) = unbounded_channel();
        let mut results = [Err(io::Error::other("the file is gone")), Ok(())].into_iter();
        let telling = hangups.clone();
        let listening = tokio::spawn(async move {
            telling
                .at_each(|| {
                    told.send(()).expect("the test listens");
                    results.next().expect("two hangups")
                })
                .await
        });
        while hangups.0.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..2 {
            hangups.tell();
            reloads.recv().await.expect("it reloads");
        }
        listening.abort();
    }
}
