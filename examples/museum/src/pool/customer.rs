//! A customer who sends an order every fifteen seconds or so.

use std::time::Duration;

use halfopen::{BoxError, FactKind, HostContext};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use tokio::time::sleep;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    /// From an answer to the next order.
    pauses: Vec<humantime_serde::Serde<Duration>>,
}

/// With the pool as it comes.
pub(super) async fn by_default(cx: HostContext) -> Result<(), BoxError> {
    order(cx, &Client::builder(TokioExecutor::new())).await
}

/// With a pool that gives a connection up before the server does.
pub(super) async fn with_a_short_idle_time(cx: HostContext) -> Result<(), BoxError> {
    let mut builder = Client::builder(TokioExecutor::new());
    order(cx, builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(10))).await
}

/// An order that fails is told, and not sent again: the customer cannot know whether it arrived.
async fn order(cx: HostContext, builder: &Builder) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let client: Client<_, Full<Bytes>> = builder.build_http();
    for (n, pause) in (1..).zip(script.pauses) {
        let order = format!("order-{n}");
        cx.offered(&order);
        if let Err(error) = client.request(Request::post("http://shop/").body(order.clone().into())?).await {
            cx.fact(FactKind::ClaimedFailed, &order, error);
        }
        sleep(pause.into_inner()).await;
    }
    Ok(())
}
