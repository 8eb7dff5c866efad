//! What faults name instead of saying it again: moments (`[moment.NAME]`) and lists of verbs (`[verbs]`).

use std::collections::BTreeMap;

use toml::Value;

use super::document::{LocatedValue, Place, Value as Written};
use super::error::{Mistakes, ScenarioError, unknown};
use super::rule::ANYWHERE;
use super::section::Section;
use super::typed::kind;
use super::{rule, trigger, verb};
use crate::fault::Registry;
use crate::name::Link;

/// The moments and lists of verbs of a document.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a> {
    registry: &'a Registry,
    moments: BTreeMap<&'a str, Moment<'a>>,
    verbs: BTreeMap<&'a str, &'a LocatedValue>,
}

/// A trigger that has a name, perhaps with the link on which it counts.
#[derive(Clone, Debug)]
struct Moment<'a> {
    link: Option<Link>,
    trigger: Section<'a>,
}

impl<'a> Names<'a> {
    /// No names, for faults that may have these verbs.
    pub(crate) fn of(registry: &'a Registry) -> Self {
        Self { registry, moments: BTreeMap::new(), verbs: BTreeMap::new() }
    }

    /// The verbs that faults may have.
    pub(crate) fn registry(&self) -> &'a Registry {
        self.registry
    }

    /// Reads what a scenario names, and every mistake in it.
    pub(crate) fn read(scenario: &Section<'a>, registry: &'a Registry) -> (Self, Mistakes) {
        let (mut names, mut mistakes) = (Self::of(registry), Mistakes::default());
        for (name, node) in named(scenario, "moment", &mut mistakes) {
            if name == ANYWHERE {
                let sentence =
                    "`anywhere` is no name for a moment: `when = \"anywhere\"` strikes at a place that is learned";
                mistakes.extend([node.place.error(sentence)]);
            }
            names.moments.extend(mistakes.keep(moment(node)).map(|moment| (name, moment)));
        }
        for (name, node) in named(scenario, "verbs", &mut mistakes) {
            let read = match mistakes.keep(Section::items_of(node, name)) {
                None => None,
                Some([]) => mistakes.keep(Err(node.place.error(format!("`{name}` lists no verb")))),
                Some(some) => mistakes.keep(verb::check_each(some, registry)),
            };
            names.verbs.extend(read.map(|_| (name, node)));
        }
        (names, mistakes)
    }

    /// The link of the moments that the value of a `when` names, if they have one.
    pub(crate) fn link(&self, when: &LocatedValue) -> Result<Option<Link>, ScenarioError> {
        let mut found: Option<Link> = None;
        for (name, place) in moments_in(when) {
            let Some(link) = &self.moment(name, place)?.link else { continue };
            if let Some(other) = found.replace(link.clone()).filter(|other| other != link) {
                return Err(
                    place.error(format!("these moments are of two links, {other} and {link}: a fault strikes one"))
                );
            }
        }
        Ok(found)
    }

    /// The trigger of a `when` that is a moment's name, or a table with a `moment` and what is to be different about it.
    pub(crate) fn resolved(&self, when: Section<'a>) -> Result<Section<'a>, ScenarioError> {
        let Some(node) = when.get("moment") else { return Ok(when) };
        let Written::Scalar(Value::String(name)) = &node.value else {
            return Err(node.place.error(format!("`moment` is a name, not {}", kind(node))));
        };
        let moment = self.moment(name, &node.place)?;
        Ok(when.without(&["moment"]).over(&moment.trigger))
    }

    /// The trigger of a moment, as if it stood where it is named.
    pub(crate) fn trigger(&self, name: &str, place: &'a Place) -> Result<Section<'a>, ScenarioError> {
        Ok(self.moment(name, place)?.trigger.called("`when`", place))
    }

    /// The verbs of a `one_of`: a list by its name, or tables, with the names of lists among them.
    pub(crate) fn choices(&self, one_of: &'a LocatedValue) -> Result<Vec<&'a LocatedValue>, ScenarioError> {
        let items = match &one_of.value {
            Written::Array(items) => items.as_slice(),
            Written::Scalar(_) | Written::Table(_) => std::slice::from_ref(one_of),
        };
        let mut choices = Vec::new();
        for item in items {
            match &item.value {
                Written::Scalar(Value::String(name)) => choices.extend(self.list(name, &item.place)?),
                Written::Scalar(_) | Written::Array(_) | Written::Table(_) => choices.push(item),
            }
        }
        if choices.is_empty() {
            return Err(one_of.place.error("`one_of` lists nothing to draw from"));
        }
        Ok(choices)
    }

    fn list(&self, name: &str, place: &Place) -> Result<&'a [LocatedValue], ScenarioError> {
        match self.verbs.get(name) {
            Some(list) => Section::items_of(list, name),
            None if self.registry.entry(name).is_some() => {
                let form = format!("write {{ do = \"{name}\" }}, or a list of words under `do`");
                Err(place.error(format!("`{name}` is a verb, and no list under `[verbs]`: {form}")))
            }
            None => {
                let known: Vec<_> = self.verbs.keys().copied().collect();
                Err(place.error_meaning(unknown(format!("there is no list `{name}` under `[verbs]`"), name, known)))
            }
        }
    }

    fn moment(&self, name: &str, place: &Place) -> Result<&Moment<'a>, ScenarioError> {
        if name == ANYWHERE {
            return Err(place.error("`anywhere` stands alone: write `when = \"anywhere\"`"));
        }
        let known: Vec<_> = self.moments.keys().copied().chain([ANYWHERE]).collect();
        let error = || place.error_meaning(unknown(format!("there is no moment `{name}`"), name, known));
        self.moments.get(name).ok_or_else(error)
    }
}

/// The entries of a table of names.
fn named<'a>(scenario: &Section<'a>, key: &str, mistakes: &mut Mistakes) -> Vec<(&'a str, &'a LocatedValue)> {
    let Some(node) = scenario.get(key) else { return Vec::new() };
    match &node.value {
        Written::Table(entries) => entries.iter().map(|entry| (entry.key.as_str(), &entry.node)).collect(),
        Written::Scalar(_) | Written::Array(_) => {
            mistakes.extend([node.place.error(format!("`{key}` is a table of names, not {}", kind(node)))]);
            Vec::new()
        }
    }
}

fn moment(node: &LocatedValue) -> Result<Moment<'_>, Mistakes> {
    let section = Section::any(node, "a moment")?;
    let link = section.get("link").map(|_| rule::link(&section)).transpose()?;
    let trigger = section.without(&["link"]);
    trigger::read_section(trigger.clone(), link.as_ref())?;
    Ok(Moment { link, trigger })
}

/// The names of moments in the value of a `when`.
fn moments_in(when: &LocatedValue) -> Vec<(&str, &Place)> {
    if let Some(Written::Array(choices)) = when.get("one_of").map(|choices| &choices.value) {
        return choices.iter().flat_map(moments_in).collect();
    }
    let named = match &when.value {
        Written::Scalar(_) => Some(when),
        Written::Table(_) => when.get("moment"),
        Written::Array(_) => None,
    };
    let nodes = match named.map(|node| &node.value) {
        Some(Written::Array(items)) => items.as_slice(),
        Some(Written::Scalar(_) | Written::Table(_)) => named.map_or(&[][..], std::slice::from_ref),
        None => &[],
    };
    nodes
        .iter()
        .filter_map(|node| match &node.value {
            Written::Scalar(Value::String(text)) => Some((text.as_str(), &node.place)),
            Written::Scalar(_) | Written::Array(_) | Written::Table(_) => None,
        })
        .collect()
}
