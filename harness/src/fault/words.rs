//! Faults in words, as plans, reports and stories show them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;

use super::{Ends, Fault, Target, Upstream, Verb};
use crate::name::Direction;

/// A word of one of the harness's own enums, as files spell it.
///
/// # Panics
/// If it is not a word, as all of them are.
pub(crate) fn spelling<T: Serialize>(word: &T) -> String {
    match toml::Value::try_from(word) {
        Ok(toml::Value::String(word)) => word,
        other => unreachable!("the harness's own words are strings, and this is {other:?}"),
    }
}

/// `close(1000, "idle") on alice->chat#2 after message 3 to_server`.
impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} {}", self.verb, self.target, self.trigger)
    }
}

/// A verb with its arguments: `close(1000, "idle")`, `half_open(blackhole)`.
///
/// ```
/// use halfopen::fault::{Ends, Verb};
///
/// let verb = Verb::Close { code: Some(1000), reason: "idle".into(), to: Ends::Both };
/// assert_eq!(verb.to_string(), r#"close(1000, "idle")"#);
/// ```
impl Display for Verb {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let arguments: Vec<_> = self.arguments().into_iter().flatten().collect();
        let name = self.name();
        f.pad(&if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(", ")) })
    }
}

impl Verb {
    /// Every verb's word.
    pub const NAMES: [&str; 31] = [
        "reset",
        "drop",
        "close",
        "half_close",
        "half_open",
        "illegal",
        "cut",
        "truncate_clean",
        "freeze",
        "partition",
        "refuse",
        "connect_hang",
        "handshake_stall",
        "accept_then_reset",
        "lookup_fails",
        "lookup_moves",
        "buffer",
        "delay",
        "jitter",
        "throttle",
        "drip",
        "split",
        "corrupt",
        "duplicate_message",
        "reorder_messages",
        "upstream",
        "io_error",
        "crash",
        "power_loss",
        "clock_jump",
        "restart",
    ];

    /// The verb's word, as files write it under `do`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reset { .. } => "reset",
            Self::Drop { .. } => "drop",
            Self::Close { .. } => "close",
            Self::HalfClose { .. } => "half_close",
            Self::HalfOpen { .. } => "half_open",
            Self::Illegal { .. } => "illegal",
            Self::Cut { .. } => "cut",
            Self::TruncateClean => "truncate_clean",
            Self::Freeze { .. } => "freeze",
            Self::Partition { .. } => "partition",
            Self::Refuse { .. } => "refuse",
            Self::ConnectHang { .. } => "connect_hang",
            Self::HandshakeStall { .. } => "handshake_stall",
            Self::AcceptThenReset { .. } => "accept_then_reset",
            Self::LookupFails { .. } => "lookup_fails",
            Self::LookupMoves { .. } => "lookup_moves",
            Self::Buffer { .. } => "buffer",
            Self::Delay { .. } => "delay",
            Self::Jitter { .. } => "jitter",
            Self::Throttle { .. } => "throttle",
            Self::Drip { .. } => "drip",
            Self::Split { .. } => "split",
            Self::Corrupt => "corrupt",
            Self::DuplicateMessage { .. } => "duplicate_message",
            Self::ReorderMessages { .. } => "reorder_messages",
            Self::Upstream(_) => "upstream",
            Self::IoError { .. } => "io_error",
            Self::Crash { .. } => "crash",
            Self::PowerLoss { .. } => "power_loss",
            Self::ClockJump { .. } => "clock_jump",
            Self::Restart { .. } => "restart",
        }
    }

    fn arguments(&self) -> Vec<Option<String>> {
        let way = |direction: &Option<Direction>| direction.map(|direction| direction.to_string());
        match self {
            Self::Reset { to } | Self::Drop { to } => vec![ends(*to)],
            Self::Close { code, reason, to } => {
                let reason = (!reason.is_empty()).then(|| format!("{reason:?}"));
                let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                vec![Some(code), reason, ends(*to)]
            }
            Self::HalfClose { by } => vec![Some(format!("by {by}"))],
            Self::HalfOpen { kind, direction, heal_after } => {
                vec![Some(spelling(kind)), way(direction), after("heals", *heal_after)]
            }
            Self::Illegal { kind, to } => vec![Some(spelling(kind)), ends(*to)],
            Self::Cut { ending } => vec![Some(spelling(ending))],
            Self::TruncateClean | Self::Corrupt => Vec::new(),
            Self::Freeze { thaw_after } => vec![after("thaws", *thaw_after)],
            Self::Partition { one_way, heal_after } => {
                vec![one_way.then(|| "one way".to_owned()), after("heals", *heal_after)]
            }
            Self::Refuse { lasting }
            | Self::ConnectHang { lasting }
            | Self::HandshakeStall { lasting }
            | Self::AcceptThenReset { lasting } => vec![for_time(*lasting)],
            Self::LookupFails { kind, lasting } => vec![Some(spelling(kind)), for_time(*lasting)],
            Self::LookupMoves { to, lasting } => vec![Some(format!("to {to}")), for_time(*lasting)],
            Self::Buffer { bytes, flush_after, direction, lasting } => {
                let flush = flush_after.map(|time| format!("flushes after {}", written(time)));
                vec![Some(count(*bytes, "byte")), flush, way(direction), for_time(*lasting)]
            }
            Self::Delay { by: time, lasting } | Self::Jitter { up_to: time, lasting } => {
                vec![Some(written(*time)), for_time(*lasting)]
            }
            Self::Throttle { bytes_per_second, direction, lasting } => {
                vec![Some(format!("{bytes_per_second} bytes/s")), way(direction), for_time(*lasting)]
            }
            Self::Drip { bytes, every, direction, lasting } => {
                let drops = format!("{} every {}", count(*bytes, "byte"), written(*every));
                vec![Some(drops), way(direction), for_time(*lasting)]
            }
            Self::Split { bytes, direction, lasting } => {
                vec![Some(format!("pieces of {}", count(*bytes, "byte"))), way(direction), for_time(*lasting)]
            }
            Self::DuplicateMessage { copies } => vec![(*copies > 1).then(|| format!("{copies} copies"))],
            Self::ReorderMessages { by } => vec![Some(format!("behind {by}"))],
            Self::Upstream(upstream) => upstream.arguments(),
            Self::IoError { call, kind, nth, side, lasting } => {
                let nth = (*nth > 1).then(|| format!("nth {nth}"));
                vec![Some(spelling(call)), Some(spelling(kind)), nth, Some(side.to_string()), for_time(*lasting)]
            }
            Self::Crash { restart_after } | Self::PowerLoss { restart_after } => {
                vec![after("restarts", *restart_after)]
            }
            Self::ClockJump { by, back } => {
                vec![Some(format!("{} {}", written(*by), if *back { "back" } else { "forward" }))]
            }
            Self::Restart { pause } => vec![after("starts", Some(*pause))],
        }
    }
}

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

    fn arguments(&self) -> Vec<Option<String>> {
        let name = Some(self.name().to_owned());
        match self {
            Self::Status { status } => vec![Some(format!("status {status}"))],
            Self::SlowHead { by } => vec![name, Some(written(*by))],
            Self::MissingDone => vec![name],
            Self::ErrorEvent { message } => vec![name, Some(format!("{message:?}"))],
            Self::Stall { heal_after } => vec![name, after("heals", *heal_after)],
        }
    }
}

/// What a fault strikes: `alice->scheduler#2`, `alice->scheduler`, `everything between a and b`, `host scheduler`.
impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Link { link, connection: Some(nth) } => format!("{link}#{nth}"),
            Self::Link { link, connection: None } => link.to_string(),
            Self::Between(one, other) => format!("everything between {one} and {other}"),
            Self::Host(host) => format!("host {host}"),
        })
    }
}

/// A plan's time is exact: whoever replays it by hand types it.
pub(super) fn written(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

fn after(what: &str, delay: Option<Duration>) -> Option<String> {
    delay.map(|delay| format!("{what} after {}", written(delay)))
}

fn for_time(lasting: Option<Duration>) -> Option<String> {
    lasting.map(|lasting| format!("for {}", written(lasting)))
}

fn count(n: u32, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn ends(ends: Ends) -> Option<String> {
    match ends {
        Ends::Both => None,
        Ends::Client => Some("client only".to_owned()),
        Ends::Server => Some("server only".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Edge, HalfOpenKind, IllegalKind, IoCall, IoErrorKind, LookupError, Trigger};
    use crate::name::{Link, Side};

    #[test]
    fn a_fault_reads_as_verb_target_and_trigger() {
        let link = Link { client: "alice".into(), server: "chat".into() };
        let close = Fault {
            target: Target::Link { link, connection: Some(2) },
            trigger: Trigger::message(3, Direction::ToServer, Edge::Inside(7)),
            verb: Verb::Close { code: Some(1000), reason: "idle".to_owned(), to: Ends::Client },
        };
        let words = r#"close(1000, "idle", client only) on alice->chat#2 7 bytes into message 3 to_server"#;
        assert_eq!(close.to_string(), words);
        let crash = Fault {
            target: Target::Host("chat".into()),
            trigger: Trigger::At(Duration::from_millis(1500)),
            verb: Verb::Crash { restart_after: Some(Duration::from_secs(3)) },
        };
        assert_eq!(crash.to_string(), "crash(restarts after 3s) on host chat at 1s 500ms");
    }

    #[test]
    fn verbs_tell_what_differs_from_the_usual() {
        let seconds = Duration::from_secs;
        for (verb, words) in [
            (Verb::Reset { to: Ends::Both }, "reset"),
            (
                Verb::HalfOpen {
                    kind: HalfOpenKind::Stall,
                    direction: Some(Direction::ToClient),
                    heal_after: Some(seconds(30)),
                },
                "half_open(stall, to_client, heals after 30s)",
            ),
            (Verb::Illegal { kind: IllegalKind::Close1006, to: Ends::Both }, "illegal(close_1006)"),
            (Verb::Partition { one_way: true, heal_after: None }, "partition(one way)"),
            (Verb::ConnectHang { lasting: Some(seconds(5)) }, "connect_hang(for 5s)"),
            (Verb::Throttle { bytes_per_second: 900, direction: None, lasting: None }, "throttle(900 bytes/s)"),
            (
                Verb::Drip { bytes: 1, every: Duration::from_millis(50), direction: None, lasting: None },
                "drip(1 byte every 50ms)",
            ),
            (Verb::Split { bytes: 3, direction: None, lasting: None }, "split(pieces of 3 bytes)"),
            (Verb::DuplicateMessage { copies: 2 }, "duplicate_message(2 copies)"),
            (Verb::Upstream(Upstream::Status { status: 503 }), "upstream(status 503)"),
            (Verb::Upstream(Upstream::Stall { heal_after: None }), "upstream(stall)"),
            (Verb::Close { code: None, reason: String::new(), to: Ends::Both }, "close(no code)"),
            (Verb::HalfClose { by: Side::Client }, "half_close(by client)"),
            (Verb::ClockJump { by: seconds(3600), back: false }, "clock_jump(1h forward)"),
            (Verb::ClockJump { by: seconds(5), back: true }, "clock_jump(5s back)"),
            (
                Verb::LookupFails { kind: LookupError::NoAnswer, lasting: Some(seconds(30)) },
                "lookup_fails(no_answer, for 30s)",
            ),
            (Verb::LookupMoves { to: "other".into(), lasting: None }, "lookup_moves(to other)"),
            (
                Verb::Buffer { bytes: 4096, flush_after: Some(seconds(1)), direction: None, lasting: None },
                "buffer(4096 bytes, flushes after 1s)",
            ),
            (
                Verb::IoError {
                    call: IoCall::Accept,
                    kind: IoErrorKind::BrokenPipe,
                    nth: 2,
                    side: Side::Server,
                    lasting: None,
                },
                "io_error(accept, broken_pipe, nth 2, server)",
            ),
        ] {
            assert_eq!(verb.to_string(), words);
        }
    }
}
