//! For how long the scheduler keeps what: an idle connection, one that does not acknowledge, a session that is away, and its results.

use std::time::Duration;

use halfopen::check::Finding;

use super::SessionProtocol;
use super::sessions::{Outcome, Session, Sessions};

impl Sessions<'_> {
    /// What should have ended before now.
    pub(super) fn overdue(&self, now: Duration) -> Result<(), Finding> {
        let numbers = self.numbers;
        let slack = numbers.on_the_way;
        if let Some((id, at, place)) = &self.replaced
            && *at < now
        {
            let sentence = format!("{id} lost its connection to a newer one, and has none.");
            return Err(Finding::new("replaced by none", sentence).witness([*place]));
        }
        for (id, session) in &self.sessions {
            let idle = session.last_data.max(session.changed) + numbers.idle;
            let late = if session.present {
                if session.owed_since.is_some_and(|since| since + numbers.ack + slack < now) {
                    Some("a client that does not acknowledge is kept")
                } else {
                    (session.is_idle() && idle + slack < now).then_some("an idle session is kept")
                }
            } else {
                (session.changed + numbers.forget + slack < now).then_some("a session is not forgotten")
            };
            if let Some(clause) = late {
                return Err(Finding::new(clause, format!("{id}: {clause}.")).witness([session.place]));
            }
            session.kept_too_long(id, numbers, now)?;
        }
        Ok(())
    }
}

impl Session {
    /// Results that wait for it and have not expired.
    pub(super) fn waiting_results(&self) -> impl Iterator<Item = &Outcome> {
        let waiting = self.outcomes.iter().skip(self.acked as usize);
        waiting.filter(|outcome| outcome.name == "result" && !outcome.expired)
    }

    fn kept_too_long(&self, id: &str, numbers: &SessionProtocol, now: Duration) -> Result<(), Finding> {
        if self.present {
            return Ok(());
        }
        let bound = numbers.kept + numbers.on_the_way;
        let late = self.waiting_results().find(|outcome| outcome.at.max(self.changed) + bound < now);
        let too_many = self.waiting_results().count() > numbers.results_kept;
        let latest = self.outcomes.last().map_or(Duration::ZERO, |outcome| outcome.at).max(self.changed);
        if let Some(outcome) = late {
            let sentence = format!("the result of {} is kept for {id} longer than results are.", outcome.job);
            return Err(Finding::new("a result is kept too long", sentence).witness([outcome.place]));
        }
        if too_many && latest < now {
            return Err(Finding::new("too many results are kept", format!("{id} is away.")).witness([self.place]));
        }
        Ok(())
    }
}
