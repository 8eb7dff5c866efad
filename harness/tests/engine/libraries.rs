//! Libraries that open their own sockets, put under fault as they are.

use std::convert::Infallible;

use futures_util::{SinkExt as _, StreamExt as _};
use halfopen::fault::{Connections, Crash, Ends, Reset, Trigger};
use halfopen::{BoxError, HostContext};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::Response;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn hypers_own_client_outlives_a_server_that_comes_back_and_not_a_request_that_is_cut() {
    let stage = |name: &str| {
        Stage::new(name)
            .host("server", async |cx| {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                loop {
                    let (stream, _) = tokio::select! {
                        () = cx.stopped() => return Ok(()),
                        accepted = listener.accept() => accepted?,
                    };
                    tokio::spawn(async move {
                        let answer = service_fn(async |_| {
                            sleep(ms(300)).await;
                            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
                        });
                        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                    });
                }
            })
            .actor("client", async |cx| {
                let client: Client<HttpConnector, Empty<Bytes>> =
                    Client::builder(TokioExecutor::new()).build(HttpConnector::new());
                for _ in 0..3 {
                    let response = client.get("http://server/".parse()?).await;
                    let told = match response {
                        Ok(response) => {
                            String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned()
                        }
                        Err(_) => "error".to_owned(),
                    };
                    tell(&cx, "answer", told);
                    sleep(s(2)).await;
                }
                Ok(())
            })
    };
    let restarted = stage("hyper_restart").strike(s(1), "server", Crash { restart_after: Some(ms(500)) }).run();
    assert_eq!(restarted.words("answer"), ["hello"; 3], "the pool sees that the idle connection has ended");
    assert_eq!(restarted.violated("stray"), [""; 0]);
    let cut = stage("hyper_cut").fault(Trigger::At(ms(200)), link(), Reset { to: Ends::Both }).run();
    assert_eq!(cut.words("answer"), ["error", "hello", "hello"], "a request that was under way is not made again");
}

#[test]
fn tungstenites_own_connect_async_is_under_fault() {
    let outcome = Stage::new("tungstenite_reset")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            loop {
                let (stream, _) = tokio::select! {
                    () = cx.stopped() => return Ok(()),
                    accepted = listener.accept() => accepted?,
                };
                tokio::spawn(async move {
                    let mut socket = accept_async(stream).await?;
                    while let Some(Ok(message)) = socket.next().await {
                        socket.send(message).await?;
                    }
                    Ok::<(), BoxError>(())
                });
            }
        })
        .actor("client", talk)
        .fault(Trigger::At(s(2)), link(), Reset { to: Ends::Both })
        .run();
    assert_eq!(outcome.words("echo"), ["0", "1"]);
    assert_eq!(outcome.words("lost"), ["true"]);
    assert_eq!(outcome.violated("stray"), [""; 0]);
}

/// Says one thing on each of two connections, and hears how the first ends.
async fn talk(cx: HostContext) -> Result<(), BoxError> {
    for n in 0..2 {
        let (mut socket, _) = connect_async("ws://server/").await?;
        socket.send(Message::text(n.to_string())).await?;
        if let Some(Ok(Message::Text(echo))) = socket.next().await {
            tell(&cx, "echo", echo);
        }
        if n == 0 {
            let end = timeout(s(10), socket.next()).await?;
            tell(&cx, "lost", !matches!(end, Some(Ok(_))));
        }
    }
    Ok(())
}

fn link() -> Connections {
    Connections::of("client", "server")
}
