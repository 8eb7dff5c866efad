//! The first signal asks the service to stop; the second one does not wait for it.

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::Failure;

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

/// The signals that ask a process to stop.
#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// The signals that ask a process to stop.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

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
}
