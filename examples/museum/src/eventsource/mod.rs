//! eventsource-client 0.15.0: a server that is down is asked again and again, without a pause.
//!
//! Report: <https://github.com/launchdarkly/rust-eventsource-client/pull/99>. The options that say how long to wait
//! between attempts were looked at for the first connection only, by `retry_initial`. Fixed in 0.15.1; here stands
//! 0.16.2, since 0.15.1 cannot be in one lock file with 0.15.0.

mod dialler;
mod ticker;

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

pub(crate) fn with(catalogue: Catalogue) -> Catalogue {
    catalogue
        .host("ticker", ticker::run)
        .actor("eventsource_reader", at_0_16_2::read)
        .actor("eventsource_reader_0_15_0", at_0_15_0::read)
}
