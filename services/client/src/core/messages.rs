//! What the scheduler's messages do.

use std::time::Instant;

use halfopen_link::ConnectionEnd;
use halfopen_link::close::code;
use halfopen_link::message::{FromSession, ToSession};
use halfopen_machine::Bug;

use super::{Core, Event, JobOutcome, Output, Phase, Session};

impl Core {
    pub(super) fn message(&mut self, message: ToSession, now: Instant) -> Result<(), Bug> {
        match (&self.phase, message) {
            (Phase::Handshaking { .. }, ToSession::SessionInitAck { session_id, token, epoch, resumed, next_seq }) => {
                self.ready(Session { id: session_id, token, epoch }, resumed, next_seq, now)
            }
            (
                Phase::Handshaking { .. } | Phase::Ready { .. } | Phase::Leaving { .. },
                ToSession::Error { code, message },
            ) => {
                self.outputs.push_back(Output::Complaint { code, message });
                Ok(())
            }
            (Phase::Ready { .. } | Phase::Leaving { .. }, ToSession::SubmitAck { job_id }) => {
                if let Some(trace_id) = self.jobs.acknowledge(&job_id)? {
                    self.outputs.push_back(Output::Accepted { job_id, trace_id });
                }
                Ok(())
            }
            (Phase::Ready { .. } | Phase::Leaving { .. }, ToSession::Result { seq, job_id, text, redelivered, .. }) => {
                self.outcome(seq, &job_id, JobOutcome::Result { text }, redelivered, now)
            }
            (Phase::Ready { .. } | Phase::Leaving { .. }, ToSession::JobFailed { seq, job_id, code, message }) => {
                self.outcome(seq, &job_id, JobOutcome::Failed { code, message }, false, now)
            }
            // The session is over, its connection soon; what it left without an outcome goes to the next one.
            (Phase::Ready { .. }, ToSession::SessionClose) => {
                self.session = None;
                Ok(())
            }
            (Phase::Leaving { .. }, ToSession::SessionClose) => self.leave(),
            (
                Phase::Handshaking { .. },
                ToSession::SubmitAck { .. }
                | ToSession::Result { .. }
                | ToSession::JobFailed { .. }
                | ToSession::SessionClose,
            )
            | (Phase::Ready { .. } | Phase::Leaving { .. }, ToSession::SessionInitAck { .. }) => {
                self.abandon(ConnectionEnd::by_us(code::POLICY, "message out of turn"), "message out of turn", now)
            }
            // Legal: what a connection still had to say after it was given up has no say.
            (Phase::Connecting { .. } | Phase::Reconnecting { .. } | Phase::Closed, _) => Ok(()),
        }
    }

    /// It may come from a newer scheduler: it is answered with an `error`, and the connection stays.
    pub(super) fn unknown_type(&mut self, name: &str) {
        if self.phase.is_connected() {
            // The name is as long as the sender likes; the answer is not.
            let message = format!("unknown type {:?}", name.chars().take(40).collect::<String>());
            self.outputs.push_back(Output::Send(FromSession::Error { code: "unknown_type".into(), message }));
        }
        // Otherwise legal, as in `message`.
    }

    fn ready(&mut self, session: Session, resumed: bool, next_seq: u64, now: Instant) -> Result<(), Bug> {
        let asked = self.session.as_ref().is_some_and(|asked| asked.id == session.id);
        // A lower number is an ack that was lost: those outcomes come again.
        if resumed && !(asked && next_seq <= self.last_seq + 1) {
            // What such a session holds is nothing to go on with; a new one gets every job without an outcome.
            self.session = None;
            let detail = format!("session {} cannot go on at {next_seq} after {}", session.id, self.last_seq);
            return self.abandon(ConnectionEnd::by_us(code::POLICY, detail), "not the session that was asked for", now);
        }
        if !resumed {
            self.last_seq = next_seq.saturating_sub(1);
        }
        self.jobs.session_ready(resumed);
        let session_id = session.id.clone();
        self.session = Some(session);
        self.phase = Phase::Ready { session_id: session_id.clone(), stable_at: now + self.stable_after };
        self.outputs.push_back(Output::Tell(Event::Ready { session_id, resumed }));
        Ok(())
    }

    /// An outcome, at its place in the session. What was recorded before is acknowledged again and changes nothing.
    fn outcome(
        &mut self,
        seq: u64,
        job_id: &str,
        outcome: JobOutcome,
        redelivered: bool,
        now: Instant,
    ) -> Result<(), Bug> {
        if seq > self.last_seq + 1 {
            let detail = format!("outcome {seq} came after {}", self.last_seq);
            return self.abandon(ConnectionEnd::by_us(code::POLICY, detail), "gap in the sequence", now);
        }
        if seq == self.last_seq + 1 {
            self.last_seq = seq;
            let settled = self.jobs.settle(job_id, outcome, seq, redelivered)?;
            self.settle(settled);
        }
        self.outputs.push_back(Output::Send(FromSession::Ack { upto_seq: self.last_seq }));
        Ok(())
    }
}
