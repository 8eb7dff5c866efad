//! `upstream`: the response of an upstream server differs from what the server sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{
    Act, ConnectionVerb, Edge, HalfOpenKind, Holds, Keep, Key, Lacked, Mistake, OnConnection, Response, Target,
    Trigger, Verb, time, words,
};
use crate::name::Direction;
use crate::plane::{Edit, Open, Struck, error_event};
use crate::scenario::{Millis, ScenarioError, Section, list_parameters, unknown};

/// What an upstream server does wrong, as HTTP and event streams tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Upstream {
    /// The response of the trigger's head is another: this status, with an error in OpenAI's envelope, and the connection
    /// ends. What the server answers is thrown away.
    Status {
        /// 500 to 599, or 429.
        status: u16,
    },
    /// The response of the trigger's head begins so much later.
    SlowHead {
        /// How much later; whole milliseconds.
        #[serde(with = "time")]
        by: Duration,
    },
    /// The event `[DONE]` of the trigger's response is left out; the body ends as it would have.
    MissingDone,
    /// Behind the trigger's event follows one that tells of an error, in OpenAI's envelope, and the body ends.
    ErrorEvent {
        /// The error's message.
        message: String,
    },
    /// Nothing follows the trigger's event, and the connection stays.
    Stall {
        /// When it goes on; never without.
        #[serde(default, with = "time::option")]
        heal_after: Option<Duration>,
    },
}

/// The kinds, with the keys beside `kind`.
const KINDS: [(&str, &[&str]); 5] = [
    ("status", &["status"]),
    ("slow_head", &["by"]),
    ("missing_done", &[]),
    ("error_event", &["message"]),
    ("stall", &["heal_after"]),
];

impl Upstream {
    /// Every kind's word.
    pub const NAMES: [&str; 5] = ["status", "slow_head", "missing_done", "error_event", "stall"];

    /// The kind's word, as files write it under `kind`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::SlowHead { .. } => "slow_head",
            Self::MissingDone => "missing_done",
            Self::ErrorEvent { .. } => "error_event",
            Self::Stall { .. } => "stall",
        }
    }
}

impl Verb for Upstream {
    type Place = OnConnection;
    const WORD: &'static str = "upstream";
    const DOES: &'static str = "the response of an upstream server differs from what the server sent";
    const KEYS: &'static [Key] = &[
        Key::required("kind", Holds::Word(&Self::NAMES), "what the upstream does wrong"),
        Key::optional(
            "status",
            Holds::Whole { least: 429, most: 599 },
            "not of this kind",
            "of `status`: 429, or 500 to 599",
        ),
        Key::optional("by", Holds::Time, "not of this kind", "of `slow_head`: how much later the response begins"),
        Key::optional("message", Holds::Text, "not of this kind", "of `error_event`: the error's message"),
        Key::optional("heal_after", Holds::Time, "it never goes on", "of `stall`: how long after it struck it goes on"),
    ];

    fn arguments(&self) -> Vec<String> {
        let name = Some(self.name().to_owned());
        let arguments = match self {
            Self::Status { status } => [Some(format!("status {status}")), None],
            Self::SlowHead { by } => [name, Some(words::written(*by))],
            Self::MissingDone => [name, None],
            Self::ErrorEvent { message } => [name, Some(format!("{message:?}"))],
            Self::Stall { heal_after } => [name, words::after("heals", *heal_after)],
        };
        arguments.into_iter().flatten().collect()
    }

    fn mistake(&self) -> Option<Mistake> {
        let Self::Status { status } = self else { return None };
        let fails = matches!(status, 429 | 500..=599);
        let sentence = || format!("an upstream that fails answers 429 or 500 to 599, not {status}");
        (!fails).then(|| Mistake::new("status", sentence()))
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        let name = self.name();
        match self {
            Self::Status { .. } | Self::SlowHead { .. } | Self::MissingDone => {
                let is_response =
                    matches!(trigger, Trigger::HttpHead { direction: Direction::ToClient, edge: Edge::After, .. });
                (!is_response).then(|| {
                    format!("`{name}` is about one response: it takes `http_head`, `to_client`, without an `edge`")
                })
            }
            Self::ErrorEvent { .. } | Self::Stall { .. } => {
                let is_event = matches!(trigger, Trigger::SseEvent { edge: Edge::After, .. });
                (!is_event).then(|| format!("`{name}` comes behind an event: it takes `sse_event`, without an `edge`"))
            }
        }
    }

    fn lasts(&self) -> Option<Duration> {
        match self {
            Self::SlowHead { by } => Some(*by),
            Self::Stall { heal_after } => *heal_after,
            Self::Status { .. } | Self::MissingDone | Self::ErrorEvent { .. } => None,
        }
    }
}

impl ConnectionVerb for Upstream {
    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        match self {
            Self::ErrorEvent { .. } => open.body_obstacle(),
            Self::MissingDone => open.edit_obstacle(Edit::LeaveOut),
            Self::Status { .. } | Self::SlowHead { .. } | Self::Stall { .. } => None,
        }
    }

    fn strike(&self, struck: &mut Struck<'_>) {
        match self {
            Self::Status { status } => struck.answer(*status),
            Self::SlowHead { .. } | Self::Stall { .. } => struck.silence(Direction::ToClient, HalfOpenKind::Stall),
            Self::ErrorEvent { message } => struck.end_body(error_event(message)),
            Self::MissingDone => struck.edit(Edit::LeaveOut),
        }
    }

    fn keeps(&self) -> Keep {
        match self {
            Self::ErrorEvent { .. } => Keep::ChunkSize,
            Self::MissingDone => Keep::Unit,
            Self::Status { .. } | Self::SlowHead { .. } | Self::Stall { .. } => Keep::Nothing,
        }
    }

    fn response(&self) -> Response {
        match self {
            Self::Status { .. } | Self::SlowHead { .. } => Response::Whole,
            Self::MissingDone => Response::Done,
            Self::ErrorEvent { .. } | Self::Stall { .. } => Response::Head,
        }
    }

    fn silences(&self) -> bool {
        matches!(self, Self::Stall { .. })
    }

    fn lacked(&self) -> Lacked {
        Lacked::Packets
    }
}

/// Reads the kind and what stands beside it.
pub(super) fn read(section: &Section<'_>, target: Target<'_>) -> Result<Option<Act>, ScenarioError> {
    let kind: String = section.required("kind")?;
    let Some((_, parameters)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        let error = unknown(format!("no upstream does `{kind}`"), &kind, KINDS.map(|(kind, _)| kind));
        return Err(section.place_of("kind").error_meaning(error));
    };
    let stranger =
        KINDS.iter().flat_map(|(_, keys)| *keys).find(|key| !parameters.contains(*key) && section.get(key).is_some());
    if let Some(key) = stranger {
        let takes = list_parameters(parameters);
        let error = format!("an upstream that does `{kind}` takes no `{key}`; {takes}");
        return Err(section.place_of(key).error(error));
    }
    let upstream = match kind.as_str() {
        "status" => Upstream::Status { status: section.required("status")? },
        "slow_head" => Upstream::SlowHead { by: section.required::<Millis>("by")?.0 },
        "missing_done" => Upstream::MissingDone,
        "error_event" => Upstream::ErrorEvent { message: section.required("message")? },
        "stall" => Upstream::Stall { heal_after: section.optional::<Millis>("heal_after")?.map(|time| time.0) },
        unlisted => unreachable!("`{unlisted}` is listed and is not read"),
    };
    Ok(Act::at(target, upstream))
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn each_kind_reads_as_it_is_told() {
        told("do = 'upstream'\nkind = 'status'\nstatus = 503", "upstream(status 503)");
        told("do = 'upstream'\nkind = 'slow_head'\nby = '9s'", "upstream(slow_head, 9s)");
        told("do = 'upstream'\nkind = 'missing_done'", "upstream(missing_done)");
        told("do = 'upstream'\nkind = 'error_event'\nmessage = 'no'", "upstream(error_event, \"no\")");
        told("do = 'upstream'\nkind = 'stall'\nheal_after = '2s'", "upstream(stall, heals after 2s)");
    }
}
