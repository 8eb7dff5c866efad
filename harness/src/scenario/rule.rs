//! Fault rules: what a scenario says about a fault before a seed decides what it leaves open.

use std::collections::BTreeSet;

use super::document::{LocatedValue, Value};
use super::error::{Mistakes, ScenarioError};
use super::language::verbs::FAULT;
use super::names::Names;
use super::section::Section;
use super::{trigger, verb};
use crate::fault::{Act, Connections, Fault, Target, Trigger};
use crate::name::{HostName, Link};
use crate::seed::SeedTree;

/// A fault whose trigger or verb a seed still decides. It is read from a file, or made of a [`Fault`] and leaves nothing open.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRule {
    /// When it strikes: one of these, each as likely as any other. Empty when it strikes anywhere.
    pub(crate) when: Vec<When>,
    /// Whether it strikes at a place that is drawn from those that a run without it shows.
    pub(crate) anywhere: bool,
    /// What it does: one of these, each as likely as any other. All strike the same target.
    pub(crate) acts: Vec<Act>,
}

/// A trigger whose number may be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// The trigger; its number (`n`; of [`Trigger::At`] and [`Trigger::Idle`] the milliseconds) is the least that is drawn.
    pub trigger: Trigger,
    /// The greatest number that is drawn, in the same unit; without it the number is fixed.
    pub most: Option<u64>,
}

impl FaultRule {
    /// Decides what the rule leaves open. Trigger and verb are drawn by generators of their own.
    ///
    /// # Panics
    ///
    /// If the rule names no trigger or no verb, or its trigger's range is empty. A rule that strikes anywhere names no
    /// trigger: [`Catalogue::draw`](crate::Catalogue::draw) learns from a run where it can.
    pub fn draw(&self, seeds: &SeedTree) -> Fault {
        let mut when = seeds.child("when").draws();
        let trigger = when.pick(&self.when).clone();
        let trigger = match trigger.most {
            Some(most) => {
                let least = trigger.trigger.number();
                trigger.trigger.with_number(when.range(least..=most))
            }
            None => trigger.trigger,
        };
        Fault { trigger, act: self.draw_act(seeds) }
    }

    /// Decides what it does.
    pub(crate) fn draw_act(&self, seeds: &SeedTree) -> Act {
        seeds.child("do").draws().pick(&self.acts).clone()
    }

    /// A rule that strikes anywhere, and does one of these.
    pub(crate) fn anywhere(acts: Vec<Act>) -> Self {
        Self { when: Vec::new(), anywhere: true, acts }
    }

    /// What it may do, each as likely as any other.
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// When it may strike, each as likely as any other.
    pub fn when(&self) -> &[When] {
        &self.when
    }

    /// The fault that this rule is if it leaves nothing open.
    pub fn fixed(&self) -> Option<Fault> {
        match (&self.when[..], &self.acts[..]) {
            ([When { trigger, most: None }], [act]) => Some(Fault { trigger: trigger.clone(), act: act.clone() }),
            _ => None,
        }
    }
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        Self { when: vec![When { trigger: fault.trigger, most: None }], anywhere: false, acts: vec![fault.act] }
    }
}

/// The keys of a fault that are no parameters of its verb.
pub(crate) const BESIDE_A_VERB: [&str; 5] = ["link", "connection", "between", "host", "when"];

/// Reads a `[[fault]]`, which is a fault for each of the connections that it names.
pub(crate) fn read<'a>(node: &'a LocatedValue, names: &Names<'a>) -> Result<Vec<FaultRule>, Mistakes> {
    let section = Section::any(node, FAULT.what)?;
    let mut mistakes = Mistakes::default();
    mistakes.extend(section.missing(FAULT.keys()));
    mistakes.extend(section.misread(FAULT.keys()));
    if section.get("do").is_none() {
        // Which other keys there may be, only a verb says.
        let names: Vec<_> = FAULT.keys().map(|key| key.name).collect();
        mistakes.extend(section.misspelt(&names));
    }
    let when = section.get("when");
    let anywhere = when.is_some_and(is_anywhere);
    let moments = when.filter(|_| !anywhere);
    let of_moment = mistakes.keep(moments.map_or(Ok(None), |when| names.link(when)));
    let aims = of_moment.and_then(|of_moment| mistakes.keep(aims(&section, of_moment)));
    let link = aims.as_ref().and_then(|aims| aims.first()).and_then(|aim| aim.target().link());
    let when = match (when, &aims) {
        (Some(_), Some(_)) if anywhere => Some(Vec::new()),
        (Some(when), Some(_)) => mistakes.keep(trigger::read(when, link, names)),
        // What a trigger says of the ends of a link cannot be judged without the link.
        (Some(_), None) | (None, _) => None,
    };
    if aims.is_none() && section.get("do").is_some() {
        mistakes.keep(verb::check(&section, names));
    }
    let mut of_each = Vec::new();
    for aim in aims.iter().flatten().filter(|_| section.get("do").is_some()) {
        let acts = mistakes.keep(verb::read(section.clone(), aim.target(), names));
        // The mistakes of one are those of all.
        let Some(acts) = acts else { break };
        let lookup = acts.iter().find(|act| matches!(act, Act::Lookup { .. }));
        if let Some(act) = lookup.filter(|_| section.get("connection").is_some()) {
            let sentence = format!("`{}` strikes lookups, which are of no `connection`", act.word());
            mistakes.extend([section.place_of("connection").error(sentence)]);
            break;
        }
        of_each.push(acts);
    }
    let Some(when) = when else { return Err(mistakes) };
    let rule = |acts| FaultRule { when: when.clone(), anywhere, acts };
    mistakes.unless(of_each.into_iter().map(rule).collect())
}

/// What stands under `when` of a fault that strikes anywhere.
pub(crate) const ANYWHERE: &str = "anywhere";

fn is_anywhere(when: &LocatedValue) -> bool {
    matches!(&when.value, Value::Scalar(toml::Value::String(word)) if word == ANYWHERE)
}

/// What a fault strikes, as a file names it.
enum Aim {
    Link(Connections),
    Between(HostName, HostName),
    Host(HostName),
}

impl Aim {
    fn target(&self) -> Target<'_> {
        match self {
            Self::Link(Connections { link, nth }) => Target::Link { link, connection: *nth },
            Self::Between(one, other) => Target::Between(one, other),
            Self::Host(host) => Target::Host(host),
        }
    }
}

/// What a fault strikes. A fault that does not say it strikes the link of its moment.
fn aims(section: &Section, of_moment: Option<Link>) -> Result<Vec<Aim>, ScenarioError> {
    let mut given = ["link", "between", "host"].into_iter().filter(|key| section.get(key).is_some());
    let named = match (given.next(), &of_moment) {
        (Some(named), _) => named,
        (None, Some(_)) => "link",
        (None, None) => {
            return Err(section.place.error("a fault strikes a `link`, a `host` or what is `between` two hosts"));
        }
    };
    if let Some(other) = given.next() {
        return Err(section.place_of(other).error(format!("a fault strikes one thing, not `{named}` and `{other}`")));
    }
    if named == "link" {
        let own = section.get("link").map(|_| link(section)).transpose()?;
        if let (Some(own), Some(other)) = (&own, &of_moment)
            && own != other
        {
            let sentence = format!("the fault strikes {own}, and its moment is one of {other}");
            return Err(section.place_of("link").error(sentence));
        }
        let Some(link) = own.or(of_moment) else { unreachable!("the fault or its moment has a link") };
        let connections = connections(section)?.into_iter();
        return Ok(connections.map(|nth| Aim::Link(Connections { link: link.clone(), nth })).collect());
    }
    if section.get("connection").is_some() {
        return Err(section.place_of("connection").error("only a fault on a `link` has a `connection`"));
    }
    if named == "host" {
        return Ok(vec![section.required("host").map(Aim::Host)?]);
    }
    between(section).map(|(one, other)| vec![Aim::Between(one, other)])
}

/// More connections than this in one table are a mistake.
const CONNECTIONS_AT_MOST: usize = 1000;

/// Which connections of its link a fault strikes: a number, a list, or a range as in `"2..=7"`; the first that it can
/// without.
fn connections(section: &Section) -> Result<Vec<Option<u32>>, ScenarioError> {
    let Some(node) = section.get("connection") else { return Ok(vec![None]) };
    let numbers: Vec<u32> = match &node.value {
        Value::Scalar(toml::Value::String(range)) => connection_range(range, node)?,
        Value::Array(_) => section.required("connection")?,
        Value::Scalar(_) | Value::Table(_) => vec![section.required("connection")?],
    };
    if numbers.is_empty() {
        return Err(node.place.error("`connection` lists no connection"));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = numbers.iter().find(|number| !seen.insert(**number)) {
        return Err(node.place.error(format!("`connection` names connection {twice} twice")));
    }
    Ok(numbers.into_iter().map(Some).collect())
}

fn connection_range(text: &str, node: &LocatedValue) -> Result<Vec<u32>, ScenarioError> {
    let ends = |separator| {
        let (first, last) = text.split_once(separator)?;
        Some((first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?))
    };
    let Some((first, last)) = ends("..=") else {
        let sentence = match ends("..") {
            Some((first, last)) => format!(
                "`connection`: `{text}` does not say whether {last} is meant: write \"{first}..={last}\" or \"{first}..={}\"",
                last.saturating_sub(1)
            ),
            None => format!(
                "`connection`: `{text}` is neither a number nor a range: ranges are written as \"2..=7\", lists as [2, 4]"
            ),
        };
        return Err(node.place.error(sentence));
    };
    if last < first {
        return Err(node.place.error(format!("`connection`: the range `{text}` is empty")));
    }
    if (last - first) as usize >= CONNECTIONS_AT_MOST {
        return Err(node
            .place
            .error(format!("`connection`: `{text}` names more than {CONNECTIONS_AT_MOST} connections")));
    }
    Ok((first..=last).collect())
}

/// Two hosts under `between`.
pub(crate) fn between(section: &Section) -> Result<(HostName, HostName), ScenarioError> {
    let names: Vec<HostName> = section.required("between")?;
    match <[HostName; 2]>::try_from(names) {
        Ok([one, other]) => Ok((one, other)),
        Err(_) => Err(section.place_of("between").error("`between` names two hosts")),
    }
}

/// The hosts of `alice -> scheduler` under `link`.
pub(crate) fn link(section: &Section) -> Result<Link, ScenarioError> {
    let text: String = section.required("link")?;
    Link::parse(&text).ok_or_else(|| section.place_of("link").error(Link::misspelt(&text)))
}
