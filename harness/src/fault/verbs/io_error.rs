//! `io_error`: the local call itself fails. The word stands for three verbs, because calls are made at three places: on a
//! connection, before there is one (`connect`), and on a listener (`accept`).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::fault::{
    Act, AttemptFate, AttemptVerb, ConnectionVerb, Holds, IoCall, IoErrorKind, Key, Lacked, ListenerVerb, Mistake,
    OnAttempt, OnConnection, OnListener, Target, Trigger, Verb, time, to_word, words,
};
use crate::name::Side;
use crate::plane::Struck;
use crate::scenario::{Millis, ScenarioError, Section};

/// A call on a connection fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoError {
    /// Which call.
    pub call: StreamCall,
    /// With what.
    pub kind: IoErrorKind,
    /// Which such call after the trigger, from 1.
    pub nth: u32,
    /// On which end.
    pub side: Side,
    /// For how long each such call fails, from the nth on; one call only without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

/// A call on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamCall {
    /// `read`.
    Read,
    /// `write`.
    Write,
    /// `flush`, which only the sockets of `halfopen-net` make a call of.
    Flush,
    /// `shutdown`.
    Shutdown,
}

/// The client's `connect` fails. No SYN is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectError {
    /// With what.
    pub kind: IoErrorKind,
    /// Which attempt after the trigger, from 1.
    pub nth: u32,
    /// For how long each attempt fails, from the nth on; one only without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

/// The server's `accept` fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptError {
    /// With what.
    pub kind: IoErrorKind,
    /// Which call after the trigger, from 1.
    pub nth: u32,
    /// For how long each call fails, from the nth on; one only without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

/// The word of the three.
const WORD: &str = "io_error";
/// What the three do.
const DOES: &str = "the local call itself fails";
/// The keys of the three.
const KEYS: &[Key] = &[
    Key::required("call", Holds::Word(CALLS), "the call that fails"),
    Key::required("kind", Holds::Word(KINDS), "what it fails with"),
    Key::or("nth", Holds::COUNT, "1", "the first such call that fails, from the trigger on"),
    Key::optional(
        "side",
        Holds::Word(crate::fault::key::SIDES),
        "of `accept` the server, of `connect` the client, else a mistake",
        "the end whose call fails",
    ),
    Key::optional("lasting", Holds::Time, "one call only", "how long such calls fail"),
];
/// The words for the calls, in the order of [`IoCall::ALL`].
const CALLS: &[&str] = &["read", "write", "flush", "shutdown", "accept", "connect"];
/// The words for the errors, in the order of [`IoErrorKind::ALL`].
const KINDS: &[&str] = &[
    "connection_reset",
    "connection_aborted",
    "not_connected",
    "broken_pipe",
    "timed_out",
    "too_many_open_files",
    "too_many_open_files_in_system",
    "connection_refused",
    "network_unreachable",
    "host_unreachable",
    "network_down",
    "address_not_available",
    "address_in_use",
    "permission_denied",
    "not_permitted",
    "no_buffer_space",
];

impl StreamCall {
    fn io(self) -> IoCall {
        match self {
            Self::Read => IoCall::Read,
            Self::Write => IoCall::Write,
            Self::Flush => IoCall::Flush,
            Self::Shutdown => IoCall::Shutdown,
        }
    }
}

/// What the three say of themselves.
struct Failure {
    call: IoCall,
    kind: IoErrorKind,
    nth: u32,
    side: Side,
    lasting: Option<Duration>,
}

impl Failure {
    fn arguments(&self) -> Vec<String> {
        let nth = (self.nth > 1).then(|| format!("nth {}", self.nth));
        let (call, kind, side) = (to_word(&self.call), to_word(&self.kind), self.side.to_string());
        [Some(call), Some(kind), nth, Some(side), words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.nth == 0).then(|| Mistake::new("nth", "calls are counted from 1"))
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let lasting = self.lasting.map(|time| ("lasting", Value::String(words::written(time))));
        let keys = [
            ("call", Value::String(to_word(&self.call))),
            ("kind", Value::String(to_word(&self.kind))),
            ("nth", Value::Integer(self.nth.into())),
            ("side", Value::String(to_word(&self.side))),
        ];
        keys.into_iter().chain(lasting).collect()
    }
}

impl IoError {
    fn failure(&self) -> Failure {
        let Self { call, kind, nth, side, lasting } = *self;
        Failure { call: call.io(), kind, nth, side, lasting }
    }
}

impl ConnectError {
    fn failure(&self) -> Failure {
        let Self { kind, nth, lasting } = *self;
        Failure { call: IoCall::Connect, kind, nth, side: Side::Client, lasting }
    }
}

impl AcceptError {
    fn failure(&self) -> Failure {
        let Self { kind, nth, lasting } = *self;
        Failure { call: IoCall::Accept, kind, nth, side: Side::Server, lasting }
    }
}

impl Verb for IoError {
    type Place = OnConnection;
    const WORD: &'static str = WORD;
    const DOES: &'static str = DOES;
    const KEYS: &'static [Key] = KEYS;

    fn arguments(&self) -> Vec<String> {
        self.failure().arguments()
    }

    fn mistake(&self) -> Option<Mistake> {
        self.failure().mistake()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        self.failure().written()
    }
}

impl ConnectionVerb for IoError {
    fn strike(&self, struck: &mut Struck<'_>) {
        struck.fail_call(self.side, self.call.io(), self.kind, self.nth, self.lasting.is_some());
    }

    fn lacked(&self) -> Lacked {
        Lacked::Call(self.call.io(), self.nth)
    }
}

impl Verb for ConnectError {
    type Place = OnAttempt;
    const WORD: &'static str = WORD;
    const DOES: &'static str = DOES;
    const KEYS: &'static [Key] = KEYS;

    fn arguments(&self) -> Vec<String> {
        self.failure().arguments()
    }

    fn mistake(&self) -> Option<Mistake> {
        self.failure().mistake()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        let fits = matches!(trigger, Trigger::At(_) | Trigger::Event { .. } | Trigger::Connect);
        (!fits).then(|| "a `connect` that fails carries nothing: it takes `connect`, `at` or `event`".to_owned())
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        self.failure().written()
    }
}

impl AttemptVerb for ConnectError {
    fn fate(&self) -> AttemptFate {
        AttemptFate::Fails(self.kind)
    }

    fn nth(&self) -> u32 {
        self.nth
    }
}

impl Verb for AcceptError {
    type Place = OnListener;
    const WORD: &'static str = WORD;
    const DOES: &'static str = DOES;
    const KEYS: &'static [Key] = KEYS;

    fn arguments(&self) -> Vec<String> {
        self.failure().arguments()
    }

    fn mistake(&self) -> Option<Mistake> {
        self.failure().mistake()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        self.failure().written()
    }
}

impl ListenerVerb for AcceptError {
    fn error(&self) -> IoErrorKind {
        self.kind
    }

    fn nth(&self) -> u32 {
        self.nth
    }
}

/// Reads which of the three it is, and reads that.
pub(super) fn read(section: &Section<'_>, target: Target<'_>) -> Result<Option<Act>, ScenarioError> {
    let call: IoCall = section.required("call")?;
    let side: Option<Side> = section.optional("side")?;
    let only = |side: Option<Side>, own: Side, sentence: &str| match side {
        Some(other) if other != own => Err(section.place_of("side").error(sentence)),
        Some(_) | None => Ok(()),
    };
    let (kind, nth) = (section.required("kind")?, section.or("nth", 1)?);
    let lasting = section.optional::<Millis>("lasting")?.map(|time| time.0);
    let stream = |call| {
        let side = section.required("side")?;
        Ok(Act::at(target, IoError { call, kind, nth, side, lasting }))
    };
    match call {
        IoCall::Read => stream(StreamCall::Read),
        IoCall::Write => stream(StreamCall::Write),
        IoCall::Flush => stream(StreamCall::Flush),
        IoCall::Shutdown => stream(StreamCall::Shutdown),
        IoCall::Accept => {
            only(side, Side::Server, "only the server accepts")?;
            Ok(Act::at(target, AcceptError { kind, nth, lasting }))
        }
        IoCall::Connect => {
            only(side, Side::Client, "only the client connects")?;
            Ok(Act::at(target, ConnectError { kind, nth, lasting }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::{effects, told};

    #[test]
    fn the_words_are_those_of_the_calls_and_errors() {
        assert_eq!(IoCall::ALL.map(|call| to_word(&call)).as_slice(), CALLS);
        assert_eq!(IoErrorKind::ALL.map(|kind| to_word(&kind)).as_slice(), KINDS);
    }

    #[test]
    fn each_call_reads_as_it_is_told_with_the_only_side_that_makes_it() {
        let accept = "do = 'io_error'\ncall = 'accept'\nkind = 'broken_pipe'\nnth = 2";
        told(accept, "io_error(accept, broken_pipe, nth 2, server)");
        let connect = "do = 'io_error'\ncall = 'connect'\nkind = 'timed_out'\nlasting = '5s'";
        told(connect, "io_error(connect, timed_out, client, for 5s)");
        let write = "do = 'io_error'\ncall = 'write'\nkind = 'broken_pipe'\nside = 'client'";
        told(write, "io_error(write, broken_pipe, client)");
    }

    #[test]
    fn a_call_on_a_connection_and_a_call_on_a_listener_are_made_to_fail() {
        let write = effects("do = 'io_error'\ncall = 'write'\nkind = 'broken_pipe'\nside = 'client'");
        let fired = "alice->chat#1: io_error(write, broken_pipe, client)";
        assert_eq!(write, [fired, "Write 1 of client of #1: BrokenPipe"]);
        let accept = effects("do = 'io_error'\ncall = 'accept'\nkind = 'broken_pipe'");
        let fired = "alice->chat: io_error(accept, broken_pipe, server)";
        assert_eq!(accept, [fired, "accept 1 of alice->chat: BrokenPipe"]);
    }
}
