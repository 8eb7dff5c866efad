//! The services' tracing events, taken into the run's records.

use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::hosts::State;
use super::{engine, helpers};
use crate::trace::{Level, LogEvent, RecordKind};

/// Libraries whose inner life is not a service's doing; they are heard from warnings up.
const LIBRARIES: [&str; 7] = ["tokio", "hyper", "tungstenite", "mio", "want", "axum", "tower"];

/// What takes tracing events on the threads of runs. One serves them all: every new one would have each callsite of the
/// process registered again.
///
/// As long as a process has only one, tracing asks the thread that first reaches a callsite whether anybody listens, and
/// takes its answer for the whole process: a callsite first reached outside of every run would be mute in all of them. So
/// there is a second one, which listens to nothing.
pub(crate) fn dispatch() -> &'static Dispatch {
    static DISPATCHES: LazyLock<(Dispatch, Dispatch)> = LazyLock::new(|| {
        let deaf = Dispatch::new(NoSubscriber::default());
        (Dispatch::new(tracing_subscriber::registry().with(Recorder)), deaf)
    });
    &DISPATCHES.0
}

/// A layer that gives every event to the run of its thread. A console filter does not concern it.
struct Recorder;

impl<S: tracing::Subscriber> Layer<S> for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        let library = metadata.target().split("::").next().is_some_and(|name| {
            LIBRARIES
                .iter()
                .any(|library| name == *library || name.strip_prefix(library).is_some_and(|rest| rest.starts_with('_')))
        });
        *metadata.level() <= if library { tracing::Level::WARN } else { tracing::Level::DEBUG }
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::DEBUG)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let Some(engine) = engine::current() else {
            helpers::event(taken(event));
            return;
        };
        let Some(life) = engine.speaking() else { return };
        if engine.network.try_borrow().map_or(true, |network| network.hosts.life(life).state != State::Alive) {
            // A dead process says nothing, however its destructors try.
            return;
        }
        let event = taken(event);
        if engine.events_trigger {
            engine.with_network(|network| {
                let host = network.hosts.life(life).host;
                network.record(network.fabric.now, Some(life), RecordKind::Event(event.clone()));
                network.fabric.observe_event(host, &event);
            });
        } else {
            engine.record(Some(life), RecordKind::Event(event));
        }
    }
}

/// An event as records have it.
fn taken(event: &tracing::Event<'_>) -> LogEvent {
    let mut fields = Fields::default();
    event.record(&mut fields);
    LogEvent {
        level: level(*event.metadata().level()),
        target: event.metadata().target().to_owned(),
        message: fields.message,
        fields: fields.others,
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(String, String)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.others.push((field.name().to_owned(), value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a String cannot fail; a Debug impl that reports an error leaves what it wrote.
        let _ = write!(text, "{value:?}");
        self.put(field, text);
    }
}
