//! Streams of the services, plain or under TLS.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | what configurations say of TLS: schemes, whom a client trusts, who a server is |
//! | [`dial`] | how a client opens a stream |
//! | [`accept`] | how a server makes a stream of a connection; its certificate is read again when the process is told to |
//! | [`stream`] | a stream of either kind |
//! | [`error`] | why there is no TLS |
//!
//! TLS 1.2 and 1.3 by rustls, with HTTP/1.1 as the only protocol (ALPN, RFC 7301): WebSocket and SSE are spoken over it. Without the feature
//! `rustls` nothing of it is compiled, and asking for it is an error that says so.

#[cfg(feature = "shell")]
pub mod accept;
#[cfg(feature = "shell")]
pub mod dial;
#[cfg(feature = "shell")]
pub mod error;
#[cfg(feature = "rustls")]
mod pem;
pub mod settings;
#[cfg(feature = "shell")]
pub mod stream;

#[cfg(feature = "shell")]
pub use accept::Acceptor;
#[cfg(feature = "shell")]
pub use dial::Dialer;
#[cfg(feature = "shell")]
pub use error::TlsError;
pub use settings::{Identity, Scheme, Trust};
#[cfg(feature = "shell")]
pub use stream::Stream;
