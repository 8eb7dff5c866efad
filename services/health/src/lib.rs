//! Waits until an HTTP health endpoint answers 2xx, or until its budget of attempts is spent.
//!
//! One law: whatever an attempt meets (refused, reset, silent, not ready, nonsense), it is tried again until the budget is
//! spent, and the verdict tells the last reason. A prober that is right about the service and rude to its sockets fills
//! the service's log with resets, so each attempt reads the whole body and closes in order, and nothing that is expected
//! of a service which is starting is logged above debug.
//!
//! Start at [`wait_until_ready`]. The map:
//!
//! | module | what it is |
//! |---|---|
//! | `config` | the numbers: attempts, interval, timeout, and the worst case that they add up to |
//! | `target` | which endpoint is asked |
//! | `budget` | pure core: the outcome of an attempt in, what to do next out |
//! | `attempt` | one attempt over a socket of its own, and its orderly close |
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use std::time::Duration;
//! use halfopen_health::{Miss, ProbeConfig, Target, Verdict, wait_until_ready};
//!
//! let vacant = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
//! let target = Target::parse(&format!("http://{vacant}/health"))?;
//! let config = ProbeConfig { attempts: 2, interval: Duration::from_millis(1), ..ProbeConfig::default() };
//! let verdict = wait_until_ready(&target, &config).await;
//! assert_eq!(verdict, Verdict::NotReady { attempts: 2, last: Miss::Refused });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempt;
mod budget;
mod config;
mod target;

pub use budget::{Budget, Miss, Next, Verdict};
pub use config::{BadProbe, ProbeConfig};
pub use target::{BadTarget, Target};

use tokio::time::sleep;

/// Asks `target` until it answers 2xx or the attempts of `config` are spent. It takes at most
/// [`ProbeConfig::worst_case`]; dropping the future ends it at once.
pub async fn wait_until_ready(target: &Target, config: &ProbeConfig) -> Verdict {
    poll(config, || attempt::ask(target, config.timeout)).await
}

/// The shell of [`Budget`]: makes the attempts, and pauses between them.
async fn poll<F>(config: &ProbeConfig, mut attempt: impl FnMut() -> F) -> Verdict
where
    F: Future<Output = Result<(), Miss>>,
{
    let mut budget = Budget::new(config);
    loop {
        let outcome = attempt().await;
        if let Err(miss) = &outcome {
            tracing::debug!(target: "halfopen_health", reason = miss.reason(), "not ready yet");
        }
        match budget.handle(outcome) {
            Next::TryAfter(pause) => sleep(pause).await,
            Next::Stop(verdict) => return verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_refuses_is_asked_fifteen_times_half_a_second_apart() {
        let asked = RefCell::new(Vec::new());
        let started = Instant::now();
        let verdict = poll(&ProbeConfig::default(), || {
            asked.borrow_mut().push(started.elapsed());
            async { Err(Miss::Refused) }
        })
        .await;
        assert_eq!(verdict, Verdict::NotReady { attempts: 15, last: Miss::Refused });
        let expected: Vec<Duration> = (0..15).map(|attempt| Duration::from_millis(500) * attempt).collect();
        assert_eq!(*asked.borrow(), expected);
        assert_eq!(started.elapsed(), Duration::from_secs(7), "there is no pause after the last attempt");
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_never_answers_costs_no_more_than_the_worst_case_says() {
        let config = ProbeConfig::default();
        let started = Instant::now();
        let verdict = poll(&config, || async {
            let silent = std::future::pending::<()>();
            timeout(config.timeout, silent).await.map_err(|_| Miss::TimedOut)
        })
        .await;
        assert_eq!(verdict, Verdict::NotReady { attempts: 15, last: Miss::TimedOut });
        assert_eq!(started.elapsed(), config.worst_case() - config.interval);
        assert_eq!(config.worst_case(), Duration::from_millis(37_500), "15 x (2 s + 500 ms)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_starts_is_ready_when_it_answers() {
        let outcomes = RefCell::new(vec![Ok(()), Err(Miss::NotReady { status: 503 }), Err(Miss::Reset)]);
        let started = Instant::now();
        let verdict = poll(&ProbeConfig::default(), || {
            let outcome = outcomes.borrow_mut().pop().expect("nothing is asked after it is ready");
            async { outcome }
        })
        .await;
        assert_eq!(verdict, Verdict::Ready { attempts: 3 });
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }
}
