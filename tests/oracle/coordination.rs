//! How observer and peer agree on moments: in one process, beside the network.

use std::cell::Cell;

use tokio::sync::watch;

/// What the two of one run share. Every run has a thread of its own, so it is the thread's.
struct Coordination {
    /// The port of the one who listens.
    port: watch::Sender<Option<u16>>,
    /// How often the observer has said that the peer may go on.
    struck: watch::Sender<u32>,
    /// How often the peer had nothing left to do.
    rested: watch::Sender<u32>,
    /// How many messages of a flood went out.
    flooded: Cell<usize>,
    /// Which step of a script is next.
    turn: watch::Sender<usize>,
}

thread_local! {
    static COORDINATION: Coordination = Coordination {
        port: watch::Sender::new(None),
        struck: watch::Sender::new(0),
        rested: watch::Sender::new(0),
        flooded: Cell::new(0),
        turn: watch::Sender::new(0),
    };
}

/// Says on which port the peer listens.
pub(crate) fn announce(port: u16) {
    COORDINATION.with(|coordination| coordination.port.send_replace(Some(port)));
}

/// Waits until the peer listens.
pub(crate) async fn port() -> u16 {
    let mut port = COORDINATION.with(|coordination| coordination.port.subscribe());
    let known = port.wait_for(Option::is_some).await.expect("the coordination lasts as long as its thread");
    known.expect("it was waited for")
}

/// The observer lets the peer go on from its nth rest, and waits until it rests again.
pub(crate) async fn strike(n: u32) {
    let mut rested = COORDINATION.with(|coordination| coordination.rested.subscribe());
    rested.wait_for(|rests| *rests >= n).await.expect("the coordination lasts as long as its thread");
    tracing::info!("strike");
    COORDINATION.with(|coordination| coordination.struck.send_replace(n));
    rested.wait_for(|rests| *rests > n).await.expect("the coordination lasts as long as its thread");
}

/// The peer rests for the nth time, until the observer lets it go on.
pub(crate) async fn rest(n: u32) {
    COORDINATION.with(|coordination| coordination.rested.send_replace(n));
    let mut struck = COORDINATION.with(|coordination| coordination.struck.subscribe());
    struck.wait_for(|strikes| *strikes >= n).await.expect("the coordination lasts as long as its thread");
}

/// The peer lets the observer go on as if it rested for the nth time, and does not wait itself.
pub(crate) fn go_on(n: u32) {
    COORDINATION.with(|coordination| coordination.rested.send_replace(n));
}

/// The peer has nothing more to do.
pub(crate) fn rest_for_good() {
    COORDINATION.with(|coordination| coordination.rested.send_replace(u32::MAX));
}

/// How many messages the observer sent before one did not go out.
pub(crate) fn flooded(messages: usize) {
    COORDINATION.with(|coordination| coordination.flooded.set(messages));
}

/// How many messages of a flood went out.
pub(crate) fn flood() -> usize {
    COORDINATION.with(|coordination| coordination.flooded.get())
}

/// Waits until a script is at its nth step, from 0.
pub(crate) async fn turn(n: usize) {
    let mut turn = COORDINATION.with(|coordination| coordination.turn.subscribe());
    turn.wait_for(|turn| *turn >= n).await.expect("the coordination lasts as long as its thread");
}

/// A step of a script is done.
pub(crate) fn next_turn() {
    COORDINATION.with(|coordination| coordination.turn.send_modify(|turn| *turn += 1));
}
