//! The noisy health check of docs/failures.md: a prober that is right but for one defect.

use bytes::Bytes;
use futures_util::future::{join_all, select_all};
use halfopen::{BoxError, FactKind, HostContext};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper::{Request, Uri};
use tokio::time::{sleep, timeout};
use tracing::{debug, error};

use super::dial;
use crate::actors::prober::{Script, ready, used};

/// What its authors got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The status is all that it wants: the connection is dropped with the body unread.
    BodyUnread,
    /// An engine that is not there yet is an error in the log.
    ErrorLevelNoise,
    /// An engine that is not there yet has failed.
    RefusedIsFailure,
    /// The first engine that is ready is taken for all of them.
    FirstReadyIsEnough,
}

/// Asks until every engine is ready, or the budget is spent, and uses them.
///
/// # Errors
/// If the script cannot be read.
pub async fn play(cx: HostContext, defect: Defect) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let engines: Vec<Uri> = script.urls.iter().map(|url| url.parse()).collect::<Result<_, _>>()?;
    if defect == Defect::FirstReadyIsEnough {
        let waits =
            engines.iter().zip(&script.urls).map(|(engine, url)| Box::pin(wait(&cx, &script, engine, url, defect)));
        let (_, _, others) = select_all(waits).await;
        // What is ready by the next look is ready.
        let _ = timeout(script.probe.interval, join_all(others)).await;
    } else {
        join_all(engines.iter().zip(&script.urls).map(|(engine, url)| wait(&cx, &script, engine, url, defect))).await;
    }
    if engines.len() == 1 {
        return Ok(());
    }
    for (engine, url) in engines.iter().zip(&script.urls) {
        cx.offered(used(url));
        match timeout(script.probe.timeout, ask(engine, defect)).await {
            Ok(Ok(true)) => cx.received(used(url)),
            Ok(Ok(false) | Err(_)) | Err(_) => cx.fact(FactKind::ClaimedFailed, used(url), "it was not ready"),
        }
    }
    Ok(())
}

/// Asks one engine until it is ready, or the budget is spent.
async fn wait(cx: &HostContext, script: &Script, engine: &Uri, url: &str, defect: Defect) {
    cx.offered(ready(url));
    for _ in 0..script.probe.attempts {
        match timeout(script.probe.timeout, ask(engine, defect)).await {
            Ok(Ok(true)) => return cx.received(ready(url)),
            Ok(Err(failure)) if defect == Defect::RefusedIsFailure => {
                return cx.fact(FactKind::ClaimedFailed, ready(url), failure);
            }
            Ok(Err(failure)) if defect == Defect::ErrorLevelNoise => error!(%failure, "health check failed"),
            Ok(Ok(false) | Err(_)) | Err(_) => debug!("not ready yet"),
        }
        sleep(script.probe.interval).await;
    }
    cx.fact(FactKind::ClaimedFailed, ready(url), "the budget is spent");
}

/// Whether the answer is a good one.
async fn ask(url: &Uri, defect: Defect) -> Result<bool, BoxError> {
    let (mut sender, connection) = handshake(dial(url).await?).await?;
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
    let (mut exchange, mut connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            outcome = &mut exchange => return outcome,
            // The exchange learns by itself that its connection has ended, and how.
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}
