//! Panics on a run's threads: told to the run instead of to stderr.

use std::any::Any;
use std::sync::Once;

use super::{engine, overrides};

/// Installs the hook, once per process, in front of the one that is there.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !overrides::on_run_thread() {
                before(info);
                return;
            }
            let place =
                info.location().map(|at| format!(" at {}:{}", file_name(at.file()), at.line())).unwrap_or_default();
            let message = format!("{}{place}", text(info.payload()));
            match engine::current() {
                Some(engine) => engine.panicked(message),
                None => before(info),
            }
        }));
    });
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
