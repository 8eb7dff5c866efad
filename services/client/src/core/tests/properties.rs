//! The core's laws under random histories, beside a model that knows of each job only what can be seen from outside.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use halfopen_link::message::{FromSession, ToSession};
use halfopen_link::{By, ConnectionEnd};
use halfopen_machine::Machine;
use halfopen_machine::testing::{Strict, start};
use proptest::prelude::*;

use super::fixture::{hello_at, job, outcome};
use crate::config::{Config, Order};
use crate::core::monitor::Liveness;
use crate::core::{Core, Input, Output, Settled};
use crate::event::{Event, State};
use crate::outcome::JobOutcome;

proptest! {
    /// Whatever happens in whatever order, every law of [`History`] holds, and at the end no handle is left.
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
        prop_assert_eq!(history.core.state(), State::Closed);
        prop_assert_eq!(history.jobs.iter().find(|(_, job)| job.settled.is_none()), None);
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
    Hello {
        resumed: bool,
        ahead: u8,
    },
    Accept {
        job: u64,
    },
    JobOutcome {
        ahead: i8,
        job: u64,
        ok: bool,
    },
    Lose {
        close_code: u16,
        by: By,
    },
    /// A loss and the way back, so that histories get far.
    Return {
        close_code: u16,
        resumed: bool,
    },
    Malformed,
    Unknown,
    SessionClose,
    Seen(Liveness),
    Wait {
        ms: u64,
    },
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = || prop_oneof![8 => Just(1_i8), 1 => Just(0), 1 => Just(2), 1 => Just(-3)];
    let codes = || {
        prop_oneof![
            20 => proptest::sample::select(vec![1000_u16, 1003, 1005, 1006, 1007, 1008, 1009, 1012, 3000, 4000, 4003]),
            1 => Just(4001),
        ]
    };
    prop_oneof![
        6 => Just(Step::Submit),
        6 => Just(Step::Connected),
        1 => Just(Step::ConnectFailed),
        6 => (any::<bool>(), prop_oneof![9 => Just(0_u8), 1 => Just(3)])
            .prop_map(|(resumed, ahead)| Step::Hello { resumed, ahead }),
        6 => (0..30_u64).prop_map(|job| Step::Accept { job }),
        10 => (ahead(), 0..30_u64, any::<bool>()).prop_map(|(ahead, job, ok)| Step::JobOutcome { ahead, job, ok }),
        3 => (codes(), prop_oneof![4 => Just(By::Peer), 1 => Just(By::Network), 1 => Just(By::Timeout)])
            .prop_map(|(close_code, by)| Step::Lose { close_code, by }),
        4 => (codes(), prop_oneof![3 => Just(true), 1 => Just(false)])
            .prop_map(|(close_code, resumed)| Step::Return { close_code, resumed }),
        1 => Just(Step::Malformed),
        1 => Just(Step::Unknown),
        1 => Just(Step::SessionClose),
        2 => proptest::sample::select(vec![Liveness::Open, Liveness::Closed, Liveness::Gone]).prop_map(Step::Seen),
        1 => prop_oneof![9 => Just(Step::Submit), 1 => Just(Step::Close)],
        8 => (0..40_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// What can be seen of a job from outside.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Sent on the connection in use.
    sent: bool,
    /// Acknowledged in the session in use.
    acknowledged: bool,
    /// Closes in a row that blamed a message while the job was in flight.
    strikes: u8,
    /// Two of them: it is rejected.
    condemned: bool,
    /// The scheduler's outcome for it has come.
    recorded: bool,
    /// Its handle has resolved.
    settled: Option<JobOutcome>,
}

impl Seen {
    fn is_open(&self) -> bool {
        !self.recorded && !self.condemned && self.settled.is_none()
    }

    fn is_in_flight(&self) -> bool {
        self.is_open() && self.sent && !self.acknowledged
    }
}

/// A run of random steps and what must be true of it.
struct History {
    core: Strict<Core>,
    order: Order,
    now: Instant,
    jobs: BTreeMap<u64, Seen>,
    in_order: Vec<u64>,
    /// The highest `seq` that the scheduler has sent in this session without a gap.
    recorded: u64,
    /// The last job sent on the connection in use.
    last_sent: Option<u64>,
    /// Connections asked for since the last session that was Ready for ten seconds.
    attempts: u32,
    ready_since: Option<Instant>,
    /// Whether a close has ever blamed a message.
    blamed: bool,
    /// Established connections whose loss was not told yet.
    established: bool,
    over: bool,
}

impl History {
    fn new(config: &Config, seed: u64) -> Self {
        let now = start();
        let mut core = Strict::new(Core::new(config, seed, now));
        assert_eq!(core.take_outputs(), [Output::Connect]);
        Self {
            core,
            order: config.order,
            now,
            jobs: BTreeMap::new(),
            in_order: Vec::new(),
            recorded: 0,
            last_sent: None,
            attempts: 0,
            ready_since: None,
            blamed: false,
            established: false,
            over: false,
        }
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        let before = self.core.state();
        let up = matches!(before, State::Ready | State::Closing);
        let closes = matches!(step, Step::Close);
        let input = match step {
            Step::Submit => {
                let number = self.jobs.len() as u64;
                self.jobs.insert(number, Seen::default());
                Input::Submit(job(&number.to_string()))
            }
            Step::Connected => {
                self.established |= before == State::Connecting;
                Input::Connected
            }
            Step::ConnectFailed => Input::ConnectFailed("refused".into()),
            Step::Hello { resumed, ahead } => {
                let next_seq = if resumed { self.recorded + 1 + u64::from(ahead) } else { 1 };
                Input::Message(hello_at(resumed, next_seq))
            }
            Step::Accept { job } => {
                if let Some(seen) = self.jobs.get_mut(&job).filter(|seen| up && seen.is_open() && !seen.acknowledged) {
                    (seen.acknowledged, seen.strikes) = (true, 0);
                }
                Input::Message(ToSession::SubmitAck { job_id: job.to_string() })
            }
            Step::JobOutcome { ahead, job, ok } => {
                let seq = self.recorded.saturating_add_signed(ahead.into());
                if up && ahead == 1 {
                    self.recorded = seq;
                    if let Some(seen) = self.jobs.get_mut(&job).filter(|seen| seen.is_open()) {
                        seen.recorded = true;
                    }
                }
                Input::Message(outcome(seq, &job.to_string(), ok))
            }
            Step::Lose { close_code, by } => {
                if before == State::Ready {
                    self.strike(by == By::Peer && [1003, 1007, 1008, 1009].contains(&close_code));
                }
                Input::Ended(ConnectionEnd { close_code, by, detail: String::new() })
            }
            Step::Return { close_code, resumed } => {
                self.apply(Step::Lose { close_code, by: By::Peer })?;
                self.apply(Step::Wait { ms: 30_000 })?;
                self.apply(Step::Connected)?;
                return self.apply(Step::Hello { resumed, ahead: 0 });
            }
            Step::Malformed => Input::Malformed("not JSON".into()),
            Step::Unknown => Input::UnknownType("news".into()),
            Step::SessionClose => Input::Message(ToSession::SessionClose),
            Step::Seen(liveness) => Input::Seen(liveness),
            Step::Wait { ms } => {
                self.now += Duration::from_millis(ms);
                if self.ready_since.is_some_and(|since| self.now - since >= Duration::from_secs(10)) {
                    self.attempts = 0;
                }
                self.core.handle_timeout(self.now).expect("no bug");
                return self.check(before, None, false);
            }
            Step::Close => Input::Close,
        };
        let given = if let Input::Ended(ending) = &input { Some(ending.clone()) } else { None };
        self.core.handle(input, self.now).expect("no bug");
        self.check(before, given, closes)
    }

    /// A connection with a session is lost by another's hand.
    fn strike(&mut self, blames: bool) {
        self.blamed |= blames;
        for seen in self.jobs.values_mut() {
            seen.strikes = if blames && seen.is_in_flight() { seen.strikes + 1 } else { 0 };
            seen.condemned |= seen.strikes >= 2;
        }
    }

    fn check(&mut self, before: State, given: Option<ConnectionEnd>, closes: bool) -> Result<(), TestCaseError> {
        for output in self.core.take_outputs() {
            let late_submit = matches!(&output, Output::Settle(settled) if settled.outcome == JobOutcome::Unknown);
            prop_assert!(!self.over || late_submit, "after the end: {:?}", output);
            match output {
                Output::Settle(settled) => self.settled(settled)?,
                Output::Send(FromSession::Ack { upto_seq }) => self.acked(upto_seq)?,
                Output::Send(FromSession::Submit(submit)) => self.sent(&submit.job_id)?,
                Output::Tell(event) => self.told(event, given.as_ref())?,
                Output::Connect => {
                    self.attempts += 1;
                    prop_assert!(self.attempts <= 10, "attempts are bounded");
                }
                Output::Abandon { close_code, .. } => prop_assert!(halfopen_link::close::is_sendable(close_code)),
                Output::Send(
                    FromSession::SessionInit { .. } | FromSession::SessionClose | FromSession::Error { .. },
                )
                | Output::Accepted { .. }
                | Output::Complaint { .. } => {}
                Output::Look | Output::Collect => prop_assert!(self.established, "there is a connection to look at"),
            }
        }
        self.stands(before, closes)
    }

    /// What is true between any two steps.
    fn stands(&mut self, before: State, closes: bool) -> Result<(), TestCaseError> {
        let state = self.core.state();
        prop_assert!(before != State::Closed || state == State::Closed, "closed is for good");
        let established = matches!(state, State::Handshaking | State::Ready | State::Closing);
        prop_assert!(established || closes || !self.established, "a connection was lost and it was not told");
        self.established &= established;
        match self.core.ending() {
            Some(ending) => prop_assert!(!established && ending.close_code >= 1000, "{} in {:?}", ending, state),
            None => prop_assert!(established || state == State::Connecting, "no close code in {:?}", state),
        }
        if state == State::Closed {
            prop_assert!(self.over && self.core.next_timeout().is_none(), "nothing is due after the end");
        }
        if state != State::Ready {
            self.ready_since = None;
            return Ok(());
        }
        let waiting = self.jobs.values().filter(|seen| seen.is_open() && !seen.sent && !seen.acknowledged).count();
        let in_flight = self.jobs.values().filter(|seen| seen.is_in_flight()).count();
        prop_assert!(waiting == 0 || in_flight > 0, "{} jobs wait for nothing", waiting);
        prop_assert!(waiting == 0 || self.blamed, "{} jobs wait although nothing is suspected", waiting);
        Ok(())
    }

    fn settled(&mut self, settled: Settled) -> Result<(), TestCaseError> {
        let number = number(&settled.job_id);
        let seen = self.jobs.get_mut(&number).expect("a job that was submitted");
        prop_assert_eq!(&seen.settled, &None, "a handle resolves once");
        match &settled.outcome {
            JobOutcome::Result { .. } | JobOutcome::Failed { .. } => {
                prop_assert!(seen.recorded && settled.seq > 0, "an outcome that was not sent");
            }
            JobOutcome::Rejected { .. } => prop_assert!(seen.condemned, "{:?}", seen),
            JobOutcome::Unknown => {
                prop_assert!(!seen.recorded && !seen.condemned && self.core.state() == State::Closed);
            }
        }
        seen.settled = Some(settled.outcome);
        self.in_order.push(number);
        Ok(())
    }

    fn acked(&self, upto_seq: u64) -> Result<(), TestCaseError> {
        prop_assert!(upto_seq <= self.recorded, "an ack of what has not come");
        let unsettled = self.jobs.values().find(|seen| seen.recorded && seen.settled.is_none());
        prop_assert!(self.order == Order::Utterance || unsettled.is_none(), "an ack before its handle");
        Ok(())
    }

    fn sent(&mut self, job_id: &str) -> Result<(), TestCaseError> {
        let number = number(job_id);
        prop_assert_eq!(self.core.state(), State::Ready);
        prop_assert!(self.last_sent.is_none_or(|last| last < number), "{} after {:?}", number, self.last_sent);
        self.last_sent = Some(number);
        let seen = self.jobs.get_mut(&number).expect("a job that was submitted");
        prop_assert!(seen.is_open(), "{} was sent after its outcome", number);
        prop_assert!(!seen.acknowledged, "{} was sent although the session has it", number);
        seen.sent = true;
        Ok(())
    }

    fn told(&mut self, event: Event, given: Option<&ConnectionEnd>) -> Result<(), TestCaseError> {
        match event {
            Event::Ready { resumed, .. } => {
                self.ready_since = Some(self.now);
                self.last_sent = None;
                self.recorded = if resumed { self.recorded } else { 0 };
                for seen in self.jobs.values_mut() {
                    seen.sent = false;
                    seen.acknowledged &= resumed;
                }
            }
            Event::Lost { ending, .. } => {
                prop_assert!(std::mem::take(&mut self.established), "a loss is told once");
                prop_assert!(given.is_none_or(|given| *given == ending), "the code of whatever ended it");
                if given.is_none() && self.ready_since.is_some() {
                    self.strike(false);
                }
            }
            Event::Reconnecting { attempt, delay } => {
                prop_assert_eq!(attempt, self.attempts + 1);
                let base = Duration::from_secs([1, 2, 4, 8, 16][..].get(attempt as usize - 1).copied().unwrap_or(30));
                let most = (base * 11 / 10).min(Duration::from_secs(30));
                prop_assert!((base..=most).contains(&delay), "{:?} before attempt {}", delay, attempt);
                let struck = self.jobs.values().find(|seen| seen.condemned && seen.settled.is_none());
                prop_assert!(self.order == Order::Utterance || struck.is_none(), "{:?}", struck);
            }
            Event::GaveUp { attempts } => {
                prop_assert_eq!((attempts, self.attempts), (10, 10));
                self.over = true;
            }
            Event::Refused { .. } | Event::Replaced | Event::Closed => self.over = true,
            Event::ConnectFailed { .. } => {}
            Event::Lagged(_) => return Err(TestCaseError::fail("the core misses nothing")),
        }
        Ok(())
    }
}

fn number(job_id: &str) -> u64 {
    job_id.parse().expect("our own ids")
}
