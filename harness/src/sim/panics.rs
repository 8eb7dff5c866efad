//! Panics on a run's threads: told to the run instead of to stderr.

use std::any::Any;
use std::sync::Once;

use super::{engine, helpers, overrides};

/// Installs the hook, once per process, in front of the one that is there.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let Some(shared) = overrides::shared() else {
                before(info);
                return;
            };
            let place =
                info.location().map(|at| format!(" at {}:{}", file_name(at.file()), at.line())).unwrap_or_default();
            let message = format!("{}{place}", text(info.payload()));
            if let Some((call, remedy)) = meant(&text(info.payload())) {
                shared.stray(call, remedy);
            }
            match engine::current() {
                Some(engine) => engine.panicked(message),
                None => helpers::panicked(shared, message),
            }
        }));
    });
}

/// What a panic of tokio's stands for, where it is the simulation's runtime that lacks what was asked for.
fn meant(message: &str) -> Option<(&'static str, &'static str)> {
    const MEANT: [(&str, &str, &str); 2] = [
        (
            "A Tokio 1.x context was found, but IO is disabled",
            "tokio::signal, AsyncFd or a pipe",
            "signals and descriptors are the real process's, and a run's runtime waits for none: stop when cx.shutdown() is \
             cancelled, and put what else reads from the kernel behind a trait",
        ),
        (
            "can call blocking only when running on the multi-threaded runtime",
            "block_in_place",
            "it needs tokio's multi-thread runtime, and a run has one thread for all hosts: use \
             tokio::task::spawn_blocking",
        ),
    ];
    MEANT.iter().find(|(begin, ..)| message.starts_with(begin)).map(|(_, call, remedy)| (*call, *remedy))
}

/// What a panic said.
pub(crate) fn text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The last part of a path: where a checkout lies must not be in a trace.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
