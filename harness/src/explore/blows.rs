//! Every verb at every point where it makes sense, with the arguments that differ in what they break.
//!
//! An argument that only says how long something lasts has a short and a long value: one that ends before anybody can have
//! noticed, and one that outlasts every usual keepalive. Nothing lasts for good that a service could not get out of by
//! itself: what holds packets heals, and who is killed starts again.

use std::time::Duration;

use super::learn::{Attempt, Course, Kind, Moment, Passed};
use crate::fault::{
    AcceptError, AcceptThenReset, Buffer, ClockJump, Close, ConnectError, ConnectHang, Connections, Corrupt, Crash,
    Cut, CutEnding, Delay, Drip, Drop, DuplicateMessage, Edge, Ends, Fault, Freeze, HalfClose, HalfOpen, HalfOpenKind,
    HandshakeStall, Illegal, IllegalKind, IoError, IoErrorKind, Jitter, LookupError, LookupFails, LookupMoves,
    Partition, PowerLoss, Refuse, ReorderMessages, Reset, Restart, Split, StreamCall, Throttle, Trigger, TruncateClean,
    Upstream,
};
use crate::name::{ConnectionId, Direction, HostName, Link, Side};

/// Ends before a keepalive can have noticed.
const SHORT: Duration = Duration::from_secs(5);
/// Outlasts the usual keepalive of 20 s with its 20 s for an answer twice.
const LONG: Duration = Duration::from_secs(90);
/// How long packets are shaped: long enough for everything that is under way to be.
const SHAPED: Duration = Duration::from_secs(30);
/// How long a process is away between two lives.
const AWAY: Duration = Duration::from_secs(2);
/// As after a change to summer time, or a virtual machine that was suspended.
const CLOCK: Duration = Duration::from_secs(3600);

/// What kind of conversation a connection carries, as far as verbs ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carries {
    /// WebSocket frames can be sent on it.
    pub(super) frames: bool,
    /// It has bodies in chunks, or event streams.
    pub(super) bodies: bool,
}

impl Carries {
    /// What a connection carried in a run.
    pub(super) fn of(course: &Course, connection: &ConnectionId) -> Self {
        let units = course.units.iter().filter(|unit| unit.connection == *connection);
        units.fold(Self::default(), |seen, unit| match unit.kind {
            Kind::Frame(_) | Kind::Message => Self { frames: true, ..seen },
            Kind::Chunk | Kind::SseEvent => Self { bodies: true, ..seen },
            Kind::Head => seen,
        })
    }
}

/// Everything that can be done at one edge of a unit.
///
/// What is forged must be a service's to withstand. Messages have names and numbers by which their protocol knows one that
/// comes twice, late or changed; events of a stream have none. And an answer that is forged on its way to a script is what that
/// script then bears witness of.
pub(super) fn at_unit(unit: &Passed, edge: Edge, carries: Carries, reads_as_witness: bool) -> Vec<Fault> {
    let on = Connections { link: unit.connection.link.clone(), nth: Some(unit.connection.nth) };
    let mut here = Here { on, trigger: unit.trigger(edge), faults: Vec::new() };
    here.cuts();
    match edge {
        Edge::Inside(_) => {}
        Edge::Before => here.shapes(unit.direction),
        Edge::After => {
            here.endings();
            here.silences();
            here.calls();
            here.edits(unit);
            if carries.frames && unit.kind != Kind::Head {
                here.frames(unit.sender().peer());
            }
            if (carries.bodies || unit.kind == Kind::Head) && !reads_as_witness {
                here.bodies();
            }
        }
    }
    here.possible()
}

/// Faults at one trigger of one connection.
struct Here {
    on: Connections,
    trigger: Trigger,
    faults: Vec<Fault>,
}

macro_rules! strike {
    ($here:ident, $($verb:expr),+ $(,)?) => {
        $($here.faults.push(Fault::new($here.on.clone(), $here.trigger.clone(), $verb));)+
    };
}

impl Here {
    fn cuts(&mut self) {
        for ending in [CutEnding::Fin, CutEnding::Rst, CutEnding::Silence] {
            strike!(self, Cut { ending });
        }
    }

    /// What changes how this unit and what follows travels.
    fn shapes(&mut self, direction: Direction) {
        let direction = Some(direction);
        for by in [SHORT, LONG] {
            strike!(self, Delay { by, lasting: Some(SHAPED) });
        }
        strike!(
            self,
            Jitter { up_to: SHORT, lasting: Some(SHAPED) },
            Throttle { bytes_per_second: 20, direction, lasting: Some(SHAPED) },
            Drip { bytes: 1, every: Duration::from_millis(20), direction, lasting: Some(SHAPED) },
            Split { bytes: 1, direction, lasting: Some(SHAPED) },
            Buffer { bytes: 64 * 1024, flush_after: None, direction, lasting: Some(SHAPED) },
        );
    }

    fn endings(&mut self) {
        for to in [Ends::Both, Ends::Client, Ends::Server] {
            strike!(self, Reset { to }, Drop { to });
        }
        for by in [Side::Client, Side::Server] {
            strike!(self, HalfClose { by });
        }
    }

    /// What is thrown away does not come again, so a `discard` never heals: the bytes behind a gap are none that TCP could
    /// deliver.
    fn silences(&mut self) {
        for kind in [HalfOpenKind::Blackhole, HalfOpenKind::Stall, HalfOpenKind::Discard] {
            for direction in [None, Some(Direction::ToServer), Some(Direction::ToClient)] {
                strike!(self, HalfOpen { kind, direction, heal_after: None });
            }
        }
        for kind in [HalfOpenKind::Blackhole, HalfOpenKind::Stall] {
            for heal_after in [SHORT, LONG] {
                strike!(self, HalfOpen { kind, direction: None, heal_after: Some(heal_after) });
            }
        }
    }

    fn calls(&mut self) {
        let failures = [
            (StreamCall::Read, IoErrorKind::ConnectionReset),
            (StreamCall::Read, IoErrorKind::TimedOut),
            (StreamCall::Write, IoErrorKind::BrokenPipe),
            (StreamCall::Write, IoErrorKind::ConnectionReset),
            (StreamCall::Flush, IoErrorKind::BrokenPipe),
            (StreamCall::Shutdown, IoErrorKind::NotConnected),
        ];
        for side in [Side::Client, Side::Server] {
            for (call, kind) in failures {
                strike!(self, IoError { call, kind, nth: 1, side, lasting: None });
            }
        }
    }

    fn edits(&mut self, unit: &Passed) {
        if unit.kind != Kind::Message {
            return;
        }
        strike!(
            self,
            Corrupt,
            DuplicateMessage { copies: 1 },
            DuplicateMessage { copies: 2 },
            ReorderMessages { by: 1 },
            ReorderMessages { by: 2 },
        );
    }

    /// Frames that a hop or the peer might send. Illegal ones go to the reader of the unit.
    fn frames(&mut self, reader: Side) {
        for (code, to) in [
            (Some(1000), Ends::Both),
            (Some(1000), Ends::Client),
            (Some(1000), Ends::Server),
            (Some(1001), Ends::Both),
            (Some(1011), Ends::Both),
            (Some(1012), Ends::Both),
            (None, Ends::Both),
        ] {
            strike!(self, Close { code, reason: String::new(), to });
        }
        let to = if reader == Side::Client { Ends::Client } else { Ends::Server };
        for kind in IllegalKind::ALL {
            strike!(self, Illegal { kind, to });
        }
    }

    fn bodies(&mut self) {
        let stall = |heal_after| Upstream::Stall { heal_after };
        strike!(self, TruncateClean, Upstream::Status { status: 500 }, Upstream::Status { status: 503 });
        strike!(self, Upstream::Status { status: 429 }, Upstream::MissingDone);
        strike!(self, Upstream::SlowHead { by: SHORT }, Upstream::SlowHead { by: LONG });
        strike!(self, Upstream::ErrorEvent { message: "the model has failed".to_owned() });
        strike!(self, stall(None), stall(Some(SHORT)));
    }

    /// Those that do not refuse the trigger.
    fn possible(self) -> Vec<Fault> {
        possible(self.faults)
    }
}

/// Everything that can be done to an attempt to connect, to the lookup before it and to the `accept` behind it.
pub(super) fn at_attempt(attempt: &Attempt, elsewhere: Option<&HostName>) -> Vec<Fault> {
    let link = &attempt.id.link;
    let on = Connections { link: link.clone(), nth: Some(attempt.id.nth) };
    let mut here = Here { on, trigger: Trigger::Connect, faults: Vec::new() };
    for lasting in [None, Some(SHORT)] {
        strike!(here, Refuse { lasting }, HandshakeStall { lasting }, AcceptThenReset { lasting });
    }
    for lasting in [None, Some(SHAPED)] {
        strike!(here, ConnectHang { lasting });
    }
    for kind in [IoErrorKind::NetworkUnreachable, IoErrorKind::AddressNotAvailable, IoErrorKind::TooManyOpenFiles] {
        strike!(here, ConnectError { kind, nth: 1, lasting: None });
    }
    strike!(
        here,
        AcceptError { kind: IoErrorKind::ConnectionAborted, nth: 1, lasting: None },
        AcceptError { kind: IoErrorKind::TooManyOpenFiles, nth: 1, lasting: None },
        AcceptError { kind: IoErrorKind::TooManyOpenFiles, nth: 1, lasting: Some(SHORT) },
    );
    let mut faults = here.possible();
    faults.extend(lookups(link, attempt.at, elsewhere));
    faults
}

/// A lookup comes before its attempt, at the same instant or earlier.
fn lookups(link: &Link, attempted: Duration, elsewhere: Option<&HostName>) -> Vec<Fault> {
    let before = Trigger::At(attempted.saturating_sub(Duration::from_millis(1)));
    let fails = |kind, lasting| Fault::new(link.clone(), before.clone(), LookupFails { kind, lasting });
    let mut faults = vec![
        fails(LookupError::NoSuchName, None),
        fails(LookupError::ServerFailure, None),
        fails(LookupError::NoSuchName, Some(SHORT)),
    ];
    if let Some(to) = elsewhere {
        faults.push(Fault::new(link.clone(), before, LookupMoves { to: to.clone(), lasting: Some(SHORT) }));
    }
    possible(faults)
}

/// Everything that can be done to a host at one of its instants. A script is only frozen, or its clock set: whose process
/// dies with what it has offered is not there to be asked.
pub(super) fn at_moment(moment: &Moment, is_actor: bool) -> Vec<Fault> {
    let (host, trigger) = (&moment.host, moment.trigger());
    let mut faults = Vec::new();
    for thaw_after in [SHORT, LONG] {
        faults.push(Fault::new(host.clone(), trigger.clone(), Freeze { thaw_after: Some(thaw_after) }));
    }
    for jump in [ClockJump::Forward(CLOCK), ClockJump::Back(CLOCK)] {
        faults.push(Fault::new(host.clone(), trigger.clone(), jump));
    }
    if !is_actor {
        let restart_after = Some(AWAY);
        faults.push(Fault::new(host.clone(), trigger.clone(), Crash { restart_after }));
        faults.push(Fault::new(host.clone(), trigger.clone(), PowerLoss { restart_after }));
        faults.push(Fault::new(host.clone(), trigger, Restart { pause: AWAY }));
    }
    possible(faults)
}

/// Everything that can be done between two hosts at an instant at which something passed between them.
pub(super) fn at_instant(link: &Link, at: Duration) -> Vec<Fault> {
    let (one, other) = (link.client.clone(), link.server.clone());
    let partition = |pair: (HostName, HostName), one_way, heal_after| {
        Fault::new(pair, Trigger::At(at), Partition { one_way, heal_after: Some(heal_after) })
    };
    let (there, back) = ((one.clone(), other.clone()), (other, one));
    possible(vec![
        partition(there.clone(), false, SHORT),
        partition(there.clone(), false, LONG),
        partition(there, true, LONG),
        partition(back, true, LONG),
    ])
}

fn possible(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.retain(|fault| fault.act.verb().refusal(&fault.trigger).is_none());
    faults
}
