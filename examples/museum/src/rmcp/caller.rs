// A user who calls a tool three times. Included once for each version.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use halfopen::{BoxError, HostContext, FactKind};
use halfopen_net::TcpStream;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, ClientJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};
use tokio::time::sleep;

/// Calls without a deadline: the transport is to say when an answer is not to be had.
pub(super) async fn call(cx: HostContext) -> Result<(), BoxError> {
    let config = StreamableHttpClientTransportConfig::with_uri("http://server:8080/mcp");
    let service = ().serve(StreamableHttpClientTransport::with_client(Http, config)).await?;
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

/// rmcp's own clients are over reqwest; this one has a connection for each request, over `halfopen_net`.
#[derive(Clone, Copy, Debug)]
struct Http;

#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("failed to connect")]
    Connect(#[from] std::io::Error),
    #[error("failed to exchange a request")]
    Exchange(#[from] hyper::Error),
    #[error("failed to build a request")]
    Request(#[from] hyper::http::Error),
}

type Failure = StreamableHttpError<HttpError>;

impl StreamableHttpClient for Http {
    type Error = HttpError;

    async fn post_message(
        &self,
        _: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let body = serde_json::to_vec(&message)?;
        let own = session.map(|session| ("mcp-session-id", session.to_string()));
        let response = exchange(Method::POST, own.into_iter().collect(), headers, body).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (session, kind) = (header("mcp-session-id"), header("content-type").unwrap_or_default());
        if response.status() == StatusCode::ACCEPTED {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if kind.starts_with("text/event-stream") {
            return Ok(StreamableHttpPostResponse::Sse(events(response), session));
        }
        let body = response.into_body().collect().await.map_err(|error| Failure::Client(error.into()))?.to_bytes();
        Ok(StreamableHttpPostResponse::Json(serde_json::from_slice(&body)?, session))
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        exchange(Method::DELETE, vec![("mcp-session-id", session.to_string())], headers, Vec::new()).await?;
        Ok(())
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        session: Arc<str>,
        last_event_id: Option<String>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let mut own = vec![("mcp-session-id", session.to_string())];
        own.extend(last_event_id.map(|id| ("last-event-id", id)));
        let response = exchange(Method::GET, own, headers, Vec::new()).await?;
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(Failure::ServerDoesNotSupportSse),
            _ => Ok(events(response)),
        }
    }
}

fn events(response: Response<Incoming>) -> BoxStream<'static, Result<Sse, SseError>> {
    SseStream::new(response.into_body()).boxed()
}

async fn exchange(
    method: Method,
    own: Vec<(&'static str, String)>,
    headers: HashMap<HeaderName, HeaderValue>,
    body: Vec<u8>,
) -> Result<Response<Incoming>, Failure> {
    let sent = async {
        let stream = TcpStream::connect("server:8080").await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its error is the request's, or the body's, as well.
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header(HOST, "server:8080")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json");
        for (name, value) in own {
            request = request.header(name, value);
        }
        // A map of headers has no order of its own, and what is sent must not vary.
        let mut headers: Vec<_> = headers.into_iter().collect();
        headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok::<_, HttpError>(sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?)
    };
    sent.await.map_err(Failure::Client)
}
