//! What a client says, and tells its user.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, HostName};
use halfopen::trace::LogEvent;

use super::debts::Debts;
use super::history::{History, Moment, What};
use super::jobs::Jobs;
use super::message::Message;
use super::{Rule, SessionProtocol, TICK, begins_or_ends_a_life, broken};

/// The models of all clients.
pub(super) struct Clients<'a> {
    numbers: &'a SessionProtocol,
    clients: BTreeMap<HostName, Client>,
    debts: Debts,
}

/// One client process.
#[derive(Default)]
struct Client {
    jobs: Jobs,
    /// The session that it presents when it comes back, as it was told of it.
    session: Option<Message>,
    /// The same of the latest answer on the wire, on this connection.
    told: Option<(usize, Message)>,
    /// The connection on which it is ready.
    ready: Option<usize>,
    /// Outcomes of this session that were on the wire without a gap.
    received: u64,
    /// What was on the wire, by `seq`.
    outcomes: BTreeMap<u64, Message>,
    /// Outcomes of all sessions, by job.
    by_job: BTreeMap<String, Message>,
    /// What it has settled of this session.
    settled: u64,
    acked: u64,
    /// It cannot be known what it has received of this session.
    uncertain: bool,
    /// The scheduler has blamed its messages in a row this often.
    blamed: u32,
    said_close: Option<(Duration, usize)>,
    /// It has said on this connection that it leaves.
    left: bool,
    /// Its session was taken away: the next greeting asks for none.
    orphaned: bool,
    is_final: bool,
    /// It was told that a newer connection has its session.
    taken_over: bool,
    /// When a job was settled as unknown, and where.
    gave_up: Option<(Duration, usize)>,
}

const SUBMIT: &str = "a submit is late";
const ACK: &str = "an acknowledgement is late";
const NEWS: &str = "a client takes no notice";

impl<'a> Clients<'a> {
    pub(super) fn new(numbers: &'a SessionProtocol) -> Self {
        Self { numbers, clients: BTreeMap::new(), debts: Debts::default() }
    }

    fn logged(&mut self, moment: &Moment<'_>, host: &HostName, event: &LogEvent) -> Result<(), Finding> {
        let (numbers, debts) = (self.numbers, &mut self.debts);
        let client = self.clients.entry(host.clone()).or_default();
        let job = event.field("job_id").unwrap_or_default();
        match event.message.as_str() {
            "job offered" => {
                client.jobs.offered(moment, job);
                if let Some(on) = client.ready.filter(|_| client.blamed == 0 && client.said_close.is_none()) {
                    let what = (SUBMIT, job.to_owned());
                    debts.decided(moment, numbers.at_once, (on, Direction::ToServer), what);
                }
                Ok(())
            }
            "session ready" => client.is_ready(moment, host, event, debts, numbers),
            "submit acknowledged" => {
                if let Some(on) = client.ready {
                    debts.pay(on, NEWS, job);
                }
                if let Some(job) = client.jobs.find(job) {
                    (job.acknowledged, job.changed) = (true, moment.at);
                }
                Ok(())
            }
            "outcome received" => client.settles(moment, host, event, debts, numbers),
            "session lost" => {
                let code: u16 = event.field("close_code").and_then(|code| code.parse().ok()).unwrap_or_default();
                let by_peer = event.field("by") == Some("peer");
                client.waits_for_its_jobs(moment, host, event, numbers)?;
                client.blamed =
                    if by_peer && matches!(code, 1003 | 1007 | 1008 | 1009) { client.blamed + 1 } else { 0 };
                if let Some(on) = client.ready {
                    client.jobs.lost(on, client.blamed > 0);
                }
                client.orphaned |= event.field("by") == Some("us") && code == 1008;
                if (by_peer, code) == (true, 4003) {
                    (client.session, client.orphaned) = (None, false);
                }
                if (by_peer, code) == (true, 4001) {
                    client.taken_over = true;
                }
                client.ready = None;
                Ok(())
            }
            "replaced" | "gave up" | "refused" | "closed" => {
                (client.is_final, client.gave_up, client.said_close) = (true, None, None);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn attempted(&self, moment: &Moment<'_>, on: usize, history: &History<'_>) -> Result<(), Finding> {
        let host = history.client(on);
        match self.clients.get(host) {
            Some(client) if client.is_final || client.taken_over => {
                let sentence = format!("{host} had closed for good, and connects again.");
                Err(broken("a client that has ended connects", moment, Some(host), sentence))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn says(&mut self, moment: &Moment<'_>, on: usize, said: &Message, history: &History<'_>) -> Result<(), Finding> {
        let host = history.client(on);
        let debts = &mut self.debts;
        let client = self.clients.entry(host.clone()).or_default();
        client.uncertain |= history.is_edited(on, moment.at);
        match said.kind.as_str() {
            "session_init" => client.greets(moment, host, said),
            "submit" => {
                debts.pay(on, SUBMIT, &said.job_id);
                if client.blamed > 0 || history.is_touched(on, moment.at) {
                    return client.jobs.sent(moment, on, said, host);
                }
                client.jobs.submitted(moment, on, said, host)
            }
            "ack" => {
                debts.pay_all(on, ACK, |seq| seq.parse::<u64>().is_ok_and(|seq| seq <= said.upto_seq));
                let is_known = said.upto_seq >= client.acked && said.upto_seq <= client.received;
                client.acked = client.acked.max(said.upto_seq);
                if is_known || client.uncertain {
                    return Ok(());
                }
                let sentence = format!("{host} acknowledges {}, and has {}.", said.upto_seq, client.received);
                Err(broken("an acknowledgement of what was not received", moment, Some(host), sentence))
            }
            "session_close" => {
                client.left = true;
                if !client.is_final {
                    client.said_close = Some((moment.at, moment.place));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn hears(&mut self, moment: &Moment<'_>, on: usize, said: &Message, history: &History<'_>) {
        let (numbers, debts) = (self.numbers, &mut self.debts);
        let own = (on, Direction::ToServer);
        let client = self.clients.entry(history.client(on).clone()).or_default();
        client.uncertain |= history.is_edited(on, moment.at);
        match said.kind.as_str() {
            "session_init_ack" => {
                client.told = Some((on, said.clone()));
                if said.resumed != Some(true) {
                    client.begins_anew(said);
                }
                debts.told(moment, numbers.on_the_way, own, (NEWS, "session_init_ack".to_owned()));
            }
            "submit_ack" => {
                let is_news =
                    client.jobs.find(&said.job_id).is_some_and(|job| job.outcome.is_none() && !job.acknowledged);
                // An outcome that is held back for an earlier one is there all the same.
                let is_news = is_news && !client.by_job.contains_key(&said.job_id);
                if is_news && client.ready == Some(on) {
                    debts.told(moment, numbers.on_the_way, own, (NEWS, said.job_id.clone()));
                }
            }
            "session_close" => client.orphaned = true,
            _ if said.is_outcome() => {
                if said.seq == client.received + 1 {
                    client.received = said.seq;
                }
                client.outcomes.insert(said.seq, said.clone());
                client.by_job.insert(said.job_id.clone(), said.clone());
                if said.seq <= client.received {
                    debts.told(moment, numbers.on_the_way, own, (ACK, said.seq.to_string()));
                }
            }
            _ => {}
        }
    }

    fn close(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        code: Option<u16>,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let host = history.client(on);
        let client = self.clients.entry(host.clone()).or_default();
        let was_first = history.over(on) >= moment.at && !history.is_touched(on, moment.at);
        if code == Some(1000) && was_first && client.ready == Some(on) && client.said_close.is_none() && !client.left {
            let sentence = format!("{host} left without closing its session.");
            return Err(broken("a client leaves without a word", moment, Some(host), sentence));
        }
        self.debts.goodbye(moment, on, Direction::ToServer, history)
    }

    /// What a user was told is what was on the wire.
    fn heard(&self, moment: &Moment<'_>, host: &HostName, event: &LogEvent) -> Result<(), Finding> {
        let (job, text) = (event.field("job_id").unwrap_or_default(), event.field("text").unwrap_or_default());
        match self.clients.get(host).and_then(|client| client.by_job.get(job)) {
            Some(said) if said.text != text => {
                let sentence = format!("{host} was told \"{text}\" for {job}, and the wire says \"{}\".", said.text);
                Err(broken("a user is told another text", moment, Some(host), sentence))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Client {
    fn begins_anew(&mut self, said: &Message) {
        self.outcomes.clear();
        self.uncertain = false;
        self.received = said.next_seq.saturating_sub(1);
        (self.acked, self.settled) = (self.received, self.received);
    }

    /// It comes back as who it was, and says what it has.
    fn greets(&mut self, moment: &Moment<'_>, host: &HostName, said: &Message) -> Result<(), Finding> {
        let asked = said.resume.as_ref();
        let known = self.session.as_ref().filter(|_| !self.orphaned);
        let is_it = match (asked, known) {
            (Some(asked), Some(known)) => {
                (&asked.session_id, &asked.token, &asked.epoch) == (&known.session_id, &known.token, &known.epoch)
            }
            (None, None) => true,
            // The message that took its session away may not have arrived.
            (Some(_), None) => self.orphaned,
            (None, Some(_)) => false,
        };
        if !is_it {
            let sentence =
                format!("{host} asks for {asked:?}, and was told {:?}.", known.map(|known| &known.session_id));
            return Err(broken("a client does not come back as who it was", moment, Some(host), sentence));
        }
        let last = asked.map_or(0, |asked| asked.last_seq);
        let (least, most) = (self.acked.max(self.settled), self.received);
        if asked.is_some() && !self.uncertain && (last < least || last > most) {
            let sentence = format!(
                "{host} says that it has everything up to {last}; it has settled {least}, and was sent {most}."
            );
            return Err(broken("a client asks to go on at the wrong place", moment, Some(host), sentence));
        }
        Ok(())
    }

    /// A client that leaves by itself has been told what became of its jobs, or has waited for it.
    fn waits_for_its_jobs(
        &self,
        moment: &Moment<'_>,
        host: &HostName,
        event: &LogEvent,
        numbers: &SessionProtocol,
    ) -> Result<(), Finding> {
        let waits = self.said_close.is_some_and(|(at, _)| moment.at + TICK < at + numbers.close);
        let leaves = (event.field("by"), event.field("close_code")) == (Some("us"), Some("1000"));
        match self.jobs.all.iter().find(|job| job.outcome.is_none()) {
            Some(job) if leaves && waits => {
                let sentence = format!("{host} leaves, and does not wait for what becomes of {}.", job.id);
                Err(broken("a client that leaves does not wait", moment, Some(host), sentence))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A session is up: what may not have arrived is sent again.
    fn is_ready(
        &mut self,
        moment: &Moment<'_>,
        host: &HostName,
        event: &LogEvent,
        debts: &mut Debts,
        numbers: &SessionProtocol,
    ) -> Result<(), Finding> {
        let resumed = event.field("resumed") == Some("true");
        let Some((on, told)) = self.told.clone() else {
            return Err(broken(
                "a session is up that is none",
                moment,
                Some(host),
                format!("{host} was told of none."),
            ));
        };
        debts.pay(on, NEWS, "session_init_ack");
        if event.field("session_id") != Some(told.session_id.as_str()) || told.resumed != Some(resumed) {
            let sentence = format!("{host} was told of {}, and says {:?}.", told.session_id, event.field("session_id"));
            return Err(broken("a client takes its session for another", moment, Some(host), sentence));
        }
        self.session = Some(told);
        (self.ready, self.orphaned) = (Some(on), false);
        for job in &mut self.jobs.all {
            job.acknowledged &= resumed;
            if job.outcome.is_none() && !job.acknowledged && self.blamed == 0 {
                debts.decided(moment, numbers.at_once, (on, Direction::ToServer), (SUBMIT, job.id.clone()));
            }
        }
        Ok(())
    }

    /// A job has its outcome: the one that was on the wire, or none because the client ends.
    fn settles(
        &mut self,
        moment: &Moment<'_>,
        host: &HostName,
        event: &LogEvent,
        debts: &mut Debts,
        numbers: &SessionProtocol,
    ) -> Result<(), Finding> {
        let id = event.field("job_id").unwrap_or_default();
        let name = event.field("outcome").unwrap_or_default();
        let seq: u64 = event.field("seq").and_then(|seq| seq.parse().ok()).unwrap_or_default();
        self.ready.into_iter().for_each(|on| {
            debts.pay(on, SUBMIT, id);
            debts.pay(on, NEWS, id);
        });
        self.jobs.settled(moment, id, name, host)?;
        if seq == 0 {
            let is_right = match name {
                "UNKNOWN" => {
                    self.gave_up.get_or_insert((moment.at, moment.place));
                    true
                }
                "REJECTED" => self.blamed > 0,
                _ => false,
            };
            let sentence = format!("{id} was settled as {name} by {host} alone.");
            return if is_right {
                Ok(())
            } else {
                Err(broken("an outcome of the client's own", moment, Some(host), sentence))
            };
        }
        if let Some(on) = self.ready.filter(|_| seq > self.acked) {
            debts.decided(moment, numbers.at_once, (on, Direction::ToServer), (ACK, seq.to_string()));
        }
        self.settled = self.settled.max(seq);
        let said = self.outcomes.get(&seq).or_else(|| self.by_job.get(id));
        let told = said.map(|said| if said.kind == "result" { "result" } else { said.code.as_str() });
        if self.uncertain || said.is_some_and(|said| said.job_id == id) && told == Some(name) {
            return Ok(());
        }
        let sentence = format!("{host} settled {id} with {name} as {seq}, and the wire says {told:?}.");
        Err(broken("another outcome than was sent", moment, Some(host), sentence))
    }
}

impl Rule for Clients<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        let is_real = |on: &usize| history.is_real(*on, Direction::ToServer);
        match &moment.what {
            What::Process(host, event) if begins_or_ends_a_life(event) => {
                self.clients.remove(*host);
                Ok(())
            }
            What::Client(host, event) => self.logged(moment, host, event),
            What::User(host, event) => self.heard(moment, host, event),
            What::Attempted(on) if is_real(on) => self.attempted(moment, *on, history),
            What::Said(on, Direction::ToServer, said) if is_real(on) => self.says(moment, *on, said, history),
            What::Said(on, Direction::ToClient, said) if is_real(on) => {
                self.hears(moment, *on, said, history);
                Ok(())
            }
            What::Unread(on, _) => {
                self.clients.entry(history.client(*on).clone()).or_default().uncertain = true;
                Ok(())
            }
            What::Close(on, Direction::ToServer, code, _) if is_real(on) => self.close(moment, *on, *code, history),
            What::Close(on, Direction::ToClient, Some(4003), _) => {
                self.clients.entry(history.client(*on).clone()).or_default().orphaned = true;
                Ok(())
            }
            What::Process(..)
            | What::Scheduler(_)
            | What::Attempted(_)
            | What::Upgraded(_)
            | What::Said(..)
            | What::Close(..)
            | What::Ping(..)
            | What::Pong(..)
            | What::Closed(..)
            | What::Result(_) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        let bound = self.numbers.close + self.numbers.on_the_way;
        for (host, client) in &self.clients {
            if let Some((_, place)) = client.said_close.filter(|(at, _)| *at + bound < now) {
                let sentence = format!("{host} has closed its session, and {bound:?} later it still waits.");
                return Err(Finding::new("a client that leaves does not go", sentence)
                    .witness([place])
                    .role(Some(host)));
            }
            if let Some((at, place)) = client.gave_up
                && at + TICK < now
            {
                let sentence = format!("{host} gave jobs up, and goes on.");
                return Err(Finding::new("jobs are given up by a client that goes on", sentence).witness([place]));
            }
        }
        self.debts.collect(history, now)
    }
}
