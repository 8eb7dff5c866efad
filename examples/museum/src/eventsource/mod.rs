//! eventsource-client 0.15.0, twice.
//!
//! - Pauses: <https://github.com/launchdarkly/rust-eventsource-client/pull/99>. How long to wait between attempts was looked
//!   up for the first connection only, by `retry_initial`, so a server that is down is asked again and again. Fixed in
//!   0.15.1; here stands 0.16.2, since 0.15.1 cannot be in one lock file with 0.15.0.
//! - `reconnect(false)`: <https://github.com/launchdarkly/rust-eventsource-client/pull/135>. A stream that ends is opened again
//!   all the same, for ever. Fixed in 0.17.4.

mod dialler;
mod ticker;
mod transport;

use halfopen::Catalogue;

/// The reader over the version of the report.
mod at_0_15_0 {
    use eventsource_client_0_15_0 as eventsource_client;
    include!("reader.rs");
}

/// The same over the version with the fix.
mod at_0_16_2 {
    use eventsource_client_0_16_2 as eventsource_client;
    include!("reader.rs");
}

/// The reader of one stream over the version of the report.
mod once_at_0_15_0 {
    use eventsource_client_0_15_0::{Client, ClientBuilder, ReconnectOptions};
    include!("once.rs");

    fn open(builder: ClientBuilder) -> impl Client {
        builder.build_with_conn(super::dialler::Dialler::new())
    }
}

/// The same over a version with the fix, which asks for more than connections.
mod once_at_0_18_0 {
    use eventsource_client_0_18_0::{Client, ClientBuilder, ReconnectOptions};
    include!("once.rs");

    fn open(builder: ClientBuilder) -> impl Client {
        builder.build_with_transport(super::transport::Transport)
    }
}

pub(crate) fn with(catalogue: Catalogue) -> Catalogue {
    catalogue
        .host("ticker", ticker::run)
        .actor("eventsource_reader", at_0_16_2::read)
        .actor("eventsource_reader_0_15_0", at_0_15_0::read)
        .actor("eventsource_once", once_at_0_18_0::read_once)
        .actor("eventsource_once_0_15_0", once_at_0_15_0::read_once)
}
