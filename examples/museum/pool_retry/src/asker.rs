//! A user who asks every two seconds whether the shop is open.

use std::time::Duration;

use halfopen::{BoxError, HostContext, FactKind};
use http_body_util::Empty;
use hyper::Uri;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::sleep;
use tracing::info;

use crate::tunnel::Tunnel;

const QUESTIONS: u32 = 10;
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(2);

/// Asks; an answer that is an error is as good as another.
pub(super) async fn ask(cx: HostContext) -> Result<(), BoxError> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(Tunnel);
    for n in 1..=QUESTIONS {
        let question = format!("question-{n}");
        info!(question, "asks");
        let outcome = match client.get(Uri::from_static("http://shop/")).await {
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        cx.fact(FactKind::Outcome, question, outcome);
        sleep(BETWEEN_QUESTIONS).await;
    }
    Ok(())
}
