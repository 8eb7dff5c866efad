//! What the faults of a test do, and when.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Named;
use crate::fault::{
    Act, Close, Crash, Cut, Drop, Ends, Freeze, HalfOpen, HalfOpenKind, Partition, Place, Refuse, Registry, Reset,
    Target, Trigger, Verb,
};
use crate::scenario::{FaultRule, ScenarioError, When, fault_rules};

/// What a fault does: one of the functions beside this type, or any verb of [`fault`](crate::fault).
#[derive(Clone)]
pub struct Word {
    word: &'static str,
    strikes: &'static str,
    at: Arc<dyn Fn(Target<'_>) -> Option<Act>>,
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

impl<V: Verb + Clone> From<V> for Word {
    fn from(verb: V) -> Self {
        let at = Arc::new(move |target: Target<'_>| Act::at(target, verb.clone()));
        Self { word: V::WORD, strikes: <V::Place as Place<V>>::STRIKES, at }
    }
}

/// What a fault may do; a seed draws one of these: [`one_of!`](crate::one_of).
#[derive(Clone, Debug)]
pub struct Words(Vec<Word>);

impl Words {
    /// One of these, each as likely as any other.
    pub fn one_of(words: Vec<Word>) -> Self {
        Self(words)
    }
}

impl<W: Into<Word>> From<W> for Words {
    fn from(word: W) -> Self {
        Self(vec![word.into()])
    }
}

/// One of several things that a fault may do: the seed draws which.
///
/// ```
/// use halfopen::builder::{close, drop, one_of, reset};
///
/// let breaks = one_of![reset(), drop(), close(1000)];
/// # let _ = breaks;
/// ```
#[macro_export]
macro_rules! one_of {
    ($($word:expr),+ $(,)?) => {
        $crate::builder::Words::one_of(vec![$($crate::builder::Word::from($word)),+])
    };
}

/// When a fault strikes: [`anywhere`], [`at`] a time, or any [`Trigger`].
#[derive(Clone, Debug)]
pub struct Moment(Option<Trigger>);

impl From<Trigger> for Moment {
    fn from(trigger: Trigger) -> Self {
        Self(Some(trigger))
    }
}

/// At a place that is drawn from those that a run without the fault shows, under the same seed: a message, an event or a
/// head that passes where the fault strikes, and an edge of it.
pub fn anywhere() -> Moment {
    Moment(None)
}

/// At a virtual time since the start of the run.
pub fn at(time: Duration) -> Moment {
    Moment(Some(Trigger::At(time)))
}

/// RST to both ends.
pub fn reset() -> Word {
    Reset { to: Ends::Both }.into()
}

/// FIN to both ends, without a Close frame.
pub fn drop() -> Word {
    Drop { to: Ends::Both }.into()
}

/// Silence both ways, without FIN or RST, for ever: nothing is acknowledged.
pub fn half_open() -> Word {
    HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after: None }.into()
}

/// A Close frame with this code to both ends, then FIN.
pub fn close(code: u16) -> Word {
    Close { code: Some(code), reason: String::new(), to: Ends::Both }.into()
}

/// What is behind the point at which it strikes passes no more, then FIN.
pub fn cut() -> Word {
    Cut { ending: crate::fault::CutEnding::default() }.into()
}

/// Attempts to connect are answered with RST for this long.
pub fn refuse(lasting: Duration) -> Word {
    Refuse { lasting: Some(lasting) }.into()
}

/// The process of a host dies, and is started again after this time.
pub fn crash(restart_after: Duration) -> Word {
    Crash { restart_after: Some(restart_after) }.into()
}

/// All packets from and to a host are held for this long.
pub fn freeze(lasting: Duration) -> Word {
    Freeze { thaw_after: Some(lasting) }.into()
}

/// All packets between two hosts are held for this long.
pub fn partition(lasting: Duration) -> Word {
    Partition { one_way: false, heal_after: Some(lasting) }.into()
}

/// The rule of a fault.
///
/// # Errors
/// A sentence, if it can strike nothing.
pub(super) fn rule(strikes: &str, words: &Words, when: Moment) -> Result<FaultRule, String> {
    let named = Named::parse(strikes)?;
    if words.0.is_empty() {
        return Err(format!("the fault on `{strikes}` does nothing"));
    }
    let mut acts = Vec::new();
    for word in &words.0 {
        let Some(act) = (word.at)(named.target()) else {
            return Err(format!("`{}` strikes {}, and `{strikes}` names none", word.word, word.strikes));
        };
        acts.push(act);
    }
    Ok(match when.0 {
        None => FaultRule::anywhere(acts),
        Some(trigger) => FaultRule { when: vec![When { trigger, most: None }], anywhere: false, acts },
    })
}

/// The rules of `[[fault]]` tables.
///
/// # Errors
/// Their mistakes.
pub(super) fn tables(text: &str, registry: &Registry) -> Result<Vec<FaultRule>, Vec<ScenarioError>> {
    fault_rules(text, Path::new("the faults of the test"), registry)
}
