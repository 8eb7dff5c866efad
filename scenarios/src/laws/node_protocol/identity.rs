//! Who a node is: it registers first, is recognised by what it was given, and has one connection at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, HostName};
use halfopen::trace::{LogEvent, ProcessEvent};

use super::debts::Debts;
use super::history::{History, Moment, What};
use super::message::Message;
use super::{NodeProtocol, Rule, TICK, begins_or_ends_a_life, broken};

/// What the old connection of a node that registers again is closed with, and a node that is silent.
const REPLACED: u16 = 4001;
/// What a connection is closed with on which no node registers.
const NO_HELLO: u16 = 4008;
const INTERNAL: &str = "1011";

pub(super) struct Identity<'a> {
    numbers: &'a NodeProtocol,
    pub(super) registrations: usize,
    debts: Debts,
    /// What the scheduler has answered, by connection.
    connections: BTreeMap<usize, Hello>,
    /// What this life of the scheduler has given out.
    given: BTreeMap<String, Given>,
    epoch: Option<String>,
    /// Epochs of lives that are over.
    past: BTreeSet<String>,
    /// What each node believes to be: the latest answer that it has taken.
    believed: BTreeMap<HostName, (String, String)>,
    capacities: BTreeMap<HostName, usize>,
    leaving: Vec<Leaving>,
    /// Connections that have said nothing since their upgrade.
    unsaid: BTreeMap<usize, Duration>,
}

/// How far the hello of a connection has come.
#[derive(Default)]
struct Hello {
    asked: Option<Message>,
    /// The identity that was given.
    answered: Option<(String, String)>,
    heard: Option<Duration>,
}

/// What a connection is closed with that shows another token than the node was given.
const WRONG_TOKEN: u16 = 4003;

/// An identity in this life of the scheduler.
struct Given {
    token: String,
    /// The generation of its connection and the connection itself, if it has one.
    present: Option<(u64, Option<usize>)>,
    generation: u64,
    lost_at: Duration,
    /// When it was lost before its present connection; none, if that replaced another.
    lost_before: Option<Duration>,
}

impl Given {
    /// Whether it has a connection whose registration was answered.
    fn is_there(&self) -> bool {
        self.present.is_some_and(|(_, connection)| connection.is_some())
    }
}

impl<'a> Identity<'a> {
    pub(super) fn new(numbers: &'a NodeProtocol) -> Self {
        Self {
            numbers,
            registrations: 0,
            debts: Debts::default(),
            connections: BTreeMap::new(),
            given: BTreeMap::new(),
            epoch: None,
            past: BTreeSet::new(),
            believed: BTreeMap::new(),
            capacities: BTreeMap::new(),
            leaving: Vec::new(),
            unsaid: BTreeMap::new(),
        }
    }

    fn process(&mut self, host: &HostName, event: &ProcessEvent, history: &History<'_>) {
        if !begins_or_ends_a_life(event) {
            return;
        }
        self.believed.remove(host);
        self.capacities.remove(host);
        if history.is_scheduler(host) {
            self.past.extend(self.epoch.take());
            self.given.clear();
            self.leaving.clear();
        }
    }

    fn message_to_scheduler(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let first = self.connections.entry(on).or_default();
        first.heard = Some(moment.at);
        self.unsaid.remove(&on);
        self.debts.pay(on, "node_register", "");
        if said.kind != "node_register" {
            if first.asked.is_none() {
                let sentence = format!(
                    "{} said {} on {} before it had registered.",
                    history.node(on),
                    said.kind,
                    history.name(on)
                );
                return Err(broken("speaks before it registers", moment, sentence));
            }
            return Ok(());
        }
        if first.asked.replace(said.clone()).is_some() {
            return Ok(());
        }
        self.debts.owe(moment, self.numbers.on_the_way, on, "an answer to node_register", "");
        let node = history.node(on);
        if !history.is_real(node) {
            return Ok(());
        }
        let shown = said.node_id.clone().zip(said.token.clone());
        let believed = self.believed.get(node);
        if shown.as_ref() != believed {
            let sentence = format!(
                "{node} registered on {} as {}, and was {} before.",
                history.name(on),
                shown.map_or("a new node".to_owned(), |(id, _)| id),
                believed.map_or("no node", |(id, _)| id)
            );
            return Err(broken("forgets who it is", moment, sentence).role(Some(node)));
        }
        let capacity = said.capacity.unwrap_or_default();
        if *self.capacities.entry(node.clone()).or_insert(capacity) != capacity {
            return Err(broken(
                "changes its capacity",
                moment,
                format!("{node} registered with a capacity of {capacity}."),
            ));
        }
        Ok(())
    }

    fn answered(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        said: &Message,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let hello = self.connections.entry(on).or_default();
        let (Some(asked), None) = (&hello.asked, &hello.answered) else {
            let sentence = format!("node_register_ack came on {} and was not asked for.", history.name(on));
            return Err(broken("answers what was not asked", moment, sentence));
        };
        self.debts.pay(on, "an answer to node_register", "");
        let (Some(id), Some(token), Some(epoch)) = (&said.node_id, &said.token, &said.epoch) else {
            return Err(broken(
                "gives no identity",
                moment,
                "node_register_ack names no node_id, token or epoch.".to_owned(),
            ));
        };
        hello.answered = Some((id.clone(), token.clone()));
        if let Some(claimed) = asked.node_id.as_ref().filter(|claimed| self.given.contains_key(*claimed)) {
            let given = &self.given[claimed];
            let forged = !given.token.is_empty() && asked.token.as_ref() != Some(&given.token);
            if forged && (given.is_there() || claimed == id) {
                let sentence = format!("{} named {claimed}, with another token than was given.", history.name(on));
                return Err(broken("takes a wrong token", moment, sentence));
            }
        }
        if self.past.contains(epoch) || self.epoch.get_or_insert_with(|| epoch.clone()) != epoch || epoch.is_empty() {
            return Err(broken(
                "epoch",
                moment,
                format!("the epoch {epoch} is not that of this life of the scheduler."),
            ));
        }
        let lost_at = |given: &Given| given.lost_before.unwrap_or(given.lost_at);
        let recognised = asked.node_id.as_ref().zip(asked.token.as_ref()).filter(|(id, token)| {
            self.given.get(*id).is_some_and(|given| {
                let kept = moment.at < lost_at(given) + self.numbers.forget;
                given.token == **token && kept
            })
        });
        if let Some((asked_id, asked_token)) = recognised
            && (asked_id, asked_token) != (id, token)
        {
            let sentence = format!("a node that showed the token of {asked_id} was called {id}.");
            return Err(broken("does not recognise a node", moment, sentence));
        }
        let taken_up =
            recognised.is_none() && asked.node_id.as_ref() == Some(id) && asked.token.as_ref() == Some(token);
        if taken_up && self.given.get(id).is_some_and(|given| given.generation > 1) {
            let sentence = format!("{id} was away for longer than identities are kept, and is known.");
            return Err(broken("recognises a node that is forgotten", moment, sentence));
        }
        if recognised.is_none() && token.len() < 16 {
            return Err(broken("gives no secret", moment, format!("the token of {id} can be guessed.")));
        }
        let given = self.given.get_mut(id).filter(|given| given.token == *token);
        match given {
            Some(given) => {
                if let Some((_, connection)) = &mut given.present {
                    *connection = Some(on);
                }
                Ok(())
            }
            None => Err(broken(
                "says nothing of a registration",
                moment,
                format!("no log line tells that {id} has registered."),
            )),
        }
    }

    /// A node is told that its token is wrong.
    fn token_refused(&self, moment: &Moment<'_>, on: usize, history: &History<'_>) -> Result<(), Finding> {
        let asked = self.connections.get(&on).and_then(|hello| hello.asked.as_ref());
        let shown = asked.and_then(|asked| asked.node_id.as_ref().zip(asked.token.as_ref()));
        let is_right = shown.is_none_or(|(id, token)| self.given.get(id).is_some_and(|given| given.token == *token));
        if !is_right || history.is_disturbed(on, Duration::ZERO, moment.at) {
            return Ok(());
        }
        let sentence = format!("{} was closed for a wrong token, and showed none that is.", history.name(on));
        Err(broken("refuses a right token", moment, sentence))
    }

    fn registered(&mut self, moment: &Moment<'_>, event: &LogEvent, history: &History<'_>) -> Result<(), Finding> {
        self.registrations += 1;
        let id = event.field("node_id").unwrap_or_default();
        let generation = event.field("generation").and_then(|text| text.parse().ok()).unwrap_or(0);
        let answer = history.answer_to(moment, id);
        let given = self.given.entry(id.to_owned()).or_insert_with(|| Given {
            token: answer.as_ref().map(|(_, token)| token.clone()).unwrap_or_default(),
            present: None,
            generation: 0,
            lost_at: moment.at,
            lost_before: None,
        });
        given.lost_before = Some(given.lost_at);
        if moment.at >= given.lost_at + self.numbers.forget && given.present.is_none() {
            given.generation = 0;
        }
        if given.token.is_empty() {
            given.token = answer.map(|(_, token)| token).unwrap_or_default();
        }
        if given.present.is_some() {
            let sentence = format!("{id} registered again, and its old connection was not given up.");
            return Err(broken("keeps the old connection of a node", moment, sentence));
        }
        if generation <= given.generation {
            let sentence = format!("generation {generation} of {id} follows generation {}.", given.generation);
            return Err(broken("generation", moment, sentence));
        }
        given.generation = generation;
        given.present = Some((generation, None));
        Ok(())
    }

    fn lost(&mut self, moment: &Moment<'_>, event: &LogEvent, history: &History<'_>) -> Result<(), Finding> {
        let id = event.field("node_id").unwrap_or_default();
        let present = self.given.get_mut(id).and_then(|given| given.present.take().map(|present| (given, present)));
        let Some((given, (generation, connection))) = present else {
            return Err(broken(
                "loses a node that is not there",
                moment,
                format!("{id} was lost, and was not present."),
            ));
        };
        given.lost_at = moment.at;
        if event.field("generation").is_none_or(|lost| lost != generation.to_string()) {
            let sentence =
                format!("the end of an old connection of {id} took its connection of generation {generation}.");
            return Err(broken("generation", moment, sentence));
        }
        let Some(on) = connection else { return Ok(()) };
        let heard = self.connections.get(&on).and_then(|hello| hello.heard);
        let silent_for = heard.map(|heard| moment.at.saturating_sub(heard));
        let by_silence = event.has("by", "timeout") && event.has("close_code", INTERNAL);
        let certain = !history.is_disturbed(on, Duration::ZERO, moment.at);
        if certain && by_silence && silent_for.is_some_and(|silent| silent + TICK < self.numbers.node_timeout) {
            let sentence =
                format!("{id} was declared dead {:?} after its last message.", silent_for.unwrap_or_default());
            return Err(broken("declares a node dead too early", moment, sentence));
        }
        if event.has("close_code", "4001") {
            self.debts.owe(moment, self.numbers.on_the_way, on, "a Close with 4001 to the old connection", "");
        }
        Ok(())
    }

    /// The end of a node's connection is known at once, and its silence after a while.
    fn notices_losses(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        let (due, open) = std::mem::take(&mut self.leaving).into_iter().partition(|leaving: &Leaving| leaving.by < now);
        self.leaving = open;
        for Leaving { by, on, place } in due {
            let still = self.present_on(on).filter(|_| !history.is_disturbed(on, by - self.numbers.on_the_way, by));
            if let Some(id) = still {
                let sentence = format!("{id} has left {}, and was still registered afterwards.", history.name(on));
                return Err(Finding::new("keeps a node that has left", sentence).witness([place]));
            }
        }
        for (on, since) in &self.unsaid {
            let by = *since + self.numbers.hello + self.numbers.on_the_way;
            if by < now && history.is_clear(*on, *since, by) {
                let sentence =
                    format!("no node has registered on {} since {since:?}, and it is open.", history.name(*on));
                return Err(Finding::new("waits too long for the registration", sentence));
            }
        }
        for (id, given) in &self.given {
            let Some((_, Some(on))) = given.present else { continue };
            let Some(heard) = self.connections.get(&on).and_then(|hello| hello.heard) else { continue };
            let by = heard + self.numbers.node_timeout + self.numbers.on_the_way;
            if by < now && !history.is_disturbed(on, heard, by) {
                let sentence =
                    format!("{id} has said nothing on {} since {heard:?}, and is not declared dead.", history.name(on));
                return Err(Finding::new("keeps a silent node", sentence).role(Some(history.node(on))));
            }
        }
        Ok(())
    }

    /// The present identity whose connection this is.
    fn present_on(&self, on: usize) -> Option<&String> {
        self.given
            .iter()
            .find(|(_, given)| given.present.is_some_and(|(_, connection)| connection == Some(on)))
            .map(|(id, _)| id)
    }

    fn node_says(&mut self, host: &HostName, event: &LogEvent) {
        match event.message.as_str() {
            "registered" => {
                let id = event.field("node_id").unwrap_or_default();
                // The latest answer with that name that has been sent to this node.
                let taken = self
                    .connections
                    .values()
                    .rev()
                    .filter_map(|hello| hello.answered.clone())
                    .find(|(given, _)| given == id);
                if let Some(taken) = taken {
                    self.believed.insert(host.clone(), taken);
                }
            }
            "scheduler lost" if ["4001", "4003"].iter().any(|code| event.has("close_code", code)) => {
                self.believed.remove(host);
            }
            _ => {}
        }
    }
}

/// A connection whose node has left, and by when that is known.
struct Leaving {
    by: Duration,
    on: usize,
    place: usize,
}

impl Rule for Identity<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) => self.process(host, event, history),
            What::Upgraded(on) => {
                self.unsaid.insert(*on, moment.at);
                if history.is_real(history.node(*on)) {
                    self.debts.owe(moment, self.numbers.on_the_way, *on, "node_register", "");
                }
            }
            What::Message(on, Direction::ToServer, said) => self.message_to_scheduler(moment, *on, said, history)?,
            What::Message(on, Direction::ToClient, said) if said.kind == "node_register_ack" => {
                self.answered(moment, *on, said, history)?;
            }
            What::Message(on, Direction::ToClient, said) => {
                let answered = self.connections.get(on).is_some_and(|hello| hello.answered.is_some());
                if !answered && said.kind != "error" {
                    let sentence = format!("{} was sent on {} before node_register_ack.", said.kind, history.name(*on));
                    return Err(broken("speaks before it answers", moment, sentence));
                }
            }
            What::Close(on, Direction::ToClient, code) => {
                self.debts.pay(*on, "an answer to node_register", "");
                let unsaid_since = self.unsaid.remove(on);
                if *code == Some(NO_HELLO)
                    && unsaid_since.is_none_or(|since| moment.at + TICK < since + self.numbers.hello)
                {
                    let sentence = format!("{} was closed before its time to register was over.", history.name(*on));
                    return Err(broken("does not wait for the registration", moment, sentence));
                }
                if *code == Some(WRONG_TOKEN) {
                    self.token_refused(moment, *on, history)?;
                }
                if *code == Some(REPLACED) {
                    self.debts.pay(*on, "a Close with 4001 to the old connection", "");
                }
            }
            What::Scheduler(event) => match event.message.as_str() {
                "node registered" => self.registered(moment, event, history)?,
                "node lost" => self.lost(moment, event, history)?,
                _ => {}
            },
            What::Node(host, event) => self.node_says(host, event),
            What::Left(on) => {
                let by = moment.at + self.numbers.on_the_way;
                self.leaving.push(Leaving { by, on: *on, place: moment.place });
            }
            What::Close(..) | What::Attempted(_) | What::Ping(..) | What::Pong(..) | What::Session(..) => {}
        }
        Ok(())
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        self.notices_losses(now, history)?;
        self.debts.collect(history, now)
    }
}
