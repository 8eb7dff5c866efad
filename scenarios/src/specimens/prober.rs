//! The noisy health check of docs/failures.md: a prober that is right but for one defect.

use bytes::Bytes;
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_net::hyper::Connector;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper::{Request, Uri};
use tokio::time::{sleep, timeout};
use tracing::{debug, error};

use crate::actors::prober::{READY, Script};

/// What its authors got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The status is all that it wants: the connection is dropped with the body unread.
    BodyUnread,
    /// An engine that is not there yet is an error in the log.
    ErrorLevelNoise,
    /// An engine that is not there yet has failed.
    RefusedIsFailure,
}

/// Asks until the engine is ready, or the budget is spent.
///
/// # Errors
/// If the script cannot be read.
pub async fn play(cx: HostContext, defect: Defect) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let url: Uri = script.url.parse()?;
    cx.offered(READY);
    for _ in 0..script.probe.attempts {
        match timeout(script.probe.timeout, ask(&url, defect)).await {
            Ok(Ok(true)) => {
                cx.received(READY);
                return Ok(());
            }
            Ok(Err(failure)) if defect == Defect::RefusedIsFailure => {
                cx.fact(FactKind::ClaimedFailed, READY, failure);
                return Ok(());
            }
            Ok(Err(failure)) if defect == Defect::ErrorLevelNoise => error!(%failure, "health check failed"),
            Ok(Ok(false) | Err(_)) | Err(_) => debug!("not ready yet"),
        }
        sleep(script.probe.interval).await;
    }
    cx.fact(FactKind::ClaimedFailed, READY, "the budget is spent");
    Ok(())
}

/// Whether the answer is a good one.
async fn ask(url: &Uri, defect: Defect) -> Result<bool, BoxError> {
    let (mut sender, connection) = handshake(Connector::new().connect(url.clone()).await?).await?;
    let exchange = async {
        let host = url.authority().map_or("", |authority| authority.as_str());
        let request =
            Request::get(url.path()).header("host", host).header("connection", "close").body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let is_ready = response.status().is_success();
        if defect != Defect::BodyUnread {
            response.into_body().collect().await?;
        }
        Ok(is_ready)
    };
    tokio::select! {
        biased;
        outcome = exchange => outcome,
        // It ends with the exchange, which has looked first.
        _ = connection => Err("the engine closed".into()),
    }
}
