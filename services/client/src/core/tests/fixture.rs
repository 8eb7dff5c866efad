//! A core whose network is played by a test.

use std::time::{Duration, Instant};

use halfopen_link::message::{FailureCode, FromSession, ToSession};
use halfopen_link::{By, ConnectionEnd};
use halfopen_machine::Machine;
use halfopen_machine::testing::{Strict, start};

use crate::config::Config;
use crate::core::monitor::Liveness;
use crate::core::{Core, Input, NewJob, Output};

/// A client whose network is played by a test.
pub(super) struct Fixture {
    pub(super) core: Strict<Core>,
    pub(super) now: Instant,
}

impl Fixture {
    pub(super) fn new(config: &Config) -> Self {
        let now = start();
        let mut core = Strict::new(Core::new(config, 1, now));
        assert_eq!(core.take_outputs(), [Output::Connect]);
        Self { core, now }
    }

    pub(super) fn ready() -> Self {
        let mut client = Self::new(&Config::default());
        client.tell(Input::Connected);
        client.greeted(false);
        client
    }

    pub(super) fn tell(&mut self, input: Input) -> Vec<Output> {
        self.core.handle(input, self.now).expect("no bug");
        self.core.take_outputs()
    }

    pub(super) fn submit(&mut self, name: &str) {
        self.tell(Input::Submit(job(name)));
    }

    pub(super) fn greeted(&mut self, resumed: bool) -> Vec<Output> {
        self.tell(Input::Message(hello(resumed)))
    }

    pub(super) fn outcome(&mut self, seq: u64, name: &str) -> Vec<Output> {
        self.tell(Input::Message(outcome(seq, name, true)))
    }

    pub(super) fn lose(&mut self, close_code: u16) -> Vec<Output> {
        let by = if close_code == 1006 { By::Network } else { By::Peer };
        self.tell(Input::Ended(ConnectionEnd { close_code, by, detail: String::new() }))
    }

    /// Loses the connection and has the next one upgraded; gives what the loss led to.
    pub(super) fn reconnect(&mut self, close_code: u16) -> Vec<Output> {
        let outputs = self.lose(close_code);
        self.wait();
        self.tell(Input::Connected);
        outputs
    }

    /// Lets time pass until something is due other than a look of the monitor, which sees an open connection.
    pub(super) fn wait(&mut self) -> Vec<Output> {
        while let Some(due) = self.core.next_timeout() {
            let outputs = self.reach(due);
            if !outputs.is_empty() {
                return outputs;
            }
        }
        Vec::new()
    }

    /// Lets this much time pass; everything that is due in it is done when it is due.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut outputs = Vec::new();
        while let Some(due) = self.core.next_timeout().filter(|due| *due <= end) {
            outputs.extend(self.reach(due));
        }
        self.now = end;
        outputs
    }

    fn reach(&mut self, due: Instant) -> Vec<Output> {
        self.now = due;
        self.core.handle_timeout(due).expect("no bug");
        let mut outputs = self.core.take_outputs();
        if outputs.pop_if(|output| *output == Output::Look).is_some() {
            outputs.extend(self.tell(Input::Seen(Liveness::Open)));
        }
        outputs
    }
}

pub(super) fn job(name: &str) -> NewJob {
    NewJob {
        job_id: name.into(),
        trace_id: format!("trace of {name}"),
        text: "hello".into(),
        src_lang: "zh".into(),
        tgt_lang: "en".into(),
    }
}

pub(super) fn hello(resumed: bool) -> ToSession {
    hello_at(resumed, 1)
}

pub(super) fn hello_at(resumed: bool, next_seq: u64) -> ToSession {
    ToSession::SessionInitAck { session_id: "s-1".into(), token: "t-1".into(), epoch: "e-1".into(), resumed, next_seq }
}

pub(super) fn outcome(seq: u64, name: &str, ok: bool) -> ToSession {
    let job_id = name.into();
    if ok {
        ToSession::Result { seq, job_id, attempt_id: "1".into(), text: "hello".into(), redelivered: false }
    } else {
        ToSession::JobFailed { seq, job_id, code: FailureCode::NodeUnavailable, message: "gone".into() }
    }
}

pub(super) fn sent(outputs: &[Output]) -> Vec<String> {
    let submit = |output: &Output| match output {
        Output::Send(FromSession::Submit(submit)) => Some(submit.job_id.clone()),
        _ => None,
    };
    outputs.iter().filter_map(submit).collect()
}

pub(super) fn acks(outputs: &[Output]) -> Vec<u64> {
    let ack = |output: &Output| match output {
        Output::Send(FromSession::Ack { upto_seq }) => Some(*upto_seq),
        _ => None,
    };
    outputs.iter().filter_map(ack).collect()
}

pub(super) fn outcomes(outputs: &[Output]) -> Vec<(String, &'static str)> {
    let outcome = |output: &Output| match output {
        Output::Settle(settled) => Some((settled.job_id.clone(), settled.outcome.name())),
        _ => None,
    };
    outputs.iter().filter_map(outcome).collect()
}

pub(super) fn settled(outputs: &[Output]) -> Vec<String> {
    outcomes(outputs).into_iter().map(|(job_id, _)| job_id).collect()
}
