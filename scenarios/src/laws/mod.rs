//! Laws of this catalogue's own, beside those that the harness brings: what the protocols between the services exclude.
//!
//! - `node_protocol`: the leg between nodes and the scheduler.
//! - `session_protocol`: the leg between clients and the scheduler; `leg` is what the two share.
//!
//! Each law is a module with a reference model of its leg. It is judged on what passed on the wire and on what the services logged, and
//! knows none of the services' own types, which are under suspicion.

mod answers;
mod leg;
mod load;
mod node_protocol;
mod relayed;
mod session_protocol;

use halfopen::Catalogue;

/// The catalogue with these laws.
pub(crate) fn with_laws(catalogue: Catalogue) -> Catalogue {
    catalogue
        .own_check::<relayed::Relayed>("relayed")
        .own_check::<answers::Answers>("answers")
        .own_check::<node_protocol::NodeProtocol>("node_protocol")
        .own_check::<session_protocol::SessionProtocol>("session_protocol")
        .own_check::<load::Load>("load")
}
