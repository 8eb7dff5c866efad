//! What an application does with a client.

use std::time::Duration;

use halfopen_client::{Client, ConnectionEnd, Event, Events, JobHandle};

use crate::fixture::soon;

/// The next loss among the events.
pub(crate) async fn lost(events: &mut Events) -> ConnectionEnd {
    loop {
        if let Event::Lost { ending, .. } = soon("a loss", events.next()).await.expect("a loss") {
            return ending;
        }
    }
}

pub(crate) fn submit(client: &Client, text: &str) -> JobHandle {
    client.submit(text).expect("room")
}

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
