//! A service that needs an engine and waits until it is ready.

use halfopen::{BoxError, FactKind, HostContext};
use halfopen_health::{ProbeConfig, Target, Verdict, wait_until_ready};
use serde::Deserialize;

/// What is waited for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The health endpoint.
    pub url: String,
    /// How often and how long it is asked.
    #[serde(default)]
    pub probe: ProbeConfig,
}

/// What facts call the engine's readiness.
pub(crate) const READY: &str = "engine ready";

/// Waits with the real prober.
///
/// # Errors
/// If the script cannot be read.
pub async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    cx.offered(READY);
    match wait_until_ready(&Target::parse(&script.url)?, &script.probe).await {
        Verdict::Ready { .. } => cx.received(READY),
        Verdict::NotReady { last, .. } => cx.fact(FactKind::ClaimedFailed, READY, last.reason()),
    }
    Ok(())
}
