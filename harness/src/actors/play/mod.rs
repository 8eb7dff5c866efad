//! How the actors act: with the libraries of the field, on tokio's own sockets, as a user's client would.

mod http;
mod sse;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Canned, keys};
use crate::catalogue::{Body, BoxError, HostContext};
use crate::name::Incarnation;

/// How long an attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long a service that was never reached is looked for: longer than any starts.
const NEVER_REACHED: Duration = Duration::from_secs(60);

/// How long a service that was reached before is looked for.
const NO_LONGER_REACHED: Duration = Duration::from_secs(5 * 60);

/// The longest pause between two attempts; the first is a second, and each is twice the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The actor of a name.
pub(super) fn body(canned: Canned) -> Body {
    match canned {
        Canned::WsClient => Arc::new(|cx| Box::pin(ws::play(cx))),
        Canned::SseReader => Arc::new(|cx| Box::pin(sse::play(cx))),
        Canned::HttpClient => Arc::new(|cx| Box::pin(http::play(cx))),
    }
}

/// The key of the nth thing that an actor says. One that a fault has ended and that is started again says other things.
fn key(cx: &HostContext, n: u32) -> String {
    match cx.incarnation() {
        Incarnation(0) => format!("{}-{n}", cx.name()),
        Incarnation(life) => format!("{}.{life}-{n}", cx.name()),
    }
}

/// Tells every key that stands in a text and that somebody has offered; with `echoes` also its own.
fn hear(cx: &HostContext, text: &str, echoes: bool) {
    let name = cx.name().as_str();
    let is_own = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.']));
    let heard = keys::words(text).filter(|word| cx.is_offered(word) && (echoes || !is_own(word)));
    heard.for_each(|key| cx.received(key));
}

/// How long a service has been looked for in vain.
struct Search {
    since: Instant,
    pause: Duration,
    was_reached: bool,
}

impl Search {
    fn new() -> Self {
        Self { since: Instant::now(), pause: Duration::from_secs(1), was_reached: false }
    }

    /// It was found.
    fn found(&mut self) {
        *self = Self { was_reached: true, ..Self::new() };
    }

    /// It was lost, and is looked for from now on.
    fn lost(&mut self) {
        self.since = Instant::now();
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The reason of the last attempt, once the service has been looked for long enough.
    async fn go_on(&mut self, url: &str, error: BoxError) -> Result<(), BoxError> {
        let patience = if self.was_reached { NO_LONGER_REACHED } else { NEVER_REACHED };
        if self.since.elapsed() >= patience {
            return Err(format!("failed to reach {url} for {} s: {error}", patience.as_secs()).into());
        }
        self.wait().await;
        Ok(())
    }

    /// Waits before the next attempt, ever longer.
    async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = LONGEST_PAUSE.min(2 * self.pause);
    }
}
