//! Drives the prober.

use std::collections::VecDeque;
use std::future::pending;
use std::ops::ControlFlow;
use std::pin::Pin;

use halfopen_machine::Bug;
use halfopen_machine::shell::{Shell, drive};

use super::attempt;
use super::target::Target;
use crate::prober::{Input, Output};
use crate::{Miss, ProbeConfig, Prober, Verdict};

/// Asks `target` until it answers 2xx or the attempts of `config` are spent. It takes at most
/// [`ProbeConfig::worst_case`]; dropping the future ends it at once.
pub async fn wait_until_ready(target: &Target, config: &ProbeConfig) -> Verdict {
    probe(config, || Box::pin(attempt::ask(target, config.timeout))).await
}

async fn probe<'a>(config: &ProbeConfig, attempt: impl FnMut() -> Attempt<'a> + Send + 'a) -> Verdict {
    drive(&mut Prober::new(config), &mut Attempts { attempt: Box::new(attempt), under_way: None }).await
}

type Attempt<'a> = Pin<Box<dyn Future<Output = Result<(), Miss>> + Send + 'a>>;

/// Makes the attempts that the prober asks for, one at a time.
struct Attempts<'a> {
    attempt: Box<dyn FnMut() -> Attempt<'a> + Send + 'a>,
    under_way: Option<Attempt<'a>>,
}

impl Shell<Prober> for Attempts<'_> {
    type End = Verdict;

    async fn next_input(&mut self) -> Input {
        // Legal: the prober pauses.
        let Some(attempt) = &mut self.under_way else { return pending().await };
        let outcome = attempt.await;
        self.under_way = None;
        if let Err(miss) = &outcome {
            tracing::debug!(target: "halfopen_health", reason = miss.reason(), "not ready yet");
        }
        Input::Outcome(outcome)
    }

    fn perform(&mut self, output: Output, _inputs: &mut VecDeque<Input>) -> ControlFlow<Verdict> {
        match output {
            Output::Ask => self.under_way = Some((self.attempt)()),
            Output::Decided(verdict) => return ControlFlow::Break(verdict),
        }
        ControlFlow::Continue(())
    }

    fn bug(&mut self, _bug: Bug, _inputs: &mut VecDeque<Input>) {
        // The attempt that it belongs to, and its connection, are over already.
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_refuses_is_asked_fifteen_times_half_a_second_apart() {
        let asked = Mutex::new(Vec::new());
        let started = Instant::now();
        let verdict = probe(&ProbeConfig::default(), || {
            asked.lock().expect("no panic").push(started.elapsed());
            Box::pin(async { Err(Miss::Refused) })
        })
        .await;
        assert_eq!(verdict, Verdict::NotReady { attempts: 15, last: Miss::Refused });
        let expected: Vec<Duration> = (0..15).map(|attempt| Duration::from_millis(500) * attempt).collect();
        assert_eq!(*asked.lock().expect("no panic"), expected);
        assert_eq!(started.elapsed(), Duration::from_secs(7), "there is no pause after the last attempt");
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_never_answers_costs_no_more_than_the_worst_case_says() {
        let config = ProbeConfig::default();
        let started = Instant::now();
        let bound = config.timeout;
        let silent = || Box::pin(async move { timeout(bound, pending::<()>()).await.map_err(|_| Miss::TimedOut) });
        let verdict = probe(&config, move || silent()).await;
        assert_eq!(verdict, Verdict::NotReady { attempts: 15, last: Miss::TimedOut });
        assert_eq!(started.elapsed(), config.worst_case() - config.interval);
        assert_eq!(config.worst_case(), Duration::from_millis(37_500), "15 x (2 s + 500 ms)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_starts_is_ready_when_it_answers() {
        let outcomes = Mutex::new(vec![Ok(()), Err(Miss::NotReady { status: 503 }), Err(Miss::Reset)]);
        let started = Instant::now();
        let verdict = probe(&ProbeConfig::default(), || {
            let outcome = outcomes.lock().expect("no panic").pop().expect("nothing is asked after it is ready");
            Box::pin(async { outcome })
        })
        .await;
        assert_eq!(verdict, Verdict::Ready { attempts: 3 });
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }
}
