//! The core's laws under random histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::rules::{hello, job, outcome};
use super::*;
use crate::config::Order;

proptest! {
    /// Whatever happens in whatever order: no job has two outcomes, no ack runs ahead of what was recorded, attempts
    /// stay bounded, and at the end no handle is left.
    #[test]
    fn the_laws_hold_under_any_history(
        steps in proptest::collection::vec(step(), 0..200), utterance in any::<bool>(), seed in any::<u64>(),
    ) {
        let order = if utterance { Order::Utterance } else { Order::Completion };
        let mut history = History::new(&Config { order, ..Config::default() }, seed);
        for step in steps {
            history.apply(step)?;
        }
        history.apply(Step::Close)?;
        history.apply(Step::Wait { ms: 2_000 })?;
        prop_assert_eq!(&history.submitted, &history.settled.keys().copied().collect::<BTreeSet<_>>());
        if utterance {
            prop_assert!(history.in_order.is_sorted(), "{:?}", history.in_order);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit,
    Connected,
    ConnectFailed,
    Hello { resumed: bool },
    Accept { job: u64 },
    Outcome { ahead: i8, job: u64, ok: bool },
    Lose { close_code: u16, by: By },
    Malformed,
    SessionClose,
    Wait { ms: u64 },
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Submit),
        6 => Just(Step::Connected),
        1 => Just(Step::ConnectFailed),
        6 => any::<bool>().prop_map(|resumed| Step::Hello { resumed }),
        6 => (0..30_u64).prop_map(|job| Step::Accept { job }),
        10 => (prop_oneof![8 => Just(1_i8), 1 => Just(0), 1 => Just(2), 1 => Just(-3)], 0..30_u64, any::<bool>())
            .prop_map(|(ahead, job, ok)| Step::Outcome { ahead, job, ok }),
        3 => (prop_oneof![Just(1000_u16), Just(1006), Just(1007), Just(1009), Just(1012), Just(4003)],
              prop_oneof![Just(By::Peer), Just(By::Network), Just(By::Timeout)])
            .prop_map(|(close_code, by)| Step::Lose { close_code, by }),
        1 => Just(Step::Malformed),
        1 => Just(Step::SessionClose),
        1 => prop_oneof![9 => Just(Step::Submit), 1 => Just(Step::Close)],
        8 => (0..40_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A run of random steps and what must be true of it.
struct History {
    core: Core,
    now: Instant,
    submitted: BTreeSet<u64>,
    settled: BTreeMap<u64, Outcome>,
    in_order: Vec<u64>,
    /// The highest `seq` that the scheduler has sent in this session without a gap.
    recorded: u64,
    attempts_since_stable: u32,
}

impl History {
    fn new(config: &Config, seed: u64) -> Self {
        let now = Instant::now();
        let mut core = Core::new(config, seed, now);
        core.take_outputs();
        let (submitted, settled) = (BTreeSet::new(), BTreeMap::new());
        Self { core, now, submitted, settled, in_order: Vec::new(), recorded: 0, attempts_since_stable: 0 }
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        let before = self.core.state();
        match step {
            Step::Submit => {
                let number = self.submitted.len() as u64;
                self.submitted.insert(number);
                self.core.handle(Input::Submit(job(&number.to_string())), self.now);
            }
            Step::Connected => self.core.handle(Input::Connected, self.now),
            Step::ConnectFailed => self.core.handle(Input::ConnectFailed("refused".into()), self.now),
            Step::Hello { resumed } => {
                if before == State::Handshaking && !resumed {
                    self.recorded = 0;
                }
                self.core.handle(Input::Message(hello(resumed)), self.now);
            }
            Step::Accept { job } => {
                self.core.handle(Input::Message(ToSession::SubmitAck { job_id: job.to_string() }), self.now);
            }
            Step::Outcome { ahead, job, ok } => {
                let seq = self.recorded.saturating_add_signed(ahead.into());
                if matches!(before, State::Ready | State::Closing) && ahead == 1 {
                    self.recorded = seq;
                }
                self.core.handle(Input::Message(outcome(seq, &job.to_string(), ok)), self.now);
            }
            Step::Lose { close_code, by } => {
                self.core.handle(Input::Ended(Ending { close_code, by, detail: String::new() }), self.now);
            }
            Step::Malformed => self.core.handle(Input::Malformed("not JSON".into()), self.now),
            Step::SessionClose => self.core.handle(Input::Message(ToSession::SessionClose), self.now),
            Step::Wait { ms } => {
                self.now += Duration::from_millis(ms);
                self.core.handle_timeout(self.now);
            }
            Step::Close => self.core.handle(Input::Close, self.now),
        }
        self.check(before)
    }

    fn check(&mut self, before: State) -> Result<(), TestCaseError> {
        for output in self.core.take_outputs() {
            match output {
                Output::Settle(settled) => {
                    let number = settled.job_id.parse().expect("our own ids");
                    prop_assert!(self.submitted.contains(&number));
                    prop_assert!(self.settled.insert(number, settled.outcome).is_none(), "two outcomes for {}", number);
                    self.in_order.push(number);
                }
                Output::Send(FromSession::Ack { upto_seq }) => prop_assert!(upto_seq <= self.recorded),
                Output::Send(FromSession::Submit(submit)) => {
                    let number: u64 = submit.job_id.parse().expect("our own ids");
                    prop_assert!(!self.settled.contains_key(&number), "{} was sent after its outcome", number);
                    prop_assert_eq!(self.core.state(), State::Ready);
                }
                Output::Tell(Event::Reconnecting { attempt, delay }) => {
                    prop_assert!((1..=10).contains(&attempt));
                    prop_assert!(delay >= Duration::from_secs(1) && delay <= Duration::from_secs(30));
                    let reset = attempt == 1;
                    self.attempts_since_stable = if reset { 1 } else { self.attempts_since_stable + 1 };
                    prop_assert_eq!(attempt, self.attempts_since_stable);
                }
                Output::Connect => prop_assert!(before != State::Closed),
                Output::Abandon { close_code, .. } => prop_assert!(halfopen_link::close::is_sendable(close_code)),
                Output::Send(_) | Output::Accepted { .. } | Output::Tell(_) => {}
            }
        }
        prop_assert!(before != State::Closed || self.core.state() == State::Closed, "closed is for good");
        let closed = self.core.state() == State::Closed;
        prop_assert!(!closed || self.core.next_deadline().is_none(), "nothing is due after the end");
        Ok(())
    }
}
