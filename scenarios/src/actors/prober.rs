//! A service that needs engines, waits until each is ready, and then uses them.

use futures_util::future::join_all;
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_health::{ProbeConfig, Target, Verdict, wait_until_ready};
use serde::Deserialize;

/// What is waited for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The health endpoints. The prober waits for all of them at once.
    pub urls: Vec<String>,
    /// How often and how long each is asked.
    #[serde(default)]
    pub probe: ProbeConfig,
}

/// What facts call the readiness of the engine behind a URL.
pub(crate) fn ready(url: &str) -> String {
    format!("{} ready", host(url))
}

/// What facts call the use of the engine behind a URL.
pub(crate) fn used(url: &str) -> String {
    format!("{} used", host(url))
}

fn host(url: &str) -> &str {
    let authority = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

/// Waits with the real prober, and uses every engine once all are ready: one request each, which is not tried again.
///
/// # Errors
/// If the script cannot be read.
pub async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let targets = script.urls.iter().map(|url| Ok((url, Target::parse(url)?))).collect::<Result<Vec<_>, BoxError>>()?;
    let verdicts = join_all(targets.iter().map(async |(url, target)| {
        cx.offered(ready(url));
        let verdict = wait_until_ready(target, &script.probe).await;
        match &verdict {
            Verdict::Ready { .. } => cx.received(ready(url)),
            Verdict::NotReady { last, .. } => cx.fact(FactKind::ClaimedFailed, ready(url), last.reason()),
        }
        verdict.is_ready()
    }))
    .await;
    // A single engine has been used by the asking.
    if targets.len() == 1 || !verdicts.iter().all(|is_ready| *is_ready) {
        return Ok(());
    }
    for (url, target) in &targets {
        cx.offered(used(url));
        match wait_until_ready(target, &ProbeConfig { attempts: 1, ..script.probe.clone() }).await {
            Verdict::Ready { .. } => cx.received(used(url)),
            Verdict::NotReady { last, .. } => cx.fact(FactKind::ClaimedFailed, used(url), last.reason()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_called_by_its_host() {
        assert_eq!(ready("http://nmt:8000/health"), "nmt ready");
        assert_eq!(used("http://tts/"), "tts used");
    }
}
