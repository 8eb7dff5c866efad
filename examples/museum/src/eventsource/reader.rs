// A user who reads a stream of events for a minute, through whatever happens to it. Included once for each version.

use std::time::Duration;

use eventsource_client::{Client as _, ClientBuilder, ReconnectOptions, SSE};
use futures_util::StreamExt;
use halfopen::{BoxError, HostContext, FactKind};
use tokio::time::timeout;
use tracing::info;

use super::dialler::Dialler;

/// How long this user reads.
const READING: Duration = Duration::from_secs(60);

/// Reads, with the options of the report: a stream that has been there is opened again, after a pause that grows from
/// half a second to twenty.
pub(super) async fn read(cx: HostContext) -> Result<(), BoxError> {
    let pauses = ReconnectOptions::reconnect(true)
        .retry_initial(false)
        .delay(Duration::from_millis(500))
        .delay_max(Duration::from_secs(20))
        .build();
    let builder = ClientBuilder::for_url("http://ticker:8000/").map_err(|error| error.to_string())?;
    let client = builder.reconnect(pauses).build_with_conn(Dialler::new());
    let mut stream = client.stream();
    let reading = async {
        while let Some(item) = stream.next().await {
            match item {
                Ok(SSE::Connected(_)) => cx.fact(FactKind::Recovered, "stream", "connected"),
                Ok(SSE::Event(_) | SSE::Comment(_)) => {}
                Err(error) => {
                    info!(%error, "stream failed");
                    cx.fact(FactKind::Detected, "stream", "1006");
                }
            }
        }
    };
    // That the minute is over is what this user waits for.
    let _ = timeout(READING, reading).await;
    Ok(())
}
