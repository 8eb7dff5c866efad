//! redis 0.32.7: a command on a connection whose peer has gone silent waits until the kernel gives up, a quarter of an hour.
//!
//! Report: <https://github.com/redis-rs/redis-rs/issues/683>. Remedy: <https://github.com/redis-rs/redis-rs/pull/1686>, in 1.0, which
//! gives an answer half a second unless told otherwise.

mod store;

use halfopen::Catalogue;

/// The visitor over the version of the report.
mod at_0_32_7 {
    use redis_0_32_7 as redis;
    include!("visitor.rs");
}

/// The same over a version with the remedy.
mod at_1_8_1 {
    use redis_1_8_1 as redis;
    include!("visitor.rs");
}

pub(crate) fn with(catalogue: Catalogue) -> Catalogue {
    catalogue
        .host("store", store::run)
        .actor("redis_visitor", at_1_8_1::visit)
        .actor("redis_visitor_0_32_7", at_0_32_7::visit)
}
