// A user who calls a tool three times. Included once for each version.

use std::time::Duration;

use halfopen::{BoxError, FactKind, HostContext};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::time::sleep;

/// Calls without a deadline: the transport is to say when an answer is not to be had.
pub(super) async fn call(cx: HostContext) -> Result<(), BoxError> {
    let config = StreamableHttpClientTransportConfig::with_uri("http://server:8080/mcp");
    let service = ().serve(StreamableHttpClientTransport::from_config(config)).await?;
    for n in 1..=3 {
        let name = format!("forecast-{n}");
        let outcome = match service.call_tool(CallToolRequestParams::new(name.clone())).await {
            Ok(_) => "result",
            Err(_) => "error",
        };
        cx.fact(FactKind::Outcome, &name, outcome);
        sleep(Duration::from_secs(5)).await;
    }
    service.cancel().await?;
    Ok(())
}
