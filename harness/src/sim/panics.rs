//! Panics on a run's threads: told to the run instead of to stderr.

use std::any::Any;
use std::cell::Cell;
use std::panic::{PanicHookInfo, catch_unwind, panic_any, set_hook, take_hook};
use std::sync::Once;

use super::{engine, helpers, overrides};

thread_local! {
    /// Whether the hook has heard this thread's probe.
    static HEARD: Cell<bool> = const { Cell::new(false) };
}

/// What is thrown to see who hears it.
struct Probe;

/// Installs the hook, once per process, in front of the one that is there.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(establish);
}

/// Whether panics of this thread are still heard. A service that has set a hook of its own has made every run of the process
/// deaf; then that hook goes, and ours is back.
pub(crate) fn are_heard() -> bool {
    HEARD.set(false);
    // Caught where it is thrown, and nothing is in between.
    let _ = catch_unwind(|| panic_any(Probe));
    if !HEARD.get() {
        // Not taken first: between the two, another thread's panic would find none.
        set_hook(Box::new(|info| hear(info, |_| {})));
    }
    HEARD.get()
}

fn establish() {
    let before = take_hook();
    set_hook(Box::new(move |info| hear(info, &before)));
}

fn hear(info: &PanicHookInfo, before: impl Fn(&PanicHookInfo)) {
    if info.payload().is::<Probe>() {
        HEARD.set(true);
        return;
    }
    let Some(shared) = overrides::shared() else {
        before(info);
        return;
    };
    let place = info.location().map(|at| format!(" at {}:{}", file_name(at.file()), at.line())).unwrap_or_default();
    let message = format!("{}{place}", text(info.payload()));
    if let Some((call, remedy)) = meant(&text(info.payload())) {
        shared.stray(call, remedy);
    }
    match engine::current() {
        Some(engine) => engine.panicked(message),
        None => helpers::panicked(shared, message),
    }
}

/// What a panic of tokio's stands for, where it is the simulation's runtime that lacks what was asked for.
fn meant(message: &str) -> Option<(&'static str, &'static str)> {
    const BLOCK_IN_PLACE: &str = "can call blocking only when running on the multi-threaded runtime";
    let remedy = "it needs tokio's multi-thread runtime, and a run has one thread for all hosts: use \
                  tokio::task::spawn_blocking";
    message.starts_with(BLOCK_IN_PLACE).then_some(("block_in_place", remedy))
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
