//! A stream of events: a server that sends ten, one a second, and goes on behind the last that a reader has; and a reader over
//! eventsource-client with the transport that comes with it.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use eventsource_client::{Client as _, ClientBuilder, ReconnectOptions, SSE};
use futures_util::{Stream, StreamExt, stream};
use launchdarkly_sdk_transport::HyperTransport;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// How many events there are.
pub const EVENTS: u32 = 10;

/// Serves at port 80.
///
/// # Errors
/// If the port is taken.
pub async fn run() -> std::io::Result<()> {
    let router = Router::new().route("/", get(async |headers: HeaderMap| Sse::new(events(last(&headers) + 1))));
    axum::serve(TcpListener::bind("0.0.0.0:80").await?, router).await
}

fn last(headers: &HeaderMap) -> u32 {
    headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or_default()
}

fn events(from: u32) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::iter(from..=EVENTS).then(async |n| {
        sleep(Duration::from_secs(1)).await;
        Ok(Event::default().id(n.to_string()).data(format!("event-{n}")))
    })
}

/// Reads until the last event is there; `seen` is told what each holds.
///
/// # Errors
/// If the library cannot be set up.
pub async fn read(silence: Option<Duration>, seen: impl Fn(&str)) -> Result<(), Box<dyn std::error::Error>> {
    let transport = HyperTransport::builder().disable_proxy();
    let transport = match silence {
        Some(silence) => transport.read_timeout(silence),
        None => transport,
    };
    let client = ClientBuilder::for_url("http://ticker/")?
        .reconnect(ReconnectOptions::reconnect(true).retry_initial(true).build())
        .build_with_transport(transport.build_http()?);
    let mut events = client.stream();
    while let Some(item) = events.next().await {
        // What went wrong is the library's to mend: it opens the stream again.
        let Ok(SSE::Event(event)) = item else { continue };
        seen(&event.data);
        if event.id.as_deref() == Some(&EVENTS.to_string()) {
            break;
        }
    }
    Ok(())
}
