//! A WebSocket client that outlives its connections.
//!
//! [`connect`] gives a [`Client`]; [`Client::submit`] gives a [`JobHandle`] that resolves with exactly one [`JobOutcome`],
//! however many connections it takes. Connections are lost, silently or with a code, and made again; the session is
//! resumed, and what the scheduler may not have heard is said again.
//!
//! The core decides and touches nothing ([`core`]):
//!
//! - [`core::Core`]: what the client does and when, as a machine without sockets or clocks.
//! - [`core::monitor`]: the second line of detection.
//! - [`closing`]: what the client does after each close code, as a table.
//! - [`config`]: every timing and limit, with its default.
//! - [`event`], [`outcome`]: what an application is told.
//!
//! The shell (feature `shell`, on by default) has the sockets, the clock, the tasks and the log:
//!
//! - [`client`]: the public face: submit, events, callbacks, close. Start here.
//! - `driver`: the task that drives the core.
//! - [`connector`]: how a stream is opened, so that another transport can take TCP's place.
//! - [`run`](mod@run): the program: sentences in, translations out.
//!
//! # How soon a loss is noticed
//!
//! | what happened | noticed |
//! |---|---|
//! | Close frame, end of stream, reset | at once |
//! | the connection ended and did not say so (the second line, a monitor) | 5 s |
//! | the link went silent | within ping interval 20 s + pong timeout 20 s = 40 s |
//! | the peer stopped reading | within the same 40 s, or when no byte has left for 20 s |
//! | a connect or an upgrade is not answered | 10 s |
//! | no hello after the upgrade | 10 s |
//!
//! All of these are configuration. A loss has one handler, for every way to notice it, and a close code: the peer's,
//! 1005 if its Close frame had none, 1006 if there was no such frame. [`Client::ending`] has it from the moment of the
//! loss until the next connection is established, whichever end closed; what follows after each code is the table of
//! [`closing`].
//!
//! # What is guaranteed
//!
//! Memory is bounded: by `open_jobs` sentences of at most `largest_message` bytes, the connection's two queues, and the
//! events kept for slow receivers. An ack that waits behind a peer that does not read is replaced by the next one.
//!
//! While the process lives, every submitted job reaches exactly one outcome. Execution is at-least-once: a job may be
//! sent again, under the same id. If the client gives up, is closed, or is dropped, open handles resolve
//! [`JobOutcome::Unknown`]: the job may or may not have been done.

#![deny(clippy::disallowed_methods)]

pub mod core;
#[cfg(feature = "shell")]
#[expect(clippy::disallowed_methods, reason = "a shell has the clock and the tasks")]
mod shell;

pub use self::core::config::{Config, ConfigError};
pub use self::core::event::{Event, State};
pub use self::core::outcome::JobOutcome;
pub use self::core::{closing, config, event, outcome};
#[cfg(feature = "shell")]
pub use self::shell::client::{Client, JobHandle, SubmitError, connect, connect_with};
#[cfg(feature = "shell")]
pub use self::shell::events::Events;
#[cfg(feature = "shell")]
pub use self::shell::run::run;
#[cfg(feature = "shell")]
pub use self::shell::{client, connector, run};
pub use halfopen_link::{By, ConnectionEnd};
