//! What a host or actor is given, and where the facts go that it tells.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::config::{Misfit, misfit};
use crate::fact::{Fact, FactKind};
use crate::name::{HostName, Incarnation};

/// What a host or actor is given: its name, its configuration, its shutdown token, and the means to tell facts.
#[derive(Clone, Debug)]
pub struct HostContext {
    name: HostName,
    incarnation: Incarnation,
    config: toml::Table,
    shutdown: CancellationToken,
}

/// The configuration of a host does not fit the type that its service reads it as.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the configuration of `{host}`")]
pub struct ConfigError {
    /// The host.
    pub host: HostName,
    /// The key or value that does not fit.
    pub source: toml::de::Error,
    /// The same, with the way to it.
    pub(crate) misfit: Box<Misfit>,
}

impl HostContext {
    /// The engine makes one for each incarnation of a host.
    pub(crate) fn new(
        name: HostName,
        incarnation: Incarnation,
        config: toml::Table,
        shutdown: CancellationToken,
    ) -> Self {
        Self { name, incarnation, config, shutdown }
    }

    /// This host's name in the scenario.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// How often the host was started before this incarnation.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The host's `config` table as the service's own type.
    ///
    /// # Errors
    /// If the table does not fit the type.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.config.clone().try_into().map_err(|source| {
            let misfit = Box::new(misfit::<T>(&self.config, &source));
            ConfigError { host: self.name.clone(), source, misfit }
        })
    }

    /// Waits until the host is asked to stop.
    pub async fn stopped(&self) {
        self.shutdown.cancelled().await;
    }

    /// Runs a service that has no shutdown of its own until it ends or the host is asked to stop. It is then dropped where
    /// it stands; tasks that it has spawned go on.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn until_stopped<E>(&self, service: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let (mut service, mut stopped) = (pin!(service), pin!(self.shutdown.cancelled()));
        poll_fn(|cx| match service.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => stopped.as_mut().poll(cx).map(Ok),
        })
        .await
    }

    /// Cancelled when the host is asked to stop; for services that take a token.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Tells that a user of this host asked it to deliver `key`.
    pub fn offered(&self, key: impl fmt::Display) {
        self.tell(Fact::new(FactKind::Offered, key));
    }

    /// Tells that the application of this host has received `key`.
    pub fn received(&self, key: impl fmt::Display) {
        self.tell(Fact::new(FactKind::Received, key));
    }

    /// Tells that `key` was refused, and that its sender knows.
    pub fn refused(&self, key: impl fmt::Display) {
        self.tell(Fact::new(FactKind::Refused, key));
    }

    /// Tells that a user of this host asked it to deliver `key` to `addressee` alone.
    pub fn offered_to(&self, key: impl fmt::Display, addressee: impl Into<HostName>) {
        self.tell(Fact::new(FactKind::Offered, key).to(addressee));
    }

    /// Tells that the application of this host has received the `key` that `sender` offered; another sender may use the same key.
    pub fn received_from(&self, key: impl fmt::Display, sender: impl Into<HostName>) {
        self.tell(Fact::new(FactKind::Received, key).from(sender));
    }

    /// Tells a fact of any kind with a value.
    pub fn fact(&self, kind: FactKind, key: impl fmt::Display, value: impl fmt::Display) {
        self.tell(Fact::new(kind, key).value(value));
    }

    /// Says that this script has done its part and only listens on: the run no longer waits for its end.
    #[cfg_attr(not(feature = "actors"), expect(dead_code, reason = "the actors of this crate say it"))]
    pub(crate) fn rests(&self) {
        if let Some(sink) = sink() {
            sink.rests(&self.name, self.incarnation);
        }
    }

    /// Whether any host has offered `key` in this run.
    #[cfg_attr(not(feature = "actors"), expect(dead_code, reason = "the actors of this crate ask it"))]
    pub(crate) fn is_offered(&self, key: &str) -> bool {
        sink().is_some_and(|sink| sink.is_offered(key))
    }

    /// Cancelled when every script has ended or [rests](Self::rests), and all has settled.
    #[cfg_attr(not(feature = "actors"), expect(dead_code, reason = "the actors of this crate wait for it"))]
    pub(crate) fn dismissed(&self) -> CancellationToken {
        sink().map(|sink| sink.dismissed()).unwrap_or_default()
    }

    /// Tells any fact. Outside of a run this does nothing.
    pub fn tell(&self, fact: Fact) {
        if let Some(sink) = sink() {
            sink.fact(&self.name, self.incarnation, fact);
        }
    }
}

/// Receives the facts of a thread's hosts and actors.
pub(crate) trait FactSink {
    /// Receives a fact of a host.
    fn fact(&self, host: &HostName, incarnation: Incarnation, fact: Fact);
    /// An actor has done its part, and listens on.
    fn rests(&self, host: &HostName, incarnation: Incarnation);
    /// Whether any host has offered a key.
    fn is_offered(&self, key: &str) -> bool;
    /// Cancelled when those who listen may go.
    fn dismissed(&self) -> CancellationToken;
}

fn sink() -> Option<Rc<dyn FactSink>> {
    SINK.with(|slot| slot.borrow().clone())
}

thread_local! {
    static SINK: RefCell<Option<Rc<dyn FactSink>>> = const { RefCell::new(None) };
}

/// Sends the facts of this thread's hosts and actors to `sink`; `None` drops them.
pub(crate) fn set_fact_sink(sink: Option<Rc<dyn FactSink>>) {
    let before = SINK.with(|slot| std::mem::replace(&mut *slot.borrow_mut(), sink));
    drop(before);
}
