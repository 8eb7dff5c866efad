//! Faults in words, as reports and stories show them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::fault::{Edge, Ending, Ends, FrameKind, HalfOpenKind, IoCall, IoErrorKind, Target, Trigger, Verb};

/// A verb with its arguments: `close(1000, "idle")`, `half_open(blackhole)`.
///
/// ```
/// use halfopen::fault::{Ends, Verb};
/// use halfopen::plane::describe_verb;
///
/// let verb = Verb::Close { code: 1000, reason: "idle".into(), to: Ends::Both };
/// assert_eq!(describe_verb(&verb), r#"close(1000, "idle")"#);
/// ```
pub fn describe_verb(verb: &Verb) -> String {
    let (name, arguments) = match verb {
        Verb::Reset { to } => ("reset", vec![ends(*to)]),
        Verb::Drop { to } => ("drop", vec![ends(*to)]),
        Verb::Close { code, reason, to } => {
            let reason = (!reason.is_empty()).then(|| format!("{reason:?}"));
            ("close", vec![Some(code.to_string()), reason, ends(*to)])
        }
        Verb::HalfOpen { kind, direction, heal_after } => {
            let direction = direction.map(|direction| direction.to_string());
            ("half_open", vec![Some(half_open(*kind).to_owned()), direction, after("heals", *heal_after)])
        }
        Verb::Cut { ending } => ("cut", vec![Some(cut_ending(*ending).to_owned())]),
        Verb::TruncateClean => ("truncate_clean", vec![]),
        Verb::Freeze { thaw_after } => ("freeze", vec![after("thaws", *thaw_after)]),
        Verb::Partition { heal_after } => ("partition", vec![after("heals", *heal_after)]),
        Verb::Refuse { lasting } => ("refuse", vec![for_time(*lasting)]),
        Verb::Delay { by, lasting } => ("delay", vec![Some(time(*by)), for_time(*lasting)]),
        Verb::Jitter { up_to, lasting } => ("jitter", vec![Some(time(*up_to)), for_time(*lasting)]),
        Verb::IoError { call, kind, nth, side } => {
            let nth = (*nth > 1).then(|| format!("nth {nth}"));
            let words = [io_call(*call), io_error(*kind)].map(|word| Some(word.to_owned()));
            ("io_error", words.into_iter().chain([nth, Some(side.to_string())]).collect())
        }
        Verb::Crash { restart_after } => ("crash", vec![after("restarts", *restart_after)]),
        Verb::PowerLoss { restart_after } => ("power_loss", vec![after("restarts", *restart_after)]),
        Verb::Restart { pause } => ("restart", vec![after("starts", Some(*pause))]),
    };
    let arguments: Vec<_> = arguments.into_iter().flatten().collect();
    if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(", ")) }
}

/// When a fault strikes: `after to_client message 3`, `7 bytes into sse event 2`, `2s after event "job started" on scheduler`.
pub fn describe_trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::At(at) => format!("at {}", time(*at)),
        Trigger::Message { n, direction, edge } => format!("{} {direction} message {n}", place(*edge)),
        Trigger::Frame { kind, n, direction, edge } => {
            format!("{} {direction} {} frame {n}", place(*edge), frame(*kind))
        }
        Trigger::SseEvent { n, edge } => format!("{} sse event {n}", place(*edge)),
        Trigger::Bytes { n, direction } => format!("after {n} {direction} bytes"),
        Trigger::HttpHead { n, direction, edge } => format!("{} {direction} http head {n}", place(*edge)),
        Trigger::Event { message, host, fields, n, after } => {
            let mut text = if after.is_zero() { "at".to_owned() } else { format!("{} after", time(*after)) };
            text.push_str(&format!(" event {message:?}"));
            if *n > 1 {
                text.push_str(&format!(" #{n}"));
            }
            if let Some(host) = host {
                text.push_str(&format!(" on {host}"));
            }
            for (nth, (name, value)) in fields.iter().enumerate() {
                text.push_str(&format!(" {} {name}={value}", if nth == 0 { "with" } else { "and" }));
            }
            text
        }
        Trigger::Connect => "at the connection attempt".to_owned(),
    }
}

/// What a fault strikes: `alice->scheduler#2`, `alice->scheduler`, `between a and b`, `host scheduler`.
pub fn describe_target(target: &Target) -> String {
    match target {
        Target::Link { link, connection: Some(nth) } => format!("{link}#{nth}"),
        Target::Link { link, connection: None } => link.to_string(),
        Target::Between(one, other) => format!("between {one} and {other}"),
        Target::Host(host) => format!("host {host}"),
    }
}

impl Display for Verb {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&describe_verb(self))
    }
}

impl Display for Trigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&describe_trigger(self))
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&describe_target(self))
    }
}

fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

fn after(what: &str, delay: Option<Duration>) -> Option<String> {
    delay.map(|delay| format!("{what} after {}", time(delay)))
}

fn for_time(lasting: Option<Duration>) -> Option<String> {
    lasting.map(|lasting| format!("for {}", time(lasting)))
}

fn place(edge: Edge) -> String {
    match edge {
        Edge::Before => "before".to_owned(),
        Edge::Inside(1) => "1 byte into".to_owned(),
        Edge::Inside(k) => format!("{k} bytes into"),
        Edge::After => "after".to_owned(),
    }
}

fn ends(ends: Ends) -> Option<String> {
    match ends {
        Ends::Both => None,
        Ends::Client => Some("client only".to_owned()),
        Ends::Server => Some("server only".to_owned()),
    }
}

fn half_open(kind: HalfOpenKind) -> &'static str {
    match kind {
        HalfOpenKind::Blackhole => "blackhole",
        HalfOpenKind::Stall => "stall",
        HalfOpenKind::Discard => "discard",
    }
}

fn cut_ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Fin => "fin",
        Ending::Rst => "rst",
        Ending::Silence => "silence",
    }
}

fn frame(kind: FrameKind) -> &'static str {
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
        IoErrorKind::ConnectionReset => "connection_reset",
        IoErrorKind::ConnectionAborted => "connection_aborted",
        IoErrorKind::NotConnected => "not_connected",
        IoErrorKind::BrokenPipe => "broken_pipe",
        IoErrorKind::TimedOut => "timed_out",
        IoErrorKind::TooManyOpenFiles => "too_many_open_files",
    }
}
