//! An OpenAI-compatible gateway that outlives its clients and its backends.
//!
//! One client's departure, one backend's failure or one bad request costs that request and nothing else. A stream ends
//! with exactly one `data: [DONE]`, and an answer that was cut short never looks complete.
//!
//! Start at [`run`]; read [`relay`] for the laws of a stream. The map:
//!
//! `core/`: decides everything about a request, and has no socket, no clock and no task. It builds without the feature
//! `shell`, also where there is no operating system.
//!
//! | module | what it is |
//! |---|---|
//! | [`relay`] | the machine of one stream: upstream bytes in, whole client events out |
//! | [`sse`] | the event-stream parser and encoder: those of `halfopen-upstream` |
//! | `chunk` | one upstream event, as far as the relay has to know it |
//! | [`chat`] | the request body: what the gateway reads of it |
//! | [`api_error`], [`sanitise`], [`confidential`] | errors as clients see them, without secrets |
//! | [`fault`], [`said`], [`request_end`] | how an upstream fails, what it says about it, how a request ends |
//!
//! `shell/` (feature `shell`, on by default): sockets, timers, tasks and the log.
//!
//! | module | what it is |
//! |---|---|
//! | `config` | what a configuration file may say, defaults, validation |
//! | `backend`, `registry` | who answers: `echo`, `http`, or a `Backend` of the caller's |
//! | `server` | the listener, the connections, shutdown |
//! | `routes`, `request_body` | from a request to its response; reading request bodies |
//! | `event_stream` | drives the relay: a response body that pulls its upstream |
//! | `readiness` | `GET /ready`: which backends could answer now |
//! | `call`, `in_flight` | an accepted request, its cancellation, its log lines; how many there are |
//! | `write_progress` | gives up on a client that takes nothing |

#![deny(clippy::disallowed_methods)]

mod core;
#[cfg(feature = "shell")]
#[expect(clippy::disallowed_methods, reason = "a shell has the clock and the tasks")]
mod shell;

pub use self::core::api_error::{self, ApiError};
pub use self::core::{chat, confidential, fault, relay, request_end, said, sanitise, sse};
#[cfg(feature = "shell")]
pub use self::shell::{
    Backend, Config, ConfigError, Exit, Gateway, Registry, Reloadable, RunError, backend, config, run,
};
