//! What a law counts of a run, and a sweep adds up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A count that a law tells of a run, for the line of its scenario: `sent 285`, `succeeded 80 of 80`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What is counted.
    name: String,
    /// How many.
    count: u64,
    /// Of how many, if it is a share.
    of: Option<u64>,
}

impl Figure {
    /// A count.
    pub fn count(name: impl Into<String>, count: u64) -> Self {
        Self { name: name.into(), count, of: None }
    }

    /// How many of how many.
    pub fn share(name: impl Into<String>, count: u64, of: u64) -> Self {
        Self { name: name.into(), count, of: Some(of) }
    }

    /// Adds the figures of one more run to those of the runs before.
    pub(crate) fn add(sums: &mut Vec<Self>, more: Vec<Self>) {
        for figure in more {
            match sums.iter_mut().find(|sum| sum.name == figure.name) {
                Some(sum) => {
                    sum.count += figure.count;
                    sum.of = sum.of.zip(figure.of).map(|(sum, more)| sum + more);
                }
                None => sums.push(figure),
            }
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.count)?;
        self.of.map_or(Ok(()), |of| write!(f, " of {of}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_several_runs_are_added_up_by_name() {
        let mut sums = Vec::new();
        for sent in [3, 4] {
            Figure::add(&mut sums, vec![Figure::share("succeeded", 1, 2), Figure::count("sent", sent)]);
        }
        let told: Vec<_> = sums.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["succeeded 2 of 4", "sent 7"]);
    }
}
