//! The public face: submit, events, callbacks, close.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use halfopen_link::codec::encode;
use halfopen_link::message::{FromSession, Submit};
use halfopen_link::{ConnectionEnd, id};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::connector::{ByScheme, Connector};
use super::driver::{Command, Driver, Slot};
use super::events::{Events, Status};
use super::journal;
use crate::config::{Config, ConfigError};
use crate::core::NewJob;
use crate::event::{Event, State};
use crate::outcome::JobOutcome;

/// Starts a client over TCP, or TLS where the URL asks for it. It connects in the background; submits are taken from now on.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = halfopen_client::connect(halfopen_client::Config::default())?;
/// let outcome = client.submit("早上好")?.await;
/// client.close().await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the configuration is wrong. That the scheduler cannot be reached is no error but an event.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn connect(config: Config) -> Result<Client, ConfigError> {
    config.validate()?;
    let connector = ByScheme::new(&config)?;
    connect_with(config, connector)
}

/// As [`connect`], over streams of another kind.
///
/// # Errors
/// If the configuration is wrong.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn connect_with<C: Connector>(config: Config, connector: C) -> Result<Client, ConfigError> {
    config.validate()?;
    let seed = config.seed.unwrap_or_else(id::seed);
    let (commands, asked) = mpsc::unbounded_channel();
    let (events, _) = broadcast::channel(config.events);
    let (status, told) = watch::channel(Status { state: State::Connecting, ending: None });
    // Weak: the stream of events is to end with the driver.
    let listeners = events.downgrade();
    let room = Arc::new(Semaphore::new(config.open_jobs));
    let mut tasks = JoinSet::new();
    let first = events.subscribe();
    tasks.spawn(Driver::new(config.clone(), seed, connector, asked, events, status).run());
    Ok(Client {
        config,
        commands,
        room,
        listeners,
        first: Mutex::new(Some(first)),
        status: told,
        tasks: Mutex::new(tasks),
    })
}

/// A client. Dropping it ends all its tasks and its connection without a goodbye; [`close`](Self::close) says one.
#[derive(Debug)]
pub struct Client {
    config: Config,
    commands: mpsc::UnboundedSender<Command>,
    room: Arc<Semaphore>,
    listeners: broadcast::WeakSender<Event>,
    /// Kept from the start so that the first to ask for events misses none.
    first: Mutex<Option<broadcast::Receiver<Event>>>,
    status: watch::Receiver<Status>,
    tasks: Mutex<JoinSet<()>>,
}

/// Why a sentence was not taken. The texts complete "failed to".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As many jobs as configured are without an outcome.
    #[error("take the sentence: {open_jobs} jobs are open already")]
    Full {
        /// The most that is allowed.
        open_jobs: usize,
    },
    /// The message would be larger than the protocol allows.
    #[error("send {bytes} bytes in one message: {most} are allowed")]
    TooLarge {
        /// Its size on the wire.
        bytes: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// The client has been closed, replaced or has given up.
    #[error("take the sentence: the client is closed")]
    Closed,
}

impl Client {
    /// Takes a sentence in. It is sent when the session is up, and again as often as needed.
    ///
    /// # Errors
    /// See [`SubmitError`]; nothing is queued then.
    pub fn submit(&self, text: impl Into<String>) -> Result<JobHandle, SubmitError> {
        let job = NewJob {
            job_id: id::job(),
            trace_id: id::trace(),
            text: text.into(),
            src_lang: self.config.src_lang.clone(),
            tgt_lang: self.config.tgt_lang.clone(),
        };
        let (bytes, most) = (size_on_the_wire(&job), self.config.link.largest_message);
        if bytes > most {
            return Err(SubmitError::TooLarge { bytes, most });
        }
        if matches!(self.state(), State::Closing | State::Closed) {
            return Err(SubmitError::Closed);
        }
        let permit = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| SubmitError::Full { open_jobs: self.config.open_jobs })?;
        let (resolve, outcome) = oneshot::channel();
        let handle = JobHandle { job_id: job.job_id.clone(), trace_id: job.trace_id.clone(), outcome };
        journal::offered(&job);
        if let Err(refused) = self.commands.send(Command::Submit(job, Slot { resolve, permit })) {
            // The end crossed with it; the handle resolves, as its slot is dropped here.
            refused.0.journal_unknown();
        }
        Ok(handle)
    }

    /// A stream of events. The first one asked for starts with the client's first event, later ones with the present.
    pub fn events(&self) -> Events {
        // Poisoned only by a panic between two lines of ours; what it guards is whole all the same.
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        Events::new(first.or_else(|| self.listeners.upgrade().map(|events| events.subscribe())))
    }

    /// Calls `callback` for every event from now on, in a task of its own. A callback that panics is logged and called
    /// again for the next event; nothing else notices.
    pub fn on_event(&self, mut callback: impl FnMut(&Event) + Send + 'static) {
        let mut events = self.events();
        let watching = async move {
            while let Some(event) = events.next().await {
                if catch_unwind(AssertUnwindSafe(|| callback(&event))).is_err() {
                    tracing::warn!(target: "halfopen_client", "an event callback panicked");
                }
            }
        };
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(watching);
    }

    /// Where the client stands at this moment.
    #[must_use]
    pub fn state(&self) -> State {
        // A driver that is gone without a word (it can only have panicked) leaves a client that does nothing any more.
        if self.status.has_changed().is_err() { State::Closed } else { self.status.borrow().state }
    }

    /// How the latest connection ended: the peer's close code, 1005 if its Close frame had none, 1006 if there was no such
    /// frame or no connection could be had, and by whom. `None` while a connection is established, and before the first.
    #[must_use]
    pub fn ending(&self) -> Option<ConnectionEnd> {
        self.status.borrow().ending.clone()
    }

    /// Waits until the client is closed for good: replaced or given up.
    pub async fn ended(&self) {
        // A driver that is gone has closed as well.
        let _ = self.status.clone().wait_for(|status| status.state == State::Closed).await;
    }

    /// Says goodbye and waits until the connection is closed and every task has ended. Open handles resolve with what
    /// the scheduler makes of them, `SESSION_CLOSED` as a rule, or `Unknown` if it says nothing within the link's
    /// `close_timeout` (2 s); the closing handshake takes at most as long again.
    pub async fn close(self) {
        // A driver that is gone has closed already.
        let _ = self.commands.send(Command::Close);
        let mut tasks = self.tasks.into_inner().unwrap_or_else(PoisonError::into_inner);
        while tasks.join_next().await.is_some() {}
    }
}

/// The promise of one job's outcome: a future. Dropping it gives up the knowledge, not the job.
#[derive(Debug)]
pub struct JobHandle {
    job_id: String,
    trace_id: String,
    outcome: oneshot::Receiver<JobOutcome>,
}

impl JobHandle {
    /// `job-` and 32 hex digits.
    #[must_use]
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// In every log line about the job, on every service.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }
}

impl Future for JobHandle {
    type Output = JobOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<JobOutcome> {
        // A client that was dropped tells nothing.
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| outcome.unwrap_or(JobOutcome::Unknown))
    }
}

/// With the longest possible index: its place is given later.
fn size_on_the_wire(job: &NewJob) -> usize {
    let NewJob { job_id, trace_id, text, src_lang, tgt_lang } = job.clone();
    encode(&FromSession::Submit(Submit { job_id, utterance_index: u64::MAX, text, src_lang, tgt_lang, trace_id })).len()
}
