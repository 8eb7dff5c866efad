// A user who reads one stream of events to its end, and has said that it is not to be opened again. Included once for each
// version, behind a function `open`.

use futures_util::StreamExt;
use halfopen::{BoxError, HostContext, FactKind};

pub(super) async fn read_once(cx: HostContext) -> Result<(), BoxError> {
    let builder = ClientBuilder::for_url("http://ticker:8000/").map_err(|error| error.to_string())?;
    let client = open(builder.reconnect(ReconnectOptions::reconnect(false).build()));
    let mut stream = client.stream();
    cx.fact(FactKind::Accepted, "the stream", "");
    while let Some(item) = stream.next().await {
        if let Err(error) = item {
            tracing::info!(%error, "stream failed");
        }
    }
    cx.fact(FactKind::Outcome, "the stream", "ended");
    Ok(())
}
