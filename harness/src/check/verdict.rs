//! What a check answers.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::current_name;
use crate::name::HostName;

/// The answer of one check about one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The law held.
    Held {
        /// The name of the check.
        check: &'static str,
        /// What there was to hold, in a few words: `delivered 12 of 12`.
        summary: String,
    },
    /// The law was broken.
    Broken(Violation),
}

impl Verdict {
    /// The law held.
    pub fn held(check: &'static str, summary: impl Into<String>) -> Self {
        Self::Held { check, summary: summary.into() }
    }

    /// The name of the check that answers.
    pub fn check(&self) -> &'static str {
        match self {
            Self::Held { check, .. } => check,
            Self::Broken(violation) => violation.check,
        }
    }

    /// The violation, if the law was broken.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Held { .. } => None,
            Self::Broken(violation) => Some(violation),
        }
    }
}

/// A broken law, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the check.
    pub check: &'static str,
    /// Its law, a sentence.
    pub law: &'static str,
    /// How it was broken here, a sentence.
    pub sentence: String,
    /// The records that prove it: places in the trace.
    pub witness: Vec<usize>,
    /// What stays the same when the same defect shows at another time.
    pub signature: Signature,
}

/// What two failures with one cause have in common: check, clause of the law, roles; no times, counts or keys.
/// Failures are deduplicated by it, and shrinking keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Signature(String);

impl From<String> for Signature {
    /// Reads a signature from a capsule. A check that had another name when the capsule was written gets its present one.
    fn from(text: String) -> Self {
        match text.split_once(':') {
            Some((check, clause)) => Self(format!("{}:{clause}", current_name(check))),
            None => Self(text),
        }
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.0
    }
}

impl Signature {
    /// Of a check, the clause that was broken, and the hosts in the roles that the clause speaks of.
    pub fn new<'a>(check: &str, clause: &str, roles: impl IntoIterator<Item = &'a HostName>) -> Self {
        let mut text = format!("{check}: {clause}");
        let mut last = None;
        for role in roles.into_iter().filter(|role| last.replace(*role) != Some(*role)) {
            text.push_str(if text.contains(" @ ") { ", " } else { " @ " });
            text.push_str(role.as_str());
        }
        Self(text)
    }

    /// The clause of the law that was broken: `silent loss`.
    pub(crate) fn clause(&self) -> &str {
        let rest = self.0.split_once(": ").map_or("", |(_, rest)| rest);
        rest.split_once(" @ ").map_or(rest, |(clause, _)| clause)
    }

    /// The signature as capsules keep it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a law was broken: what a check's examination finds, before it is put together with the check's name and law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    clause: Cow<'static, str>,
    sentence: String,
    witness: Vec<usize>,
    roles: Vec<HostName>,
}

impl Finding {
    /// The clause of the law in two or three words, and a sentence about this case.
    pub fn new(clause: &'static str, sentence: impl Into<String>) -> Self {
        Self { clause: clause.into(), sentence: sentence.into(), witness: Vec::new(), roles: Vec::new() }
    }

    /// The same of a rule that the scenario has named: its name is part of the clause.
    pub(crate) fn of_rule(rule: &str, clause: &str, sentence: impl Into<String>) -> Self {
        Self { clause: format!("{rule} {clause}").into(), ..Self::new("", sentence) }
    }

    /// The records that prove it.
    #[must_use]
    pub fn witness(mut self, records: impl IntoIterator<Item = usize>) -> Self {
        self.witness.extend(records);
        self.witness.sort_unstable();
        self.witness.dedup();
        self
    }

    /// A host in a role that the clause speaks of.
    #[must_use]
    pub fn role(mut self, host: Option<&HostName>) -> Self {
        self.roles.extend(host.cloned());
        self
    }

    /// The violation that this is of a check's law.
    pub fn of(self, check: &'static str, law: &'static str) -> Violation {
        let signature = Signature::new(check, &self.clause, &self.roles);
        Violation { check, law, sentence: self.sentence, witness: self.witness, signature }
    }
}
