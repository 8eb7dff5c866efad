//! What the scheduler sends a session: every outcome in the order in which the jobs ended, without a gap, each with the text of its own
//! job, and again with `redelivered` until it is acknowledged.

use halfopen::check::Finding;
use halfopen::name::Direction;
use halfopen::trace::LogEvent;

use super::history::{History, Moment};
use super::message::Message;
use super::sessions::{OUTCOME, Outcome, Sessions};
use super::{TICK, broken};

impl Sessions<'_> {
    /// A job of a session is over, and its outcome has the next `seq`.
    pub(super) fn finished(
        &mut self,
        moment: &Moment<'_>,
        id: &str,
        event: &LogEvent,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let field = |name| event.field(name).unwrap_or_default().to_owned();
        let (job, trace, name) = (field("job_id"), field("trace_id"), field("outcome"));
        let numbers = self.numbers;
        let Some(session) = self.sessions.get_mut(id) else {
            let sentence = format!("{job} is a job of {id}, which is not known.");
            return Err(broken("an outcome for an unknown session", moment, None, sentence));
        };
        if !session.open.remove(&job) {
            let sentence = format!("{job} of {id} ended, and was not open.");
            return Err(broken("a job ends twice", moment, None, sentence));
        }
        let is_forgotten = !session.present && moment.at + TICK >= session.changed + numbers.forget;
        let is_small = session.submits.contains_key(&job);
        let has_reason = match name.as_str() {
            "SESSION_CLOSED" => session.is_leaving() || is_forgotten,
            "RESULT_EXPIRED" => false,
            "REJECTED" => !is_small || session.uncertain,
            _ => true,
        };
        if !has_reason {
            let sentence = format!("{job} failed with {name}, and there was no reason for it.");
            return Err(broken("a failure without its reason", moment, None, sentence));
        }
        let (at, place) = (moment.at, moment.place);
        let outcome = Outcome { job, trace, name, at, place, expired: false, said: None, maybe_said: false };
        session.outcomes.push(outcome);
        if let Some(on) = session.connection.filter(|on| history.over(*on) > moment.at) {
            self.owe_what_waits(moment, on, history);
        }
        Ok(())
    }

    /// What the window has room for goes out at once.
    pub(super) fn owe_what_waits(&mut self, moment: &Moment<'_>, on: usize, history: &History<'_>) {
        // Who is no real client may not read.
        if !history.is_real(on, Direction::ToServer) {
            return;
        }
        let (window, at_once) = (self.numbers.window, self.numbers.at_once);
        let Some(session) = self.carried.get(&on).and_then(|id| self.sessions.get(id)) else { return };
        let room = (session.acked + window).min(session.outcomes.len() as u64);
        for seq in session.cursor..=room {
            if !self.debts.owes(on, OUTCOME, &seq.to_string()) {
                self.debts.decided(moment, at_once, (on, Direction::ToClient), (OUTCOME, seq.to_string()));
            }
        }
    }

    /// The scheduler says that a client has acknowledged an outcome.
    pub(super) fn delivered(
        &mut self,
        moment: &Moment<'_>,
        id: &str,
        event: &LogEvent,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let seq: u64 = event.field("seq").and_then(|seq| seq.parse().ok()).unwrap_or_default();
        let job = event.field("job_id").unwrap_or_default();
        let Some(session) = self.sessions.get_mut(id) else {
            let sentence = format!("{job} was delivered to {id}, which is not known.");
            return Err(broken("a delivery to an unknown session", moment, None, sentence));
        };
        let is_next = seq == session.acked + 1;
        let outcome = session.outcomes.get(session.acked as usize).filter(|outcome| is_next && outcome.job == job);
        let Some(outcome) = outcome else {
            let sentence = format!("{job} was delivered as {seq}, behind {}.", session.acked);
            return Err(broken("outcomes are delivered out of order", moment, None, sentence));
        };
        session.uncertain |= session.connection.is_some_and(|on| history.is_edited(on, moment.at));
        if seq > session.claimed && !session.uncertain {
            let sentence =
                format!("{job} was called delivered, and {id} had acknowledged up to {} only.", session.claimed);
            return Err(broken("delivered without acknowledgement", moment, None, sentence).witness([outcome.place]));
        }
        session.acked = seq;
        session.progress(moment.at);
        let on = session.connection;
        if let Some(on) = on {
            self.taken(on, seq);
            self.owe_what_waits(moment, on, history);
        }
        Ok(())
    }

    /// A result gave way to a failure, because it waited too long or among too many.
    pub(super) fn expired(&mut self, moment: &Moment<'_>, id: &str, event: &LogEvent) -> Result<(), Finding> {
        let seq: usize = event.field("seq").and_then(|seq| seq.parse().ok()).unwrap_or_default();
        let numbers = self.numbers;
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        let is_away = !session.present;
        let among_too_many = session.waiting_results().count() > numbers.results_kept;
        let since = session.changed;
        let outcome = seq.checked_sub(1).and_then(|place| session.outcomes.get_mut(place));
        let Some(outcome) = outcome.filter(|outcome| outcome.name == "result" && !outcome.expired) else {
            return Err(broken("what is no result expires", moment, None, format!("{seq} of {id} expired.")));
        };
        let is_old = moment.at + TICK >= outcome.at.max(since) + numbers.kept;
        if !is_away || !(is_old || among_too_many) {
            let sentence = format!("the result of {} expired before its time.", outcome.job);
            return Err(broken("a result expires early", moment, None, sentence).witness([outcome.place]));
        }
        outcome.expired = true;
        Ok(())
    }

    /// An outcome is on the wire.
    pub(super) fn outcome_said(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        self.said += 1;
        self.debts.pay(on, OUTCOME, &said.seq.to_string());
        let numbers = self.numbers;
        let id = self.carried.get(&on).cloned().unwrap_or_default();
        let is_edited = history.is_edited(on, moment.at);
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.connection == Some(on)) else {
            // What was queued for a connection still leaves when its session has a newer one.
            return Ok(());
        };
        if is_edited || session.opaque || session.uncertain && history.is_touched(on, moment.at) {
            session.cursor = session.cursor.max(said.seq + 1);
            return Ok(());
        }
        if said.seq != session.cursor {
            let sentence =
                format!("outcome {} came on {} where {} was due.", said.seq, history.name(on), session.cursor);
            return Err(broken("a gap in the sequence", moment, None, sentence));
        }
        if said.seq > session.acked + numbers.window {
            let sentence =
                format!("{} is more than {} outcomes ahead of what is acknowledged.", said.seq, numbers.window);
            return Err(broken("more is sent than the window allows", moment, None, sentence));
        }
        session.cursor += 1;
        session.last_data = moment.at;
        session.owed_since.get_or_insert(moment.at);
        let place = (said.seq as usize).checked_sub(1).and_then(|place| session.outcomes.get_mut(place));
        let Some(outcome) = place else {
            return Err(broken("an outcome of no job", moment, None, format!("{} of {id} is none.", said.seq)));
        };
        judge(moment, outcome, said)?;
        let first = outcome.said.get_or_insert_with(|| said.clone()).clone();
        let trace = outcome.trace.clone();
        let submitted = session.submits.get(&said.job_id).cloned();
        repeats(moment, &first, said)?;
        self.is_its_own(moment, said, &trace, submitted.as_ref())
    }

    /// The text is what a node has made of this very job.
    fn is_its_own(
        &self,
        moment: &Moment<'_>,
        said: &Message,
        trace: &str,
        submit: Option<&Message>,
    ) -> Result<(), Finding> {
        if said.kind != "result" {
            return Ok(());
        }
        let job = &said.job_id;
        let wrong = |sentence: String| Err(broken("the text of another job", moment, None, sentence));
        if let Some((of, of_trace)) = self.attempts.get(&said.attempt_id)
            && (of != job || of_trace != trace)
        {
            return wrong(format!("{job} was given the result of {}, which was made for {of}.", said.attempt_id));
        }
        match (self.results.get(&said.attempt_id), submit) {
            (Some(text), _) if *text != said.text => {
                wrong(format!("a node made \"{text}\" of {job}, and its client is told \"{}\".", said.text))
            }
            (_, Some(submit)) if self.numbers.echo && said.text != format!("[{}] {}", submit.tgt_lang, submit.text) => {
                wrong(format!("{job} says \"{}\", and its client is told \"{}\".", submit.text, said.text))
            }
            _ => Ok(()),
        }
    }
}

/// What is said is the outcome that the job had.
fn judge(moment: &Moment<'_>, outcome: &Outcome, said: &Message) -> Result<(), Finding> {
    let name = match (outcome.expired, said.kind.as_str()) {
        (true, _) => "RESULT_EXPIRED",
        (false, _) => outcome.name.as_str(),
    };
    let told = if said.kind == "result" { "result" } else { said.code.as_str() };
    if outcome.job != said.job_id || name != told {
        let sentence = format!("{} ended with {name}, and {} is told {told}.", outcome.job, said.job_id);
        return Err(broken("another outcome than the job had", moment, None, sentence).witness([outcome.place]));
    }
    if said.kind == "job_failed" && said.message.is_empty() {
        return Err(broken("a failure without a word", moment, None, format!("{} failed.", said.job_id)));
    }
    // Failures do not say whether they were sent before.
    let Some(redelivered) = said.redelivered else {
        return if said.kind == "result" {
            Err(broken("a result that does not say whether it comes again", moment, None, said.job_id.clone()))
        } else {
            Ok(())
        };
    };
    let was_said = outcome.said.is_some();
    if redelivered != was_said && (was_said || !outcome.maybe_said) {
        let sentence = format!(
            "{} was {}said before, and is told with redelivered {redelivered}.",
            said.job_id,
            if was_said { "" } else { "not " }
        );
        return Err(broken("redelivered is wrong", moment, None, sentence).witness([outcome.place]));
    }
    Ok(())
}

/// An outcome that comes again is the same.
fn repeats(moment: &Moment<'_>, first: &Message, said: &Message) -> Result<(), Finding> {
    if first.kind != said.kind {
        return Ok(());
    }
    let of = |message: &Message| {
        (message.attempt_id.clone(), message.text.clone(), message.code.clone(), message.message.clone())
    };
    if of(first) == of(said) {
        return Ok(());
    }
    let sentence = format!("outcome {} of {} changed between two deliveries.", said.seq, said.job_id);
    Err(broken("an outcome changes", moment, None, sentence))
}
