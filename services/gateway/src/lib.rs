//! An OpenAI-compatible gateway that outlives its clients and its backends.
//!
//! One client's departure, one backend's failure or one bad request costs that request and nothing else. A stream ends
//! with exactly one `data: [DONE]`, and an answer that was cut short never looks complete.
//!
//! Start at [`run`]; read [`relay`] for the laws of a stream. The map:
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | what a configuration file may say, defaults, validation |
//! | [`relay`] | pure core: upstream bytes in, whole client events out, the laws of a stream |
//! | [`sse`] | pure core: the event-stream parser and encoder |
//! | `chunk` | one upstream event, as far as the relay has to know it |
//! | [`chat`] | the request body: what the gateway reads of it |
//! | [`api_error`], [`sanitise`], [`confidential`] | errors as clients see them, without secrets |
//! | [`fault`], [`ending`] | how an upstream fails, how a request ends |
//! | [`backend`], `registry` | who answers: `echo`, `http`, or a [`Backend`] of the caller's |
//! | `server` | the listener, the connections, shutdown |
//! | `routes`, `intake` | from a request to its response; reading request bodies |
//! | `event_stream` | the shell around the relay: a response body that pulls its upstream |
//! | `readiness` | `GET /ready`: which backends could answer now |
//! | `call`, `ledger` | an accepted request, its cancellation, its log lines, its place in flight |
//! | `write_progress` | gives up on a client that takes nothing |

pub mod api_error;
pub mod backend;
pub mod chat;
pub mod confidential;
pub mod config;
pub mod ending;
pub mod fault;
pub mod relay;
pub mod sanitise;
pub mod sse;

mod call;
mod chunk;
mod event_stream;
mod intake;
mod ledger;
mod readiness;
mod registry;
mod routes;
mod server;
mod write_progress;

pub use api_error::ApiError;
pub use backend::Backend;
pub use config::{Config, ConfigError};
pub use registry::Registry;
pub use server::{Exit, Gateway, RunError, run};
