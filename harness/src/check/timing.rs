//! Law: what must follow follows in time.

mod obligations;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::obligations::{Instant, Obligations, Run};
use super::process_timeline::ProcessTimeline;
use super::{Check, Evidence, Finding};
use crate::fact::FactKind;
use crate::occurrence::{Class, Occurrence, Seen};

/// The rules about time that a scenario names. A rule opens an obligation with each occurrence of `after` and closes the
/// oldest open one with each occurrence of `follows`.
///
/// - An occurrence that is both closes one and opens the next: so `after` and `follows` that say the same bound a cadence.
/// - With `same`, an obligation is closed only by what has the same value there.
/// - `unless` voids the open obligations (with `same`: of its value).
///
/// An obligation is void as well when its time is not over when the run ends, or when the host that owes it is away, or ends
/// or is told to stop before its time is over. A rule by which no obligation was kept or broken convicts the run, since
/// that proves nothing, unless the rule is `optional`.
///
/// ```
/// use halfopen::internals::Timing;
///
/// let rules: Timing = toml::from_str(
///     r#"
///     [ping_every_20s]
///     after = { unit = "ws_ping", link = "alice -> chat", direction = "to_server" }
///     follows = { unit = "ws_ping", link = "alice -> chat", direction = "to_server" }
///     same = "connection"
///     at_least = "19s"
///     within = "21s"
///     "#,
/// )
/// .unwrap();
/// assert!(rules.0.contains_key("ping_every_20s"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timing(pub BTreeMap<String, TimingRule>);

/// One rule: when what must follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimingRule {
    /// What opens an obligation: any of these.
    pub after: Occurrences,
    /// What closes the oldest open one: any of these.
    pub follows: Occurrences,
    /// The longest time between the two; any time, without.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// The shortest time between the two.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Duration>,
    /// Where the two have the same value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same: Option<String>,
    /// What voids the obligation when it comes first: any of these.
    #[serde(default, skip_serializing_if = "Occurrences::is_empty")]
    pub unless: Occurrences,
    /// Whether what `follows` names must not follow: within `within`, or ever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never: bool,
    /// Whether a run that decides nothing is in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// One occurrence, or several, and any of them is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Occurrences(pub Vec<Occurrence>);

/// As files write them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Box<Occurrence>),
    Many(Vec<Occurrence>),
}

impl From<OneOrMany> for Occurrences {
    fn from(written: OneOrMany) -> Self {
        match written {
            OneOrMany::One(one) => Self(vec![*one]),
            OneOrMany::Many(many) => Self(many),
        }
    }
}

impl From<Occurrences> for OneOrMany {
    fn from(Occurrences(mut several): Occurrences) -> Self {
        match (several.pop(), several.is_empty()) {
            (Some(one), true) => Self::One(Box::new(one)),
            (last, _) => {
                several.extend(last);
                Self::Many(several)
            }
        }
    }
}

impl Occurrences {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As sentences name them.
    fn words(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    }
}

/// What an occurrence does to the obligations of a rule. One that does several does them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Closes,
    Voids,
    Opens,
}

impl TimingRule {
    fn parts(&self) -> impl Iterator<Item = (Part, &Occurrence)> {
        let each = [(Part::Closes, &self.follows), (Part::Voids, &self.unless), (Part::Opens, &self.after)];
        each.into_iter().flat_map(|(part, several)| several.0.iter().map(move |occurrence| (part, occurrence)))
    }

    /// Every occurrence that it names.
    pub(crate) fn occurrences(&self) -> impl Iterator<Item = &Occurrence> {
        self.parts().map(|(_, occurrence)| occurrence)
    }
}

impl Check for Timing {
    fn name(&self) -> &'static str {
        "timing"
    }

    fn law(&self) -> &'static str {
        "what must follow follows in time"
    }

    fn needs(&self) -> Vec<FactKind> {
        let mut kinds: Vec<_> =
            self.0.values().flat_map(TimingRule::occurrences).filter_map(|occurrence| occurrence.fact).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    // It bounds what the faults of its scenario lead to.
    fn withstands_any_fault(&self) -> bool {
        false
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        let processes = ProcessTimeline::of(evidence.records);
        let run = Run { records: evidence.records, processes: &processes };
        let mut rules: Vec<_> = self.0.iter().map(|(name, rule)| Obligations::of(name, rule)).collect();
        let index = Index::of(self);
        for (place, record) in evidence.records.iter().enumerate() {
            if record.at > evidence.last.at {
                break;
            }
            let seen = Seen::new(record);
            let listed = seen.class().and_then(|class| index.0.get(&class)).into_iter().flatten();
            let now = Instant { index: place, at: record.at };
            let mut last = None;
            for (number, part, occurrence) in listed {
                let is_new = last != Some((*number, *part));
                if is_new && occurrence.matches(&seen) {
                    last = Some((*number, *part));
                    rules[*number].take(*part, now, &seen, run);
                }
            }
        }
        let summaries = rules.into_iter().map(|rule| rule.conclude(run, evidence.last.at));
        summaries.collect::<Result<Vec<_>, _>>().map(|summaries| summaries.join("; "))
    }
}

/// The occurrences by what a record must be to be one of them: each with the number of its rule and its part in it.
struct Index<'a>(BTreeMap<Class<'a>, Vec<(usize, Part, &'a Occurrence)>>);

impl<'a> Index<'a> {
    fn of(timing: &'a Timing) -> Self {
        let mut index: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (number, rule) in timing.0.values().enumerate() {
            for (part, occurrence) in rule.parts() {
                if let Some(class) = occurrence.class() {
                    index.entry(class).or_default().push((number, part, occurrence));
                }
            }
        }
        Self(index)
    }
}

#[cfg(test)]
mod tests;
