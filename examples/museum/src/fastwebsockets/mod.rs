//! fastwebsockets 0.8.0, twice.
//!
//! - Cancellation: <https://github.com/denoland/fastwebsockets/issues/64>. A `read_frame` that loses a `select!` in the middle
//!   of a frame has thrown the frame's header away; what follows is read as another header. Still so in 0.10.0; what
//!   is acquitted is the way around it, a task that does nothing but read.
//! - Flushing: <https://github.com/denoland/fastwebsockets/pull/88>. `write_frame` does not flush, and nothing else does,
//!   so over a stream that buffers a frame may never leave. Fixed in 0.9.0 by `flush`.

mod buffered;
mod cancelled;
mod orders;
mod quotes;
mod reading_task;

use halfopen::Catalogue;

pub(crate) fn with(catalogue: Catalogue) -> Catalogue {
    catalogue
        .host("quotes", quotes::run)
        .actor("fastwebsockets_reading_task", reading_task::read)
        .actor("fastwebsockets_selecting_0_8_0", cancelled::read)
        .host("orders", orders::run)
        .actor("fastwebsockets_buffered", buffered::at_0_10_0)
        .actor("fastwebsockets_buffered_0_8_0", buffered::at_0_8_0)
}
