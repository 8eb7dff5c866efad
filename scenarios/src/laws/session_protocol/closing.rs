//! Close frames: their codes and reasons, what may follow them, and how soon the socket is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use halfopen::check::Finding;
use halfopen::name::{Direction, HostName, Side};
use halfopen::trace::ProcessEvent;

use super::history::{History, Moment, What};
use super::{Rule, SessionProtocol, begins_or_ends_a_life, broken};

/// The longest reason that a control frame has room for, in bytes (RFC 6455, section 5.5).
const LONGEST_REASON: usize = 123;

/// The Close frames of all connections.
pub(super) struct Closing<'a> {
    numbers: &'a SessionProtocol,
    /// When each end has said Close; the second says whether it is the client's.
    said: BTreeMap<(usize, bool), (Duration, usize)>,
    /// Ends that have closed their socket: what a fault has kept of theirs may still come.
    gone: BTreeSet<(usize, bool)>,
    /// Bad input of a client: which code it deserves.
    deserved: BTreeMap<usize, BTreeSet<u16>>,
    /// Hosts that were told to stop.
    stopping: BTreeSet<HostName>,
}

impl<'a> Closing<'a> {
    pub(super) fn new(numbers: &'a SessionProtocol) -> Self {
        Self {
            numbers,
            said: BTreeMap::new(),
            gone: BTreeSet::new(),
            deserved: BTreeMap::new(),
            stopping: BTreeSet::new(),
        }
    }

    fn close(
        &mut self,
        moment: &Moment<'_>,
        (on, direction): (usize, Direction),
        (code, reason): (Option<u16>, &str),
        history: &History<'_>,
    ) -> Result<(), Finding> {
        let end = (on, direction == Direction::ToServer);
        if self.gone.contains(&end) {
            return Ok(());
        }
        let is_answer = self.said.contains_key(&(on, !end.1));
        let first = self.said.insert(end, (moment.at, moment.place));
        if !history.is_real(on, direction) || history.is_edited(on, moment.at) {
            return Ok(());
        }
        let speaker = Some(history.speaker(on, direction));
        if let Some((_, place)) = first {
            let sentence = format!("{} carried a second Close of one end.", history.name(on));
            return Err(broken("closes twice", moment, speaker, sentence).witness([place]));
        }
        if reason.len() > LONGEST_REASON {
            let sentence = format!("a Close on {} had a reason of {} bytes.", history.name(on), reason.len());
            return Err(broken("a reason too long for its frame", moment, speaker, sentence));
        }
        // A peer that is no real client may have deserved any code.
        let is_free = direction == Direction::ToClient && !history.is_real(on, Direction::ToServer);
        if is_answer || is_free || self.may_say(on, direction, code, history.speaker(on, direction)) {
            return Ok(());
        }
        let sentence =
            format!("the Close on {} says {code:?} \"{reason}\", for which there was no reason.", history.name(on));
        if history.is_touched(on, moment.at) || history.over(on) < moment.at {
            return Ok(());
        }
        Err(broken("a close code without its reason", moment, speaker, sentence))
    }

    /// Whether a code may begin a close at all. Whether its time has come is judged with what it speaks of: 1000, 1011, 4001, 4003 and
    /// 4008 elsewhere.
    fn may_say(&self, on: usize, direction: Direction, code: Option<u16>, speaker: &HostName) -> bool {
        let deserved = |code| self.deserved.get(&on).is_some_and(|codes| codes.contains(&code));
        match (direction, code) {
            (_, Some(1000 | 1011 | 4008)) => true,
            (Direction::ToClient, Some(4001 | 4003)) => true,
            (Direction::ToClient, Some(1012)) => self.stopping.contains(speaker),
            (Direction::ToClient, Some(1013)) => self.numbers.overloaded,
            (Direction::ToClient, Some(code)) => deserved(code),
            (Direction::ToServer, Some(1001)) => true,
            (Direction::ToServer, Some(_)) | (_, None) => false,
        }
    }

    fn not_after_close(
        &self,
        moment: &Moment<'_>,
        on: usize,
        direction: Direction,
        history: &History<'_>,
    ) -> Result<(), Finding> {
        match self.said.get(&(on, direction == Direction::ToServer)) {
            Some((_, place)) if history.is_real(on, direction) && !history.is_edited(on, moment.at) => {
                let sentence = format!("{} carried more behind a Close.", history.name(on));
                let finding =
                    broken("speaks on behind its Close", moment, Some(history.speaker(on, direction)), sentence);
                Err(finding.witness([*place]))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Rule for Closing<'_> {
    fn take(&mut self, moment: &Moment<'_>, history: &History<'_>) -> Result<(), Finding> {
        match &moment.what {
            What::Close(on, direction, code, reason) => self.close(moment, (*on, *direction), (*code, reason), history),
            What::Said(on, direction, _) | What::Ping(on, direction) => {
                self.not_after_close(moment, *on, *direction, history)
            }
            What::Unread(on, direction) => {
                // What no message is: binary, not JSON, or too long.
                self.deserved.entry(*on).or_default().extend([1003, 1007, 1009]);
                self.not_after_close(moment, *on, *direction, history)
            }
            What::Closed(on, side) => {
                self.gone.insert((*on, *side == Side::Client));
                self.said.remove(&(*on, *side == Side::Client));
                Ok(())
            }
            What::Process(host, ProcessEvent::StopRequested) => {
                self.stopping.insert((*host).clone());
                Ok(())
            }
            What::Process(host, event) if begins_or_ends_a_life(event) => {
                self.stopping.remove(*host);
                self.said.retain(|(on, is_client), _| {
                    let direction = if *is_client { Direction::ToServer } else { Direction::ToClient };
                    history.speaker(*on, direction) != *host
                });
                Ok(())
            }
            What::Process(..)
            | What::Scheduler(_)
            | What::Client(..)
            | What::User(..)
            | What::Attempted(_)
            | What::Upgraded(_)
            | What::Pong(..)
            | What::Result(_) => Ok(()),
        }
    }

    fn until(&mut self, now: Duration, history: &History<'_>) -> Result<(), Finding> {
        let bound = self.numbers.close + self.numbers.on_the_way;
        for ((on, is_client), (said, place)) in &self.said {
            let direction = if *is_client { Direction::ToServer } else { Direction::ToClient };
            if *said + bound < now && history.is_real(*on, direction) && !history.is_edited(*on, now) {
                let sentence =
                    format!("{bound:?} after its Close on {} an end still held the socket.", history.name(*on));
                let finding = Finding::new("a close without a bound", sentence).witness([*place]);
                return Err(finding.role(Some(history.speaker(*on, direction))));
            }
        }
        Ok(())
    }
}
