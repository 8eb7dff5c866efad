//! The catalogue: the scenarios of the reported failures (docs/failures.md), and what they run.
//!
//! - `services`: the scheduler, its node and the gateway, as scenarios configure them.
//! - `model`: a model server that streams, for the far end of the gateway.
//! - `faulty_backend`: code in the gateway's own process that panics.
//! - `wayward_node`: a node that does its work badly, by a script.
//! - `engine`: a speech engine that takes its time to start.
//! - `room`: a room in which everybody hears every line.
//! - `actors`: the users: [`actors::talker`] with sentences, [`actors::reader`] of a stream, [`actors::prober`] of an engine,
//!   [`actors::crowd`] all at once, [`actors::listener`] in a room, [`actors::visitor`] who says what the real client
//!   never does.
//! - `laws`: what the protocols between the services exclude, judged on the wire.
//! - `specimens`: defective services, one defect each, that the catalogue must convict.
//!
//! The scenarios lie in `catalogue/<family>/*.toml`; `catalogue/_base/` holds what they share.

pub mod actors;
pub mod engine;
pub mod faulty_backend;
mod laws;
pub mod model;
pub mod room;
pub mod services;
pub mod specimens;
pub mod wayward_node;

use halfopen::Catalogue;

/// Everything that the scenarios of this crate may name.
pub fn catalogue() -> Catalogue {
    let services = Catalogue::new(env!("CARGO_MANIFEST_DIR"), "catalogue")
        .command("cargo halfopen")
        .reporter(halfopen_report::Pages)
        .host("scheduler", services::scheduler)
        .host("node", services::node)
        .host("wayward_node", wayward_node::run)
        .host("gateway", services::gateway)
        .host("gateway_with_a_faulty_backend", services::gateway_with_a_faulty_backend)
        .host("model", model::run)
        .host("engine", engine::run)
        .host("room", room::run)
        .actor("talker", actors::talker::play)
        .actor("reader", actors::reader::play)
        .actor("prober", actors::prober::play)
        .actor("crowd", actors::crowd::play)
        .actor("listener", actors::listener::play)
        .actor("visitor", actors::visitor::play);
    laws::with_laws(specimens::with_specimens(services))
}
