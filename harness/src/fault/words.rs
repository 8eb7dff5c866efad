//! Faults in words, as plans, reports and stories show them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;

use super::{Fault, Target};
use crate::name::Direction;

/// A word of one of the harness's own enums, as files spell it.
///
/// # Panics
/// If it is not a word, as all of them are.
pub(crate) fn to_word<T: Serialize>(word: &T) -> String {
    match toml::Value::try_from(word) {
        Ok(toml::Value::String(word)) => word,
        other => unreachable!("the harness's own words are strings, and this is {other:?}"),
    }
}

/// `close(1000, "idle") on alice->chat#2 after message 3 to_server`.
impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} {}", self.act.verb(), self.act.target(), self.trigger)
    }
}

/// What a fault strikes: `alice->scheduler#2`, `alice->scheduler`, `everything between a and b`, `host scheduler`.
impl Display for Target<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Link { link, connection: Some(nth) } => format!("{link}#{nth}"),
            Self::Link { link, connection: None } => link.to_string(),
            Self::Between(one, other) => format!("everything between {one} and {other}"),
            Self::Host(host) => format!("host {host}"),
        })
    }
}

/// A plan's time is exact: the person who replays it by hand types it.
pub(super) fn written(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

pub(super) fn after(what: &str, delay: Option<Duration>) -> Option<String> {
    delay.map(|delay| format!("{what} after {}", written(delay)))
}

pub(super) fn for_time(lasting: Option<Duration>) -> Option<String> {
    lasting.map(|lasting| format!("for {}", written(lasting)))
}

pub(super) fn count(n: u32, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The directions that are struck: the only one that is named, or both.
pub(super) fn ways(only: Option<Direction>) -> impl Iterator<Item = Direction> {
    Direction::BOTH.into_iter().filter(move |direction| only.is_none_or(|only| only == *direction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Close, Connections, Crash, Edge, Ends, Trigger};

    #[test]
    fn a_fault_reads_as_verb_target_and_trigger() {
        let trigger = Trigger::message(3, Direction::ToServer, Edge::Inside(7));
        let close = Close { code: Some(1000), reason: "idle".to_owned(), to: Ends::Client };
        let close = Fault::new(Connections::of("alice", "chat").nth(2), trigger, close);
        let words = r#"close(1000, "idle", client only) on alice->chat#2 7 bytes into message 3 to_server"#;
        assert_eq!(close.to_string(), words);
        let crash = Crash { restart_after: Some(Duration::from_secs(3)) };
        let crash = Fault::new("chat", Trigger::At(Duration::from_millis(1500)), crash);
        assert_eq!(crash.to_string(), "crash(restarts after 3s) on host chat at 1s 500ms");
    }
}
