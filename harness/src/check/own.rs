//! Checks of a catalogue's own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Check, Evidence, Expectations, Figure, Finding};
use crate::fact::FactKind;

/// The checks that a catalogue adds to those of this crate, by the name that scenarios configure them by: see
/// [`Catalogue::own_check`](crate::Catalogue::own_check).
#[derive(Clone, Default)]
pub struct OwnChecks {
    makers: BTreeMap<&'static str, Maker>,
}

/// Makes a check from its `[checks.NAME]` table.
type Maker = Arc<dyn Fn(&toml::Table) -> Result<Box<dyn Check>, toml::de::Error> + Send + Sync>;

/// Why there is no check of a name.
#[derive(Debug)]
pub(crate) enum NoCheck {
    /// Nothing is registered under it.
    Unknown,
    /// Its table does not fit it.
    Misconfigured(toml::de::Error),
}

impl NoCheck {
    /// What is to be said of it, without a full stop.
    pub(crate) fn sentence(&self, name: &str) -> String {
        match self {
            Self::Unknown => {
                format!("the scenario is held to a check `{name}`, and the catalogue has none of that name")
            }
            Self::Misconfigured(error) => {
                format!("the check `{name}` cannot be configured so: {}", error.message().trim_end_matches('.'))
            }
        }
    }
}

impl OwnChecks {
    /// Adds a check.
    ///
    /// # Panics
    /// If the name is taken, or so near to that of another check that a misspelling of one would be the other.
    pub(crate) fn add<C: Check + DeserializeOwned + 'static>(&mut self, name: &'static str) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!(
            !name.is_empty() && name.bytes().all(is_plain),
            "`{name}` cannot name a check: names are made of letters, digits, `_` and `-`"
        );
        if let Some(near) = crate::scenario::nearest(name, Expectations::NAMES) {
            panic!("a check cannot be registered as `{name}`: that is the check `{near}`, or `{near}` misspelt");
        }
        let maker: Maker = Arc::new(move |config| {
            let check: C = config.clone().try_into()?;
            Ok(Box::new(Named { name, check }))
        });
        assert!(self.makers.insert(name, maker).is_none(), "two checks are registered as `{name}`");
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.makers.keys().copied()
    }

    /// The check of a name, as its table configures it.
    pub(crate) fn make(&self, name: &str, config: &toml::Table) -> Result<Box<dyn Check>, NoCheck> {
        let maker = self.makers.get(name).ok_or(NoCheck::Unknown)?;
        maker(config).map_err(NoCheck::Misconfigured)
    }
}

impl fmt::Debug for OwnChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A check under the name by which it is registered, whatever it calls itself.
struct Named<C> {
    name: &'static str,
    check: C,
}

impl<C: Check> Check for Named<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn law(&self) -> &'static str {
        self.check.law()
    }

    fn needs(&self) -> Vec<FactKind> {
        self.check.needs()
    }

    fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
        self.check.examine(evidence)
    }

    fn withstands_any_fault(&self) -> bool {
        self.check.withstands_any_fault()
    }

    fn figures(&self, evidence: &Evidence) -> Vec<Figure> {
        self.check.figures(evidence)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::check::Verdict;
    use crate::check::trace_builder::TraceBuilder;
    use crate::trace::RecordKind;

    #[test]
    fn a_check_of_ones_own_judges_as_its_table_configures_it() {
        let expect = expecting("at_most = 1");
        let one = TraceBuilder::new().fact(1000, "alice", FactKind::Offered, "m-1");
        let two = one.clone().fact(2000, "alice", FactKind::Offered, "m-2");
        assert_eq!(verdict(&expect, &one), "held: 1 offers");
        assert_eq!(verdict(&expect, &two), "frugal: too many @ alice");
        assert_eq!(verdict(&expecting("at_most = 2"), &two), "held: 2 offers");
    }

    #[test]
    fn a_check_that_is_not_registered_or_not_configured_never_passes() {
        let run = TraceBuilder::new();
        let judged = |expect: &Expectations, own: &OwnChecks| {
            let verdicts = expect.judge_with(&run.evidence(), own);
            verdicts.iter().filter_map(Verdict::violation).map(|found| found.sentence.clone()).collect::<Vec<_>>()
        };
        let sentences = judged(&expecting("at_most = 1"), &OwnChecks::default());
        assert_eq!(sentences, ["the scenario is held to a check `frugal`, and the catalogue has none of that name."]);
        let sentences = judged(&expecting("at_mots = 1"), &registered());
        assert!(sentences[0].starts_with("the check `frugal` cannot be configured so: "), "{sentences:?}");
    }

    #[test]
    #[should_panic(expected = "that is the check `delivery`, or `delivery` misspelt")]
    fn a_name_that_is_a_misspelling_of_another_check_is_refused() {
        OwnChecks::default().add::<Frugal>("deliver");
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Frugal {
        at_most: usize,
    }

    impl Check for Frugal {
        fn name(&self) -> &'static str {
            "another name"
        }

        fn law(&self) -> &'static str {
            "few things are offered"
        }

        fn examine(&self, evidence: &Evidence) -> Result<String, Finding> {
            let is_offer = |place: &usize| matches!(&evidence.records[*place].what, RecordKind::Fact(fact) if fact.kind == FactKind::Offered);
            let offers: Vec<_> = (0..evidence.records.len()).filter(is_offer).collect();
            match offers.get(self.at_most) {
                None => Ok(format!("{} offers", offers.len())),
                Some(&place) => Err(Finding::new("too many", "too many things were offered.")
                    .witness([place])
                    .role(evidence.records[place].host.as_ref())),
            }
        }
    }

    fn registered() -> OwnChecks {
        let mut own = OwnChecks::default();
        own.add::<Frugal>("frugal");
        own
    }

    fn expecting(table: &str) -> Expectations {
        let table: toml::Table = toml::from_str(table).expect("well-formed");
        Expectations { own: [("frugal".to_owned(), table)].into(), ..Expectations::default() }
    }

    fn verdict(expect: &Expectations, run: &TraceBuilder) -> String {
        let verdicts = expect.judge_with(&run.evidence(), &registered());
        match verdicts.iter().find(|verdict| verdict.check() == "frugal").expect("it judges") {
            Verdict::Held { summary, .. } => format!("held: {summary}"),
            Verdict::Broken(violation) => violation.signature.to_string(),
        }
    }
}
