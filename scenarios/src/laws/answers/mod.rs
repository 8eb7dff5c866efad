//! Law: each question has exactly one answer, and the answer is a legal one.
//!
//! It is judged on what a reader logs: what it asked, the head of the answer, every byte of it, and how it ended.

mod envelope;
mod expected;
mod stream;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use halfopen::check::{Check, Evidence, Finding};
use halfopen::name::HostName;
use halfopen::trace::{FaultEvent, LogEvent, ProcessEvent, Record, RecordKind, Seconds};
use serde::Deserialize;

use crate::actors::reader::TARGET;
use expected::{Expected, Takes};

/// Each question of a reader has exactly one answer: a status, a body of the kind and length that the head says, and in
/// it an answer or an error as the OpenAI API has them. An event stream has lines of data and comments and nothing else. What
/// is promised of single questions is in `expected`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Answers {
    /// The gateway's host.
    gateway: String,
    /// What becomes of these questions.
    expected: BTreeMap<String, Expected>,
    /// What becomes of the last question of each reader, if it is none of these: whatever happened before, the next is served.
    last: Option<Expected>,
    /// How long the answers to these questions take, from asking to the end.
    takes: BTreeMap<String, Takes>,
    /// What the error that these questions are told says.
    says: BTreeMap<String, String>,
    /// What is in no answer.
    keeps: Vec<String>,
    /// The longest time to an answer that does not stream.
    #[serde(with = "humantime_serde")]
    request: Duration,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            gateway: "gateway".to_owned(),
            expected: BTreeMap::new(),
            last: None,
            takes: BTreeMap::new(),
            says: BTreeMap::new(),
            keeps: Vec::new(),
            request: Duration::from_secs(300),
        }
    }
}

/// How far a reader's clock may be from the gateway's: two ways, and some turns.
const SLACK: Duration = Duration::from_secs(1);

impl Check for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn law(&self) -> &'static str {
        "each question has exactly one answer, and the answer is a legal one"
    }

    // What it says of each answer depends on which one a fault strikes.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        self.examine_records(evidence.records)
    }
}

impl Answers {
    fn examine_records(&self, records: &[Record]) -> Result<String, Finding> {
        let mut answers = answers(records);
        for answer in &mut answers {
            answer.foretold = self.expected.get(answer.key).map(ToString::to_string).unwrap_or_default();
        }
        let disturbed = disturbances(records, &self.gateway);
        for (n, answer) in answers.iter().enumerate() {
            let is_last = !answers[n + 1..].iter().any(|later| later.host == answer.host);
            let expected = self.expected.get(answer.key).or(self.last.as_ref().filter(|_| is_last));
            self.judge(answer, expected, &disturbed)?;
        }
        if let Some(key) = self.expected.keys().find(|key| !answers.iter().any(|answer| answer.key == **key)) {
            return Err(Finding::new(
                "never asked",
                format!("{key} was never asked, and the law expects an answer to it."),
            ));
        }
        match answers.len() {
            0 => Err(Finding::new("says nothing", "no question was asked, so the law says nothing.")),
            n => Ok(format!("{n} questions, each with its answer")),
        }
    }

    fn judge(&self, answer: &Answer, expected: Option<&Expected>, disturbed: &[Disturbance]) -> Result<(), Finding> {
        let Some((how, end)) = answer.ended else {
            let sentence = format!("{} was asked at {} and had no end.", answer.key, Seconds(answer.asked.1));
            return Err(answer.finding("no end", sentence, []));
        };
        let excused = || disturbed.iter().any(|place| place.excuses(answer, &self.gateway, end));
        if how.starts_with("failed") && expected.is_none() && !excused() {
            let sentence = format!("the answer to {} came to no legal end: {how}.", answer.key);
            return Err(answer.finding("no answer", sentence, [end]));
        }
        if let Some(head) = &answer.head {
            answer.head_is_legal(head)?;
            if head.streams() {
                answer.stream_is_legal(how == "whole")?;
            } else if how == "whole" {
                answer.body_is_legal(head)?;
            }
        }
        if let Some(word) = self.keeps.iter().find(|word| answer.text.contains(word.as_str())) {
            return Err(answer.finding("secret told", format!("the answer to {} tells `{word}`.", answer.key), [end]));
        }
        let took = answer.took();
        if !answer.streams && took > self.request + SLACK {
            let sentence = format!("the answer to {} took {}.", answer.key, Seconds(took));
            return Err(answer.finding("too slow", sentence, [end]));
        }
        if let Some(expected) = expected {
            let is = answer.outcome(how);
            if !expected.allows(&is) {
                let sentence = format!("the answer to {} is `{is}`, and `{expected}` was promised.", answer.key);
                return Err(answer.finding("not as promised", sentence, [end]));
            }
        }
        self.is_as_promised(answer, took)
    }

    fn is_as_promised(&self, answer: &Answer, took: Duration) -> Result<(), Finding> {
        let end = answer.ended.map(|(_, end)| end);
        if let Some(takes) = self.takes.get(answer.key)
            && !takes.allows(took)
        {
            let sentence = format!("the answer to {} took {}, and {takes} was promised.", answer.key, Seconds(took));
            return Err(answer.finding("not in time", sentence, end));
        }
        if let Some(says) = self.says.get(answer.key)
            && !answer.text.contains(says.as_str())
        {
            let sentence = format!("the answer to {} does not say `{says}`.", answer.key);
            return Err(answer.finding("not said", sentence, end));
        }
        Ok(())
    }
}

/// The head of an answer, as a reader sees it.
#[derive(Clone, Copy, Debug)]
struct Head<'a> {
    event: &'a LogEvent,
}

impl<'a> Head<'a> {
    fn status(&self) -> &'a str {
        self.field("status")
    }

    /// A field's value; empty if it is not there.
    fn field(&self, name: &str) -> &'a str {
        self.event.field(name).unwrap_or_default()
    }

    fn streams(&self) -> bool {
        self.status() == "200" && self.field("content_type") == "text/event-stream"
    }
}

/// One question and its answer.
#[derive(Debug)]
struct Answer<'a> {
    host: &'a HostName,
    key: &'a str,
    streams: bool,
    choices: usize,
    usage: bool,
    /// What was asked for is no chat.
    is_other: bool,
    asked: (usize, Duration),
    head: Option<Head<'a>>,
    text: String,
    /// What the scenario promises of it, in words: a backend's own code stands there, and is legal for that.
    foretold: String,
    ended: Option<(&'a str, usize)>,
    ended_at: Duration,
}

impl Answer<'_> {
    fn took(&self) -> Duration {
        self.ended_at.saturating_sub(self.asked.1)
    }

    fn finding(&self, clause: &'static str, sentence: String, witness: impl IntoIterator<Item = usize>) -> Finding {
        Finding::new(clause, sentence).witness([self.asked.0].into_iter().chain(witness)).role(Some(self.host))
    }
}

fn answers(records: &[Record]) -> Vec<Answer<'_>> {
    let mut answers: Vec<Answer> = Vec::new();
    for (place, record) in records.iter().enumerate() {
        let (RecordKind::Event(event), Some(host)) = (&record.what, &record.host) else { continue };
        let Some(key) = event.field("key").filter(|_| event.target == TARGET) else { continue };
        if event.message == "asked" {
            answers.push(Answer {
                host,
                key,
                streams: event.has("stream", "true"),
                choices: event.field("choices").and_then(|choices| choices.parse().ok()).unwrap_or(1),
                usage: event.has("usage", "true"),
                is_other: event.field("path").is_some_and(|path| !path.is_empty()),
                asked: (place, record.at),
                head: None,
                text: String::new(),
                foretold: String::new(),
                ended: None,
                ended_at: record.at,
            });
            continue;
        }
        let Some(answer) = answers.iter_mut().rev().find(|answer| answer.host == host && answer.key == key) else {
            continue;
        };
        match event.message.as_str() {
            "answer began" => answer.head = Some(Head { event }),
            "answer read" => answer.text.push_str(event.field("text").unwrap_or_default()),
            "answer ended" => {
                answer.ended = Some((event.field("how").unwrap_or_default(), place));
                answer.ended_at = record.at;
            }
            _ => {}
        }
    }
    answers
}

/// Something that may end an answer without the gateway's doing.
enum Disturbance<'a> {
    /// A fault struck there.
    Fault { place: usize, on: &'a str },
    /// The gateway's process ended, or was told to.
    End { place: usize },
}

impl Disturbance<'_> {
    fn excuses(&self, answer: &Answer, gateway: &str, end: usize) -> bool {
        match self {
            Self::End { place } => *place < end,
            Self::Fault { place, on } => {
                let link = format!("{}->{gateway}", answer.host);
                let on_host = on.split_whitespace().any(|word| [answer.host.as_str(), gateway].contains(&word));
                *place < end && (on.starts_with(&link) || on_host)
            }
        }
    }
}

fn disturbances<'a>(records: &'a [Record], gateway: &str) -> Vec<Disturbance<'a>> {
    let mut disturbances = Vec::new();
    for (place, record) in records.iter().enumerate() {
        let of_gateway = record.host.as_ref().is_some_and(|host| host.as_str() == gateway);
        match &record.what {
            RecordKind::Fault { event: FaultEvent::Fired { on, .. }, .. } => {
                disturbances.push(Disturbance::Fault { place, on });
            }
            RecordKind::Process(ProcessEvent::Crashed | ProcessEvent::PowerLost | ProcessEvent::StopRequested)
                if of_gateway =>
            {
                disturbances.push(Disturbance::End { place });
            }
            RecordKind::Fault { .. }
            | RecordKind::Process(_)
            | RecordKind::Connection { .. }
            | RecordKind::Unit { .. }
            | RecordKind::Fact(_)
            | RecordKind::Event(_)
            | RecordKind::Observed { .. }
            | RecordKind::BrokenRule { .. } => {}
        }
    }
    disturbances
}
