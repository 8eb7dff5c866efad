//! Who is taken for whom: what a client claims to be when it comes, and what it is told.

use halfopen::check::Finding;

use super::broken;
use super::history::{History, Moment};
use super::message::{Message, Resume};
use super::sessions::Sessions;

/// What a client's wish to have its session again is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// The session is known, and the token is its own.
    Right,
    /// The token is another's.
    Forged { of_a_present: bool },
    /// No session of that name is known in this epoch.
    Void,
    /// What its token is was not to be seen.
    Unknown,
}

impl Sessions<'_> {
    /// What a client's wish to have its session again is worth.
    fn claim(&self, asked: &Resume, epoch: &str) -> Claim {
        let session = self.sessions.get(&asked.session_id).filter(|session| !session.leaving);
        let Some(session) = session.filter(|_| asked.epoch == epoch) else { return Claim::Void };
        match &session.token {
            None => Claim::Unknown,
            Some(token) if *token == asked.token => Claim::Right,
            Some(_) => Claim::Forged { of_a_present: session.connection.is_some() },
        }
    }

    /// A client is told that its token is wrong.
    pub(super) fn token_refused(&self, moment: &Moment<'_>, on: usize, history: &History<'_>) -> Result<(), Finding> {
        let asked = self.resumes.get(&on).and_then(Option::as_ref);
        let epoch = self.epoch.clone().unwrap_or_default();
        let is_right = asked.is_none_or(|asked| self.claim(asked, &epoch) == Claim::Right);
        if !is_right || history.is_edited(on, moment.at) {
            return Ok(());
        }
        let sentence = format!("{} was closed for a wrong token, and showed none that is.", history.name(on));
        Err(broken("a right token is refused", moment, None, sentence))
    }

    /// A client is told who it is.
    pub(super) fn greeted(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        self.debts.pay(on, "the answer to a greeting is late", "");
        if history.is_edited(on, moment.at) && self.carried.contains_key(&on) {
            return Ok(());
        }
        let asked = self.resumes.get(&on).cloned().flatten();
        let is_new_epoch = self.epoch.is_none() && !self.epochs.contains(&said.epoch);
        let is_same_epoch = self.epoch.as_ref() == Some(&said.epoch);
        self.epoch.get_or_insert_with(|| said.epoch.clone());
        let refused = |clause, sentence: String| Err(broken(clause, moment, None, sentence));
        if !is_new_epoch && !is_same_epoch {
            return refused("an epoch is not its process's", format!("{} is another process's epoch.", said.epoch));
        }
        let claim = asked.as_ref().map(|asked| self.claim(asked, &said.epoch));
        let is_it = asked.as_ref().is_some_and(|asked| asked.session_id == said.session_id);
        let resumed = said.resumed == Some(true);
        if claim == Some(Claim::Forged { of_a_present: true }) {
            let sentence = format!("{} was claimed with another's token.", history.name(on));
            return refused("a wrong token is not refused", sentence);
        }
        let is_taken_in = resumed && (!is_it || !matches!(claim, Some(Claim::Right | Claim::Unknown)));
        if (claim == Some(Claim::Right) && !resumed) || is_taken_in {
            return refused(
                "a client is taken for another",
                format!("{} is not what was asked for on {}.", said.session_id, history.name(on)),
            );
        }
        let Some(session) = self.sessions.get_mut(&said.session_id).filter(|session| session.connection.is_none())
        else {
            return refused(
                "a session is told that is not connected",
                format!("{} is told on {}.", said.session_id, history.name(on)),
            );
        };
        if !session.present {
            // It was lost again before its answer had left.
            return Ok(());
        }
        let is_news = session.token.is_none() && self.tokens.insert(said.token.clone());
        if !is_news && session.token.as_ref() != Some(&said.token) {
            return refused(
                "a token is another's",
                format!("{} has two tokens, or one that is not its own.", said.session_id),
            );
        }
        session.token = Some(said.token.clone());
        session.connection = Some(on);
        self.carried.insert(on, said.session_id.clone());
        if said.next_seq != session.cursor || (!resumed && said.next_seq != 1) {
            let sentence = format!("{} goes on at {}, not at {}.", said.session_id, session.cursor, said.next_seq);
            return refused("a session goes on at the wrong place", sentence);
        }
        self.owe_what_waits(moment, on, history);
        Ok(())
    }
}
