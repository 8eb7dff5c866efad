//! The plane as an actuator sees it: bytes and times in, effects out.

mod attempts;
mod calls;
mod closing;
mod contents;
mod counts;
mod edges;
mod editing;
mod hosts;
mod http;
mod idle;
mod illegal;
mod machine;
mod parts;
mod reasons;
mod silence;
mod splits;
mod streams;
mod truncation;
mod upstream;

use std::time::Duration;

use bytes::Bytes;

use super::{ConnectVerdict, ConnectionKey, Effect, Hold, HostAct, Mode, Passage, Plane};
use crate::fault::{Act, Edge, Fault, Target, Trigger, Verb};
use crate::name::{ConnectionId, Direction, Link};
use crate::trace::Unit;

pub(crate) const UPGRADE: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: chat\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
pub(crate) const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
pub(crate) const ASK: &[u8] = b"GET /events HTTP/1.1\r\nHost: chat\r\n\r\n";
pub(crate) const CHUNKED_EVENTS: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A plane, a clock, and what the plane has answered.
pub(crate) struct Fixture {
    pub(crate) plane: Plane,
    pub(crate) now: Duration,
    /// What the last call with bytes gave back.
    pub(crate) rest: Bytes,
}

impl Fixture {
    /// A plane with alice's first connection to chat.
    pub(crate) fn connected(faults: &[Fault]) -> Self {
        let mut fixture = Self { plane: Plane::new(faults), now: Duration::ZERO, rest: Bytes::new() };
        assert_eq!(fixture.connect(1).0, ConnectVerdict::Proceed);
        fixture
    }

    /// The same, after a WebSocket handshake.
    pub(crate) fn websocket(faults: &[Fault]) -> Self {
        let mut fixture = Self::connected(faults);
        fixture.client_sends(UPGRADE);
        fixture.server_sends(SWITCHING);
        fixture
    }

    /// The same, after the head of a chunked event stream.
    pub(crate) fn events(faults: &[Fault]) -> Self {
        let mut fixture = Self::connected(faults);
        fixture.client_sends(ASK);
        fixture.server_sends(CHUNKED_EVENTS);
        fixture
    }

    pub(crate) fn connect(&mut self, nth: u32) -> (ConnectVerdict, Vec<Effect>) {
        let mut out = Vec::new();
        (self.plane.connect(key(nth), &connection(nth), self.now, &mut out), out)
    }

    pub(crate) fn send(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Effect> {
        self.send_on(1, direction, bytes)
    }

    pub(crate) fn send_on(&mut self, nth: u32, direction: Direction, bytes: &[u8]) -> Vec<Effect> {
        let mut out = Vec::new();
        let bytes = Bytes::copy_from_slice(bytes);
        self.rest = Bytes::new();
        match self.plane.bytes(key(nth), direction, bytes, self.now, &mut out) {
            Passage::Whole(bytes) => out.insert(0, Effect::Forward { connection: key(nth), direction, bytes }),
            Passage::Decided(rest) => self.rest = rest,
        }
        out
    }

    pub(crate) fn client_sends(&mut self, bytes: &[u8]) -> Vec<Effect> {
        self.send(Direction::ToServer, bytes)
    }

    pub(crate) fn server_sends(&mut self, bytes: &[u8]) -> Vec<Effect> {
        self.send(Direction::ToClient, bytes)
    }

    pub(crate) fn fin(&mut self, direction: Direction) -> Vec<Effect> {
        let mut out = Vec::new();
        self.plane.fin(key(1), direction, self.now, &mut out);
        out
    }

    /// Goes on to the next deadline.
    pub(crate) fn wait(&mut self) -> Vec<Effect> {
        self.now = self.plane.next_deadline().expect("something is due");
        let mut out = Vec::new();
        self.plane.timeout(self.now, &mut out);
        out
    }
}

pub(crate) fn link() -> Link {
    Link { client: "alice".into(), server: "chat".into() }
}

pub(crate) fn connection(nth: u32) -> ConnectionId {
    ConnectionId { link: link(), nth }
}

/// What the tests call alice's nth connection.
pub(crate) fn key(nth: u32) -> ConnectionKey {
    ConnectionKey(10 * nth)
}

/// A fault on the first connection from alice to chat on which the trigger comes true.
pub(crate) fn fault(trigger: Trigger, verb: impl OnLink) -> Fault {
    Fault { trigger, act: verb.act() }
}

/// A verb on the connections from alice to chat.
pub(crate) fn act(verb: impl Verb) -> Act {
    verb.act()
}

/// What can be done on the link from alice to chat.
pub(crate) trait OnLink {
    fn act(self) -> Act;
}

impl<V: Verb> OnLink for V {
    fn act(self) -> Act {
        Act::at(Target::Link { link: &link(), connection: None }, self).expect("a verb of links")
    }
}

impl OnLink for Act {
    fn act(self) -> Act {
        self
    }
}

pub(crate) fn message(n: u32, direction: Direction, edge: Edge) -> Trigger {
    Trigger::message(n, direction, edge)
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A frame as a server sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        medium @ 126..65536 => {
            frame.push(126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// A frame as a client sends it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut masked = frame(first, payload);
    let header = masked.len() - payload.len();
    masked[1] |= 0x80;
    for (n, byte) in masked[header..].iter_mut().enumerate() {
        *byte ^= key[n % 4];
    }
    masked.splice(header..header, key);
    masked
}

pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

pub(crate) fn chunk(payload: &str) -> Vec<u8> {
    format!("{:x}\r\n{payload}\r\n", payload.len()).into_bytes()
}

/// What arrives at the reader of a direction.
pub(crate) fn arriving(effects: &[Effect], of: Direction) -> Vec<u8> {
    let mut arriving = Vec::new();
    for effect in effects {
        if let Effect::Forward { direction, bytes, .. } | Effect::Inject { direction, bytes, .. } = effect
            && *direction == of
        {
            arriving.extend_from_slice(bytes);
        }
    }
    arriving
}

pub(crate) fn units(effects: &[Effect]) -> Vec<Unit> {
    let unit = |effect: &Effect| match effect {
        Effect::Unit { unit, .. } => Some(unit.clone()),
        _ => None,
    };
    effects.iter().filter_map(unit).collect()
}

/// Effects, one line each, without the connection's name; units are left out.
pub(crate) fn lines(effects: &[Effect]) -> Vec<String> {
    effects.iter().filter(|effect| !matches!(effect, Effect::Unit { .. })).map(line).collect()
}

fn line(effect: &Effect) -> String {
    match effect {
        Effect::Forward { direction, bytes, .. } => format!("forward {direction} {}", bytes.escape_ascii()),
        Effect::Discard { direction, bytes, .. } => format!("discard {direction} {bytes}"),
        Effect::Inject { direction, bytes, .. } => format!("inject {direction} {}", bytes.escape_ascii()),
        Effect::ForwardFin { direction, .. } => format!("forward fin {direction}"),
        Effect::Fin { to, .. } => format!("fin to {to}"),
        Effect::Rst { to, .. } => format!("rst to {to}"),
        Effect::Mode { direction, mode: Mode::Pass, .. } => format!("{direction} passes"),
        Effect::Mode { direction, mode: Mode::Silent(kind, _), .. } => format!("{direction} silent {kind:?}"),
        Effect::Mode { direction, mode: Mode::Severed(_), .. } => format!("{direction} severed"),
        Effect::Unit { unit, .. } => format!("{unit:?}"),
        Effect::Hold { between: Hold::Host(host), .. } => format!("hold {host}"),
        Effect::Hold { between: Hold::Between(one, other), .. } => format!("hold {one} {other}"),
        Effect::Release { .. } => "release".to_owned(),
        Effect::Hold { between: Hold::OneWay { from, to }, .. } => format!("hold from {from} to {to}"),
        Effect::Shape { direction, shaping, .. } => format!("shape {direction} {shaping:?}"),
        Effect::Unshape { .. } => "unshape".to_owned(),
        Effect::Kept { direction, .. } => format!("keep {direction}"),
        Effect::Forgotten { .. } => "forgotten".to_owned(),
        Effect::Lookup { link, answer, once, .. } => {
            format!("lookups of {} by {}: {answer:?}{}", link.server, link.client, if *once { ", once" } else { "" })
        }
        Effect::IoError { connection, side, call, kind, nth, .. } => {
            format!("{call:?} {nth} of {side} of #{}: {kind:?}", connection.0 / 10)
        }
        Effect::AcceptError { link, kind, nth, .. } => format!("accept {nth} of {link}: {kind:?}"),
        Effect::Host { host, act: HostAct::Crash, .. } => format!("crash {host}"),
        Effect::Host { host, act: HostAct::PowerLoss, .. } => format!("power loss {host}"),
        Effect::Host { host, act: HostAct::Restart { pause }, .. } => format!("restart {host} after {pause:?}"),
        Effect::Host { host, act: HostAct::JumpClock { by, back }, .. } => {
            format!("{host}'s clock goes {by:?} {}", if *back { "back" } else { "forward" })
        }
        Effect::Host { host, act: HostAct::Start, .. } => format!("start {host}"),
        Effect::Fired { on, verb, .. } => format!("{on}: {verb}"),
        Effect::Healed { .. } => "healed".to_owned(),
    }
}
