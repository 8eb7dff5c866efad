//! What the threads that a service starts tell: it is kept for the engine, which lives on the run's first thread.

use std::rc::Rc;

use tokio_util::sync::CancellationToken;

use super::overrides::{Shared, Whose, shared};
use super::recorder;
use crate::catalogue::{FactSink, set_fact_sink};
use crate::fact::Fact;
use crate::name::{HostName, Incarnation};
use crate::trace::{LogEvent, ProcessEvent, RecordKind};

/// This thread belongs to a run from now on: its facts and events are the run's.
pub(crate) fn begin(shared: &'static Shared) {
    set_fact_sink(Some(Rc::new(Kept(shared))));
    // Until the thread's end.
    std::mem::forget(tracing::dispatcher::set_default(recorder::dispatch()));
}

/// An event on a thread that has no engine; nothing outside of a run.
pub(crate) fn event(event: LogEvent) {
    if let Some(shared) = shared() {
        shared.tell(RecordKind::Event(event));
    }
}

/// A panic on a thread of a run that has no engine.
pub(crate) fn panicked(shared: &Shared, message: String) {
    shared.tell(RecordKind::Process(ProcessEvent::Panicked { message, root: false }));
}

/// Keeps facts for the engine.
struct Kept(&'static Shared);

impl FactSink for Kept {
    // The actors of this crate start no threads.
    fn rests(&self, _: &HostName, _: Incarnation) {}

    fn is_offered(&self, _: &str) -> bool {
        false
    }

    fn dismissed(&self) -> CancellationToken {
        CancellationToken::new()
    }

    fn fact(&self, host: &HostName, incarnation: Incarnation, fact: Fact) {
        self.0.tell_of(Whose::Incarnation(host.clone(), incarnation), RecordKind::Fact(fact));
    }
}
