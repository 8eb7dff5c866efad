//! hyper-util's pool: a request is written to a kept connection that the server is closing, and lost.
//!
//! Reports: <https://github.com/hyperium/hyper/issues/2136> ("connection closed before message completed"), and
//! <https://github.com/hyperium/hyper/issues/3553>. No version is without it: neither end knows of a FIN that is on its
//! way, and a request that was written must not be sent twice by a library. What is acquitted is the setting that the
//! maintainers name, an idle time shorter than the server's (`pool_idle_timeout`; its default is 90 seconds).

mod customer;
mod shop;

use halfopen::Catalogue;

pub(crate) fn with(catalogue: Catalogue) -> Catalogue {
    catalogue
        .host("shop", shop::run)
        .actor("pool_customer", customer::with_a_short_idle_time)
        .actor("pool_customer_by_default", customer::by_default)
}
