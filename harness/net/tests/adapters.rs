//! The adapters, each against the real crate over loopback sockets.

use std::convert::Infallible;
use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::ConnectInfo;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use halfopen_net::axum::PeerAddress;
use halfopen_net::hyper::Connector;
use halfopen_net::hyper014::{Connector as OldConnector, Incoming};
use halfopen_net::tungstenite::{connect_async, connect_async_with_config};
use halfopen_net::{TcpListener, TcpStream};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn a_websocket_client_and_server_exchange_a_message() -> Outcome {
    let mut tasks = JoinSet::new();
    let address = websocket_echo(&mut tasks).await?;
    let (mut socket, response) = connect_async(format!("ws://localhost:{}/room", address.port())).await?;
    assert_eq!(response.status(), 101);
    assert!(socket.get_ref().nodelay()?, "small messages must not wait");
    socket.send(Message::text("hello")).await?;
    assert_eq!(socket.next().await.ok_or("the server left")??, Message::text("hello"));
    Ok(())
}

#[tokio::test]
async fn a_websocket_client_may_keep_nagle_and_set_its_own_limits() -> Outcome {
    let mut tasks = JoinSet::new();
    let address = websocket_echo(&mut tasks).await?;
    let config = WebSocketConfig::default().max_message_size(Some(4)).max_frame_size(Some(4));
    let (mut socket, _) = connect_async_with_config(format!("ws://{address}"), Some(config), false).await?;
    assert!(!socket.get_ref().nodelay()?);
    socket.send(Message::text("too long")).await?;
    let error = socket.next().await.ok_or("the server left")?.expect_err("over the limit");
    assert!(matches!(error, tungstenite::Error::Capacity(_)), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_wss_address_is_refused_before_anything_is_sent() {
    let error = connect_async("wss://localhost:1").await.expect_err("no TLS here");
    assert!(matches!(error, tungstenite::Error::Url(UrlError::TlsFeatureNotEnabled)), "{error}");
    let error = connect_async("ws://localhost:1").await.expect_err("nobody listens");
    assert!(matches!(error, tungstenite::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn an_axum_server_answers_a_pooling_client_and_knows_its_address() -> Outcome {
    let mut tasks = JoinSet::new();
    let address = http_server(&mut tasks).await?;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(Connector::new());
    let mut peers = Vec::new();
    for _ in 0..2 {
        let response = client.get(format!("http://localhost:{}/peer", address.port()).parse()?).await?;
        assert_eq!(response.status(), 200);
        peers.push(String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?);
    }
    assert!(peers[0].parse::<SocketAddr>()?.ip().is_loopback());
    assert_eq!(peers[0], peers[1], "the connection was used again");
    Ok(())
}

#[tokio::test]
async fn a_connection_of_the_connector_serves_hyper_directly() -> Outcome {
    let mut tasks = JoinSet::new();
    let address = http_server(&mut tasks).await?;
    let io: TokioIo<TcpStream> = Connector::new().connect(format!("http://{address}").parse()?).await?;
    assert!(io.inner().nodelay()?);
    let local = io.inner().local_addr()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tasks.spawn(async move {
        // Its error is the request's as well.
        let _ = connection.await;
    });
    let request = Request::get("/peer").header("host", address.to_string()).body(Empty::<Bytes>::new())?;
    let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
    assert_eq!(body, local.to_string());
    Ok(())
}

#[tokio::test]
async fn a_client_and_a_server_of_hyper_0_14_exchange_requests_on_one_pooled_connection() -> Outcome {
    let mut tasks = JoinSet::new();
    let address = old_http_server(&mut tasks).await?;
    let client: hyper014::Client<OldConnector> = hyper014::Client::builder().build(OldConnector::new());
    for n in 1..=2 {
        let answer = client.get(format!("http://localhost:{}/", address.port()).parse()?).await?;
        let body = hyper014::body::to_bytes(answer.into_body()).await?;
        assert_eq!(body, format!("request {n} of connection 1"));
    }
    Ok(())
}

#[tokio::test]
async fn a_tls_address_is_refused_by_the_connector_of_hyper_0_14() -> Outcome {
    let error = OldConnector::new().connect("https://localhost:1".parse()?).await.expect_err("no TLS here");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "halfopen_net::hyper014::Connector speaks http:// only, not https://");
    Ok(())
}

/// Counts its connections, and the requests of each.
async fn old_http_server(tasks: &mut JoinSet<()>) -> std::io::Result<SocketAddr> {
    use hyper014::service::{make_service_fn, service_fn};
    use hyper014::{Body, Request, Response, Server};

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let connections = Arc::new(AtomicU32::new(0));
    let service = make_service_fn(move |_: &TcpStream| {
        let connection = connections.fetch_add(1, Ordering::Relaxed) + 1;
        let requests = Arc::new(AtomicU32::new(0));
        let answer = service_fn(move |_: Request<Body>| {
            let n = requests.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Ok::<_, Infallible>(Response::new(Body::from(format!("request {n} of connection {connection}")))) }
        });
        async move { Ok::<_, Infallible>(answer) }
    });
    tasks.spawn(async move {
        Server::builder(Incoming::new(listener)).serve(service).await.expect("serves for ever");
    });
    Ok(address)
}

/// Echoes the messages of its first client.
async fn websocket_echo(tasks: &mut JoinSet<()>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a handshake");
        while let Some(Ok(message)) = socket.next().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    });
    Ok(address)
}

/// Tells every client its address.
async fn http_server(tasks: &mut JoinSet<()>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let route = get(|ConnectInfo(peer): ConnectInfo<PeerAddress>| async move { peer.to_string() });
    let app = axum::Router::new().route("/peer", route);
    tasks.spawn(async move {
        axum::serve(listener, app.into_make_service_with_connect_info::<PeerAddress>()).await.expect("serves for ever");
    });
    Ok(address)
}
