//! `clock_jump`: the host's wall clock is set at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Act, Holds, HostBlow, HostVerb, Key, Mistake, OnHost, Target, Verb, time, words};
use crate::plane::HostAct;
use crate::scenario::{Millis, ScenarioError, Section};

/// The host's wall clock is set at once, as after a laptop's sleep, by a hypervisor, or by a clock that is stepped. Its
/// monotonic clock goes on as it does, and its timers with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockJump {
    /// By how much it is set forward.
    Forward(#[serde(with = "time")] Duration),
    /// By how much it is set back.
    Back(#[serde(with = "time")] Duration),
}

impl Verb for ClockJump {
    type Place = OnHost;
    const WORD: &'static str = "clock_jump";
    const DOES: &'static str = "the host's wall clock is set at once; its monotonic clock goes on";
    const KEYS: &'static [Key] = &[
        Key::optional("forward", Holds::Time, "it is set `back`", "by how much it is set forward"),
        Key::optional("back", Holds::Time, "it is set `forward`", "by how much it is set back"),
    ];

    fn arguments(&self) -> Vec<String> {
        vec![match self {
            Self::Forward(by) => format!("{} forward", words::written(*by)),
            Self::Back(by) => format!("{} back", words::written(*by)),
        }]
    }

    fn mistake(&self) -> Option<Mistake> {
        let (key, by) = match self {
            Self::Forward(by) => ("forward", by),
            Self::Back(by) => ("back", by),
        };
        by.is_zero().then(|| Mistake::new(key, format!("`{key}` is at least 1")))
    }
}

impl HostVerb for ClockJump {
    fn blow(&self) -> HostBlow {
        let (by, back) = match self {
            Self::Forward(by) => (*by, false),
            Self::Back(by) => (*by, true),
        };
        HostBlow::Act(HostAct::JumpClock { by, back })
    }
}

/// Reads either key.
pub(super) fn read(section: &Section<'_>, target: Target<'_>) -> Result<Option<Act>, ScenarioError> {
    let time = |key| Ok(section.optional::<Millis>(key)?.map(|time: Millis| time.0));
    let jump = match (time("forward")?, time("back")?) {
        (Some(by), None) => ClockJump::Forward(by),
        (None, Some(by)) => ClockJump::Back(by),
        (None, None) => return Err(section.place.error("a clock jumps `forward` or `back`: say by how much")),
        (Some(_), Some(_)) => {
            return Err(section.place_of("back").error("a clock jumps `forward` or `back`, not both ways"));
        }
    };
    Ok(Act::at(target, jump))
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::{effects, told};

    #[test]
    fn both_ways_read_as_they_are_told() {
        told("do = 'clock_jump'\nforward = '1h'", "clock_jump(1h forward)");
        told("do = 'clock_jump'\nback = '5s'", "clock_jump(5s back)");
    }

    #[test]
    fn the_clock_is_set_once() {
        let effects = effects("do = 'clock_jump'\nback = '5s'");
        assert_eq!(effects, ["host chat: clock_jump(5s back)", "chat's clock goes 5s back"]);
    }
}
