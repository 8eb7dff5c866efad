//! A plan in words.

use std::time::Duration;

use crate::fault::{Edge, Ending, Ends, Fault, FrameKind, HalfOpenKind, IoCall, IoErrorKind, Target, Trigger, Verb};
use crate::name::Direction;

/// A fault in words: `reset(both ends) on alice->chat#1 at 5s`.
pub fn fault(fault: &Fault) -> String {
    format!("{} on {} {}", verb(&fault.verb), target(&fault.target), trigger(&fault.trigger))
}

/// What a fault does, as `close(1000, "idle")`.
pub fn verb(verb: &Verb) -> String {
    match verb {
        Verb::Reset { to } => format!("reset({})", ends(*to)),
        Verb::Drop { to } => format!("drop({})", ends(*to)),
        Verb::Close { code, reason, to } => format!("close({code}, {reason:?}, {})", ends(*to)),
        Verb::HalfOpen { kind, direction, heal_after } => {
            let direction = direction.map_or("both ways", way);
            format!("half_open({}, {direction}{})", half_open(*kind), until(*heal_after))
        }
        Verb::Cut { ending } => format!("cut({})", ending_word(*ending)),
        Verb::TruncateClean => "truncate_clean".to_owned(),
        Verb::Freeze { thaw_after } => format!("freeze({})", lasting(*thaw_after)),
        Verb::Partition { heal_after } => format!("partition({})", lasting(*heal_after)),
        Verb::Refuse { lasting: None } => "refuse(once)".to_owned(),
        Verb::Refuse { lasting: some } => format!("refuse({})", lasting(*some)),
        Verb::Delay { by, lasting: some } => format!("delay(by {}, {})", exact(*by), lasting(*some)),
        Verb::Jitter { up_to, lasting: some } => format!("jitter(up to {}, {})", exact(*up_to), lasting(*some)),
        Verb::IoError { call, kind, nth, side } => {
            format!("io_error({} {nth} of the {side}: {})", io_call(*call), io_error(*kind))
        }
        Verb::Crash { restart_after } => format!("crash({})", restart(*restart_after)),
        Verb::PowerLoss { restart_after } => format!("power_loss({})", restart(*restart_after)),
        Verb::Restart { pause } => format!("restart(after {})", exact(*pause)),
    }
}

/// When a fault strikes: `after message 3 to_server`.
pub fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::At(at) => format!("at {}", exact(*at)),
        Trigger::Message { n, direction, edge } => format!("{} message {n} {direction}", edge_word(*edge)),
        Trigger::Frame { kind, n, direction, edge } => {
            format!("{} {} frame {n} {direction}", edge_word(*edge), frame(*kind))
        }
        Trigger::SseEvent { n, edge } => format!("{} SSE event {n}", edge_word(*edge)),
        Trigger::Bytes { n, direction } => format!("after {n} bytes {direction}"),
        Trigger::HttpHead { n, direction, edge } => {
            let head = match direction {
                Direction::ToServer => "request",
                Direction::ToClient => "response",
            };
            format!("{} {head} head {n}", edge_word(*edge))
        }
        Trigger::Event { message, host, fields, n, after } => {
            let mut text = format!("at event {n} `{message}`");
            text.extend(host.iter().map(|host| format!(" of {host}")));
            text.extend(fields.iter().map(|(name, value)| format!(" {name}={value}")));
            if !after.is_zero() {
                text.push_str(&format!(" + {}", exact(*after)));
            }
            text
        }
        Trigger::Connect => "at the connection attempt".to_owned(),
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Link { link, connection: Some(nth) } => format!("{link}#{nth}"),
        Target::Link { link, connection: None } => link.to_string(),
        Target::Between(one, other) => format!("everything between {one} and {other}"),
        Target::Host(host) => format!("host {host}"),
    }
}

/// A plan's time is exact: whoever replays it by hand types it.
fn exact(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

fn lasting(time: Option<Duration>) -> String {
    time.map_or("for good".to_owned(), |time| format!("for {}", exact(time)))
}

fn until(heal_after: Option<Duration>) -> String {
    heal_after.map_or(String::new(), |time| format!(", for {}", exact(time)))
}

fn restart(after: Option<Duration>) -> String {
    after.map_or("for good".to_owned(), |after| format!("back after {}", exact(after)))
}

fn ends(ends: Ends) -> &'static str {
    match ends {
        Ends::Both => "both ends",
        Ends::Client => "client only",
        Ends::Server => "server only",
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "to_server",
        Direction::ToClient => "to_client",
    }
}

fn half_open(kind: HalfOpenKind) -> &'static str {
    match kind {
        HalfOpenKind::Blackhole => "blackhole",
        HalfOpenKind::Stall => "stall",
        HalfOpenKind::Discard => "discard",
    }
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Fin => "fin",
        Ending::Rst => "rst",
        Ending::Silence => "silence",
    }
}

fn edge_word(edge: Edge) -> String {
    match edge {
        Edge::Before => "before".to_owned(),
        Edge::Inside(bytes) => format!("{bytes} bytes into"),
        Edge::After => "after".to_owned(),
    }
}

/// The kind of a frame, lower case.
pub(super) fn frame(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Continuation => "continuation",
        FrameKind::Text => "text",
        FrameKind::Binary => "binary",
        FrameKind::Close => "close",
        FrameKind::Ping => "ping",
        FrameKind::Pong => "pong",
    }
}

fn io_call(call: IoCall) -> &'static str {
    match call {
        IoCall::Read => "read",
        IoCall::Write => "write",
        IoCall::Flush => "flush",
        IoCall::Shutdown => "shutdown",
        IoCall::Accept => "accept",
    }
}

fn io_error(kind: IoErrorKind) -> &'static str {
    match kind {
        IoErrorKind::ConnectionReset => "ConnectionReset",
        IoErrorKind::ConnectionAborted => "ConnectionAborted",
        IoErrorKind::NotConnected => "NotConnected",
        IoErrorKind::BrokenPipe => "BrokenPipe",
        IoErrorKind::TimedOut => "TimedOut",
        IoErrorKind::TooManyOpenFiles => "TooManyOpenFiles",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Link;

    #[test]
    fn a_fault_reads_as_verb_target_and_trigger() {
        let link = Link { client: "alice".into(), server: "chat".into() };
        let reset = Fault {
            target: Target::Link { link, connection: Some(2) },
            trigger: Trigger::Message { n: 3, direction: Direction::ToServer, edge: Edge::Inside(7) },
            verb: Verb::Close { code: 1000, reason: "idle".to_owned(), to: Ends::Both },
        };
        assert_eq!(fault(&reset), "close(1000, \"idle\", both ends) on alice->chat#2 7 bytes into message 3 to_server");
        let crash = Fault {
            target: Target::Host("chat".into()),
            trigger: Trigger::At(Duration::from_millis(1500)),
            verb: Verb::Crash { restart_after: Some(Duration::from_secs(3)) },
        };
        assert_eq!(fault(&crash), "crash(back after 3s) on host chat at 1s 500ms");
    }
}
