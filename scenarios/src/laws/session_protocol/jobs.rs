//! The jobs of one client: offered, sent, acknowledged, and settled once.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::HostName;

use super::broken;
use super::history::Moment;
use super::message::Message;

/// How many connections in a row may be closed over a job before it is refused.
const STRIKES: u32 = 2;

/// The jobs of one client process, in the order in which its user handed them in.
#[derive(Default)]
pub(super) struct Jobs {
    pub(super) all: Vec<Job>,
    places: BTreeMap<String, usize>,
}

/// A job of a client.
pub(super) struct Job {
    pub(super) id: String,
    /// As it was sent first.
    submit: Option<Message>,
    /// The connection on which it was sent latest.
    sent_on: Option<usize>,
    pub(super) acknowledged: bool,
    pub(super) outcome: Option<String>,
    /// Closes in a row over a message, while it was on the wire and not acknowledged.
    strikes: u32,
    /// When it was acknowledged or settled: what was queued before may leave in the same instant.
    pub(super) changed: Duration,
    place: usize,
}

impl Jobs {
    pub(super) fn offered(&mut self, moment: &Moment<'_>, id: &str) {
        self.places.insert(id.to_owned(), self.all.len());
        let (place, id) = (moment.place, id.to_owned());
        self.all.push(Job {
            id,
            submit: None,
            sent_on: None,
            acknowledged: false,
            outcome: None,
            strikes: 0,
            changed: moment.at,
            place,
        });
    }

    pub(super) fn find(&mut self, id: &str) -> Option<&mut Job> {
        self.places.get(id).and_then(|place| self.all.get_mut(*place))
    }

    /// A connection on which a session was up is lost; `is_blamed` if the scheduler closed it over a message.
    pub(super) fn lost(&mut self, on: usize, is_blamed: bool) {
        for job in &mut self.all {
            let was_in_flight = job.sent_on == Some(on) && !job.acknowledged && job.outcome.is_none();
            job.strikes = if is_blamed && was_in_flight { job.strikes + 1 } else { 0 };
        }
    }

    /// A submit is on the wire while one of its kind is under suspicion, or something of it is changed on the way.
    ///
    /// # Errors
    /// If connections were closed over it as often as they may be.
    pub(super) fn sent(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        client: &HostName,
    ) -> Result<(), Finding> {
        let Some(job) = self.find(&said.job_id) else { return Ok(()) };
        job.sent_on = Some(on);
        if job.strikes < STRIKES {
            return Ok(());
        }
        let sentence = format!(
            "{} was on {} connections that were closed over a message, and is sent again.",
            job.id, job.strikes
        );
        Err(broken("a job that was blamed is sent again", moment, Some(client), sentence))
    }

    /// A submit is on the wire.
    ///
    /// # Errors
    /// If it should not be, or says something else than before.
    pub(super) fn submitted(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        client: &HostName,
    ) -> Result<(), Finding> {
        let refused = |clause, sentence: String| Err(broken(clause, moment, Some(client), sentence));
        let Some(place) = self.places.get(&said.job_id).copied() else {
            return refused("a submit of no job", format!("{} was never offered.", said.job_id));
        };
        let earlier = self.all[..place].iter().filter(|job| job.outcome.is_none() && !job.acknowledged);
        let overtaken = earlier.into_iter().find(|job| job.sent_on != Some(on)).map(|job| job.id.clone());
        let job = &mut self.all[place];
        if said.utterance_index != place as u64 {
            let sentence = format!("{} is utterance {place}, and was sent as {}.", job.id, said.utterance_index);
            return refused("an utterance out of its place", sentence);
        }
        let is_settled = (job.outcome.is_some() || job.acknowledged) && job.changed < moment.at;
        if is_settled || job.sent_on == Some(on) {
            let sentence = format!("{} was sent again, and there was no need.", job.id);
            return refused("a submit that is not needed", sentence);
        }
        if let Some(overtaken) = overtaken {
            return refused("submits out of order", format!("{} was sent before {overtaken}.", said.job_id));
        }
        job.sent_on = Some(on);
        match &job.submit {
            Some(first) if first != said => {
                refused("a submit changes", format!("{} was sent with another content than before.", job.id))
            }
            Some(_) => Ok(()),
            None => {
                job.submit = Some(said.clone());
                Ok(())
            }
        }
    }

    /// A job is settled.
    ///
    /// # Errors
    /// If it is no open job.
    pub(super) fn settled(
        &mut self,
        moment: &Moment<'_>,
        id: &str,
        outcome: &str,
        client: &HostName,
    ) -> Result<(), Finding> {
        match self.find(id) {
            Some(Job { outcome: None, .. }) => {}
            Some(Job { place, .. }) => {
                let finding = broken("two outcomes of one job", moment, Some(client), format!("{id} had its outcome."));
                return Err(finding.witness([*place]));
            }
            None => {
                return Err(broken("an outcome of no job", moment, Some(client), format!("{id} was never offered.")));
            }
        }
        if let Some(job) = self.find(id) {
            (job.outcome, job.changed) = (Some(outcome.to_owned()), moment.at);
        }
        Ok(())
    }
}
