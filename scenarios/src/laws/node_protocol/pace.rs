//! What beats: heartbeats and pings at their intervals, and the pauses between attempts to connect and to accept.

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, HostName};
use halfopen::trace::{LogEvent, ProcessEvent};

use super::debts::Debts;
use super::history::{History, Moment, What};
use super::{NodeProtocol, Rule, TICK, broken};

/// How far a beat may be from its time on an undisturbed connection: a packet's way.
const OFF_BEAT: Duration = Duration::from_millis(150);
/// How long a node takes at most to close a connection that it gives up: two seconds, and a packet's way.
const CLOSING: Duration = Duration::from_millis(2500);

pub(super) struct Pace<'a> {
    numbers: &'a NodeProtocol,
    debts: Debts,
    beats: Vec<Beat>,
    nodes: BTreeMap<HostName, Reaching>,
    accept_failed: Option<Duration>,
}

/// Something that comes again and again on a connection.
struct Beat {
    on: usize,
    what: &'static str,
    every: Duration,
    last: Duration,
    place: usize,
}

/// A node's way to its scheduler.
#[derive(Default)]
struct Reaching {
    /// The next attempt is not before, and not after.
    next: Option<(Duration, Duration)>,
    /// An attempt that has come to nothing yet.
    attempted: Option<Duration>,
    /// When its latest connection was upgraded, and whether its registration was answered.
    upgraded: Option<(usize, Duration)>,
    answered: bool,
    stopping: bool,
}

impl<'a> Pace<'a> {
    pub(super) fn new(numbers: &'a NodeProtocol) -> Self {
        let (debts, beats, nodes) = (Debts::default(), Vec::new(), BTreeMap::new());
        Self { numbers, debts, beats, nodes, accept_failed: None }
    }

    fn begin(&mut self, moment: &Moment<'_>, on: usize, what: &'static str, every: Duration) {
        self.beats.push(Beat { on, what, every, last: moment.at, place: moment.place });
    }

    fn beat(
        &mut self,
        moment: &Moment<'_>,
        on: usize,
        what: &'static str,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let Some(beat) = self.beats.iter_mut().find(|beat| beat.on == on && beat.what == what) else { return Ok(()) };
        let since = std::mem::replace(&mut beat.last, moment.at);
        if moment.at + OFF_BEAT < since + beat.every && !history.is_disturbed(on, Duration::ZERO, moment.at) {
            let sentence = format!("{what} came on {} {:?} after the last.", history.name(on), moment.at - since);
            return Err(broken("beats too fast", moment, sentence).role(Some(history.node(on))));
        }
        Ok(())
    }

    fn attempted(&mut self, moment: &Moment<'_>, on: usize, history: &History<'_>) -> Result<(), Finding> {
        let host = history.node(on);
        let reaching = self.nodes.entry(host.clone()).or_default();
        let next = reaching.next.take();
        (reaching.attempted, reaching.upgraded, reaching.answered) = (Some(moment.at), None, false);
        match next {
            Some((not_before, _)) if moment.at + TICK < not_before => {
                let sentence = format!("{host} tries again {:?} before its time.", not_before - moment.at);
                Err(broken("tries again too soon", moment, sentence).role(Some(host)))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn node_says(&mut self, moment: &Moment<'_>, host: &HostName, event: &LogEvent) -> Result<(), Finding> {
        let (retry, way, hello) = (self.numbers.retry, self.numbers.on_the_way, self.numbers.hello);
        let reaching = self.nodes.entry(host.clone()).or_default();
        let detail = event.field("detail").or(event.field("reason")).unwrap_or_default();
        match event.message.as_str() {
            "retrying" => {
                let too_soon = reaching.next.is_some_and(|(not_before, _)| moment.at + TICK < not_before);
                let gave_up = reaching.attempted.take().filter(|_| detail == "no answer in time");
                reaching.next = Some((moment.at + retry, moment.at + retry + way));
                if too_soon || gave_up.is_some_and(|since| moment.at + TICK < since + hello) {
                    return Err(
                        broken("gives up too soon", moment, format!("{host} does not wait its time.")).role(Some(host))
                    );
                }
            }
            "scheduler lost" => {
                let since = reaching.upgraded.take().map(|(_, since)| since);
                let lasted = since.map_or(Duration::ZERO, |since| moment.at.saturating_sub(since));
                reaching.next = if lasted + way < retry {
                    Some((moment.at + retry, moment.at + retry + way))
                } else if lasted > retry + way {
                    Some((moment.at, moment.at + way))
                } else {
                    None
                };
                if detail == "no answer to the registration" && lasted + way < hello {
                    return Err(broken(
                        "gives up too soon",
                        moment,
                        format!("{host} waited {lasted:?} for the answer."),
                    )
                    .role(Some(host)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A node that closes while its registration is not answered has waited long enough.
    fn closes(&self, moment: &Moment<'_>, on: usize, code: Option<u16>, history: &History<'_>) -> Result<(), Finding> {
        let host = history.node(on);
        let reaching = self.nodes.get(host).filter(|reaching| !reaching.answered && !reaching.stopping);
        let since = reaching.and_then(|reaching| reaching.upgraded).filter(|(upgraded, _)| *upgraded == on);
        let is_early = since.is_some_and(|(_, since)| moment.at + TICK < since + self.numbers.hello);
        if code != Some(NORMAL) || !is_early || history.is_edited(on, moment.at) {
            return Ok(());
        }
        let sentence = format!("{host} gave {} up, whose registration was not answered yet.", history.name(on));
        Err(broken("gives up too soon", moment, sentence).role(Some(host)))
    }

    /// What a node should have tried, or given up, by now.
    fn is_in_time(&self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        for (host, reaching) in self.nodes.iter().filter(|(_, reaching)| !reaching.stopping) {
            let late = |clause, sentence: String| Err(Finding::new(clause, sentence).role(Some(host)));
            if let Some((_, by)) = reaching.next
                && by < now
                && !history.lookups_fail
            {
                return late("does not try again", format!("{host} should have tried its scheduler again by {by:?}."));
            }
            if let Some(since) =
                reaching.attempted.filter(|since| *since + self.numbers.hello + self.numbers.on_the_way < now)
            {
                return late(
                    "waits too long for a connection",
                    format!("{host} has waited for a connection since {since:?}."),
                );
            }
            if let Some((on, since)) = reaching.upgraded.filter(|_| !reaching.answered)
                && since + self.numbers.hello + CLOSING < now
            {
                return late(
                    "waits too long for an answer",
                    format!("{host} has waited on {} since {since:?}.", history.name(on)),
                );
            }
        }
        for Beat { on, what, every, last, place } in &self.beats {
            let due = *last + *every + OFF_BEAT;
            if due < now && history.is_clear(*on, *last, due) {
                let sentence = format!("{what} has not come on {} since {last:?}.", history.name(*on));
                return Err(Finding::new("beats too slowly", sentence).witness([*place]).role(Some(history.node(*on))));
            }
        }
        Ok(())
    }
}

/// What a node closes with that gives its scheduler up.
const NORMAL: u16 = 1000;
const HEARTBEAT: &str = "node_heartbeat";
const NODE_PING: &str = "the node's ping";
const SCHEDULER_PING: &str = "the scheduler's ping";

fn ping(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => NODE_PING,
        Direction::ToClient => SCHEDULER_PING,
    }
}

impl Rule for Pace<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Process(host, event) => {
                let stopping = **event == ProcessEvent::StopRequested;
                self.nodes.insert((*host).clone(), Reaching { stopping, ..Reaching::default() });
                if !history.is_real(host) || !matches!(event, ProcessEvent::Started | ProcessEvent::StopRequested) {
                    self.nodes.remove(*host);
                }
            }
            What::Attempted(on) if history.is_real(history.node(*on)) => self.attempted(moment, *on, history)?,
            What::Upgraded(on) => {
                self.begin(moment, *on, SCHEDULER_PING, self.numbers.ping);
                if history.is_real(history.node(*on)) {
                    self.begin(moment, *on, NODE_PING, self.numbers.ping);
                    let reaching = self.nodes.entry(history.node(*on).clone()).or_default();
                    (reaching.attempted, reaching.upgraded) = (None, Some((*on, moment.at)));
                }
            }
            What::Message(on, Direction::ToClient, said) if said.kind == "node_register_ack" => {
                if history.is_real(history.node(*on)) {
                    self.begin(moment, *on, HEARTBEAT, self.numbers.heartbeat);
                    self.nodes.entry(history.node(*on).clone()).or_default().answered = true;
                }
            }
            What::Message(on, Direction::ToServer, said) if said.kind == "node_heartbeat" => {
                self.beat(moment, *on, HEARTBEAT, history)?;
            }
            What::Ping(on, direction) => {
                self.beat(moment, *on, ping(*direction), history)?;
                if *direction == Direction::ToServer || history.is_real(history.node(*on)) {
                    let what =
                        if *direction == Direction::ToServer { "the scheduler's pong" } else { "the node's pong" };
                    self.debts.owe(moment, self.numbers.on_the_way, *on, what, "a ping");
                }
            }
            What::Pong(on, direction) => {
                let what = if *direction == Direction::ToClient { "the scheduler's pong" } else { "the node's pong" };
                self.debts.pay(*on, what, "a ping");
            }
            What::Node(host, event) => self.node_says(moment, host, event)?,
            What::Close(on, Direction::ToServer, code) => self.closes(moment, *on, *code, history)?,
            What::Scheduler(event) if event.message == "accepting failed" => {
                let last = self.accept_failed.replace(moment.at);
                if last.is_some_and(|last| moment.at + TICK < last + self.numbers.accept_pause) {
                    let sentence = "the scheduler accepts again at once after a failure.".to_owned();
                    return Err(broken("accepts in a hot loop", moment, sentence));
                }
            }
            What::Attempted(_)
            | What::Left(_)
            | What::Message(..)
            | What::Close(..)
            | What::Scheduler(_)
            | What::Session(..) => {}
        }
        Ok(())
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        self.is_in_time(now, history)?;
        self.debts.collect(history, now)
    }
}
