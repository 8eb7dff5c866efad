//! Law: a gateway relays what its upstream says, whole, in order, at once, and ends as the upstream did.
//!
//! The reference model of the gateway's two legs. It reads what passed on the wire, on the readers' side and on the
//! upstreams', and knows nothing of the gateway's own code. What a fault has struck is judged up to there.

mod ending;
mod exchange;
mod passing;
mod said;
mod stream;

#[cfg(test)]
mod tests;

use std::time::Duration;

use halfopen::check::{Check, Evidence, Finding};
use halfopen::trace::Record;
use serde::Deserialize;

use exchange::{Exchange, Exchanges, Mark};

/// A gateway relays what its upstream says, whole, in order, at once, and ends as the upstream did.
///
/// For each request of a reader and its upstream call:
///
/// - the answer is a legal stream (`stream`): parts, then an end of every choice or one error, then one `[DONE]`, and
///   nothing behind it; comments only between events, and none before `heartbeat` has passed without an event, and one
///   whenever it has;
/// - its parts are the upstream's, each whole, none missing, none twice, each sent within `prompt` of its arrival
///   (`passing`);
/// - it ends within `prompt` of the upstream's end, whole if the upstream finished and by an error if not; an upstream that
///   has been silent for `silence` is given up, and none before; a call is dropped within `prompt` of its reader's leaving
///   and of its answer's end (`ending`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Relayed {
    /// The gateway's host.
    gateway: String,
    /// How long a packet travels between two hosts.
    #[serde(with = "humantime_serde")]
    latency: Duration,
    /// What counts as at once.
    #[serde(with = "humantime_serde")]
    prompt: Duration,
    /// Without an event, a comment.
    #[serde(with = "humantime_serde")]
    heartbeat: Duration,
    /// The longest silence of an upstream that has begun to answer.
    #[serde(with = "humantime_serde")]
    silence: Duration,
    /// The longest time before an upstream begins to answer.
    #[serde(with = "humantime_serde")]
    first_byte: Duration,
}

impl Default for Relayed {
    fn default() -> Self {
        Self {
            gateway: "gateway".to_owned(),
            latency: Duration::from_millis(20),
            prompt: Duration::from_millis(25),
            heartbeat: Duration::from_secs(30),
            silence: Duration::from_secs(60),
            first_byte: Duration::from_secs(300),
        }
    }
}

/// How far a timer of the gateway may be from where the wire shows it.
const SLACK: Duration = Duration::from_secs(1);

impl Check for Relayed {
    fn name(&self) -> &'static str {
        "relayed"
    }

    fn law(&self) -> &'static str {
        "a gateway relays what its upstream says, whole, in order, at once, and ends as the upstream did"
    }

    // What it says of each answer depends on which one a fault strikes.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        self.examine_records(evidence.records, evidence.last.at)
    }
}

impl Relayed {
    fn examine_records(&self, records: &[Record], last: Duration) -> Result<String, Finding> {
        let exchanges = Exchanges::of(records, &self.gateway, self.latency);
        let mut relayed = 0;
        for exchange in &exchanges.asked {
            let stopped = exchanges.stops.iter().find(|stop| stop.place > exchange.asked.place).copied();
            let until = Self::until(exchange, stopped).unwrap_or(last).min(last);
            let judged = Judged { law: self, exchange, call: exchanges.call_of(exchange), until, stopped, last };
            judged.stream_is_legal()?;
            judged.heartbeats_are_in_time()?;
            if let Some(call) = judged.call {
                relayed += 1;
                judged.parts_are_relayed(call)?;
                judged.ends_as_the_upstream_did(call)?;
                judged.call_is_dropped(call)?;
            }
        }
        if exchanges.asked.is_empty() {
            return Err(Finding::new("says nothing", "no chat request reached the gateway, so the law says nothing."));
        }
        Ok(format!("{} requests, {relayed} relayed", exchanges.asked.len()))
    }

    /// Until when the gateway can be held to anything about an exchange: until its reader has left, a fault has struck the
    /// connection, the next request has begun, or the gateway has stopped.
    fn until(exchange: &Exchange, stopped: Option<Mark>) -> Option<Duration> {
        let marks = [exchange.client_gone, exchange.client_closed, exchange.struck, exchange.followed, stopped];
        marks.into_iter().flatten().map(|mark| mark.at).min()
    }
}

/// One exchange before its judge.
struct Judged<'a> {
    law: &'a Relayed,
    exchange: &'a Exchange<'a>,
    call: Option<&'a Exchange<'a>>,
    until: Duration,
    /// When the gateway's process ended, or was told to, while the exchange was open.
    stopped: Option<Mark>,
    /// When the run's hosts began to be stopped.
    last: Duration,
}

impl Judged<'_> {
    /// Whether a deadline lies so early that it binds.
    fn binds(&self, deadline: Duration) -> bool {
        deadline < self.until
    }

    /// How sentences call the exchange.
    fn name(&self) -> String {
        match self.exchange.key {
            Some(key) => format!("the answer to {key}"),
            None => format!("the answer on {}", self.exchange.connection),
        }
    }

    fn finding(&self, clause: &'static str, sentence: String, witness: impl IntoIterator<Item = Mark>) -> Finding {
        Finding::new(clause, sentence)
            .witness(witness.into_iter().map(|mark| mark.place))
            .role(Some(&self.exchange.connection.link.server))
    }
}
