//! rmcp 1.8.0: a call whose answer was cut off on its way is waited for without end.
//!
//! Reports: <https://github.com/modelcontextprotocol/rust-sdk/pull/914>, and <https://github.com/0xPlaygrounds/rig/issues/1914> by who
//! was stuck. Of the stream that answers a call its end was logged, and that was all. Fixed in 2.2.0 by
//! <https://github.com/modelcontextprotocol/rust-sdk/pull/960>: the stream is resumed behind the last event that came.

mod server;

use halfopen::Catalogue;

/// The client over the version of the report.
mod at_1_8_0 {
    use rmcp_1_8_0 as rmcp;
    include!("caller.rs");
}

/// The same over the version with the fix.
mod at_2_2_0 {
    use rmcp_2_2_0 as rmcp;
    include!("caller.rs");
}

pub(crate) fn with(catalogue: Catalogue) -> Catalogue {
    catalogue
        .host("mcp_server", server::run)
        .actor("rmcp_caller", at_2_2_0::call)
        .actor("rmcp_caller_1_8_0", at_1_8_0::call)
}
