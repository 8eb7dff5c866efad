//! One connection: its two legs, and what protocols and faults make them share.

use std::time::Duration;

use bytes::Bytes;

use super::awaited::Pending;
use super::encode::close_frame;
use super::exchange::Exchanges;
use super::idle::Idleness;
use super::leg::{Disposition, Leg, Stop};
use super::reasons::Speech;
use super::watch::{Seen, StrikePoint, Watch};
use super::{ConnectionKey, Effect, Mode};
use crate::fault::{Fault, FaultIndex, HalfOpenKind, Trigger};
use crate::name::{ConnectionId, Direction, Side};

/// How long an end that was sent a Close frame may take to answer with its own: the default of Python's `websockets` is
/// 10 s and that of most gateways 1 to 5 s.
pub(super) const CLOSE_ANSWER: Duration = Duration::from_secs(2);

/// The state of a connection between its SYN and its end.
#[derive(Debug)]
pub(super) struct TrackedConnection {
    pub(super) key: ConnectionKey,
    pub(super) id: ConnectionId,
    pub(super) to_server: Leg,
    pub(super) to_client: Leg,
    exchanges: Exchanges,
    pub(super) idleness: Idleness,
    /// The closing handshakes that a fault has begun with the client and with the server.
    closing_client: Option<Closing>,
    closing_server: Option<Closing>,
    /// The fault that resets it as soon as it is established.
    pub(super) reset_on_establish: Option<FaultIndex>,
}

/// A closing handshake with one end.
#[derive(Debug)]
struct Closing {
    fault: FaultIndex,
    frame: Bytes,
    /// Whether the other end is closed too; else it hears nothing.
    both: bool,
    /// Whether the end has been sent its Close frame.
    sent: bool,
}

/// What a step of a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing more to do until something arrives.
    Idle,
    /// A fault's trigger has come true.
    Strike(FaultIndex, StrikePoint),
}

impl TrackedConnection {
    /// A connection whose SYN was sent just now, under the faults that may strike it by its units.
    pub(super) fn new<'a>(
        key: ConnectionKey,
        id: ConnectionId,
        faults: impl Iterator<Item = (FaultIndex, &'a Fault)> + Clone,
        now: Duration,
    ) -> Self {
        let finely = faults.clone().any(|(_, fault)| wants_fine_marks(fault));
        let idleness = Idleness::new(faults.clone(), now);
        let leg = |direction| {
            let watches = faults.clone().filter_map(|(index, fault)| Watch::over(direction, fault, index)).collect();
            Leg::new(key, direction, watches, finely)
        };
        let (to_server, to_client) = (leg(Direction::ToServer), leg(Direction::ToClient));
        let exchanges = Exchanges::default();
        Self {
            key,
            id,
            to_server,
            to_client,
            exchanges,
            idleness,
            closing_client: None,
            closing_server: None,
            reset_on_establish: None,
        }
    }

    /// Whether a fault can still change anything.
    pub(super) fn is_open(&self) -> bool {
        self.to_server.fate() != Disposition::Severed || self.to_client.fate() != Disposition::Severed
    }

    pub(super) fn leg(&mut self, direction: Direction) -> &mut Leg {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    pub(super) fn leg_of(&self, direction: Direction) -> &Leg {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    fn closing(&mut self, side: Side) -> &mut Option<Closing> {
        match side {
            Side::Client => &mut self.closing_client,
            Side::Server => &mut self.closing_server,
        }
    }

    /// Whether a direction's bytes pass as they come, and there is nothing to be read in them.
    pub(super) fn is_indifferent(&self, direction: Direction) -> bool {
        self.leg_of(direction).is_indifferent() && self.idleness.is_unimportant()
    }

    /// Reads bytes of a direction that is [plain](Leg::is_plain) and passes.
    pub(super) fn read_plain(&mut self, direction: Direction, bytes: &[u8], out: &mut Vec<Effect>) {
        let leg = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        let switched = self.exchanges.switched.is_some();
        leg.read_plain(bytes, &mut self.exchanges, out);
        if !switched {
            self.adopt_switch();
        }
    }

    /// Reads what has arrived in a direction, and does with it what its fate says.
    pub(super) fn advance(&mut self, direction: Direction, armed: &[bool], out: &mut Vec<Effect>) -> Step {
        loop {
            let leg = match direction {
                Direction::ToServer => &mut self.to_server,
                Direction::ToClient => &mut self.to_client,
            };
            let halt = match leg.fate() {
                Disposition::Pass => leg.run(armed, &mut self.exchanges, out),
                Disposition::Silent(..) => return Step::Idle,
                Disposition::Discarded(fault) => {
                    leg.discard(fault, &mut self.exchanges, out);
                    self.adopt_switch();
                    return Step::Idle;
                }
                Disposition::Drained(fault) => {
                    leg.discard(fault, &mut self.exchanges, out);
                    self.settle_closing(out);
                    return Step::Idle;
                }
                Disposition::Severed => {
                    leg.forget();
                    return Step::Idle;
                }
            };
            self.adopt_switch();
            match halt {
                Stop::Idle => {
                    self.pass_fin(direction, out);
                    return Step::Idle;
                }
                Stop::Strike(fault, due) => return Step::Strike(fault, due),
                Stop::Boundary(awaited) => self.go_on(direction, awaited, out),
            }
        }
    }

    /// A boundary that a fault has waited for is here.
    fn go_on(&mut self, direction: Direction, awaited: Pending, out: &mut Vec<Effect>) {
        let connection = self.key;
        let leg = self.leg(direction);
        let read = leg.read();
        match awaited {
            Pending::Close => {
                leg.pass(read, out);
                self.send_close(reader(direction), out);
                self.settle_closing(out);
            }
            Pending::Frame { fault, bytes } => {
                leg.pass(read, out);
                out.push(Effect::Inject { connection, direction, bytes, fault });
            }
            Pending::BodyEnd { fault, event } => {
                leg.pass(read, out);
                self.end_body(&event, fault, out);
            }
            Pending::Emptied(fault) => leg.discard_up_to(read, fault, out),
            Pending::Place(deferred) => self.put_in_place(direction, deferred, out),
        }
    }

    /// The direction to the server learns from the response what the connection has become.
    fn adopt_switch(&mut self) {
        if let Some(switch) = self.exchanges.switched {
            self.to_server.switch(switch);
        }
    }

    /// The sender has finished.
    pub(super) fn fin(&mut self, direction: Direction, out: &mut Vec<Effect>) {
        let awaited = std::mem::take(&mut self.leg(direction).awaited);
        self.leg(direction).fin_waits = true;
        match self.leg(direction).fate() {
            Disposition::Pass => {
                let mut closes = false;
                for awaited in awaited {
                    match awaited {
                        Pending::Close => closes = true,
                        Pending::Place(deferred) => self.put_at_the_end(direction, deferred, out),
                        // The boundary will never come.
                        Pending::Frame { .. } | Pending::BodyEnd { .. } | Pending::Emptied(_) => {}
                    }
                }
                if closes {
                    // The FIN must do without the Close frame.
                    self.finish_closing(reader(direction), out);
                    self.finish_closing(sender(direction), out);
                } else {
                    self.pass_fin(direction, out);
                }
            }
            Disposition::Drained(_) => self.finish_closing(sender(direction), out),
            Disposition::Silent(..) | Disposition::Discarded(_) | Disposition::Severed => {}
        }
    }

    /// The sender gives the connection up.
    pub(super) fn rst(&mut self, direction: Direction, out: &mut Vec<Effect>) {
        let leg = self.leg(direction);
        if leg.fate() == Disposition::Pass && !leg.awaited.iter().any(Pending::holds_everything) {
            leg.pass(u64::MAX, out);
        }
    }

    fn pass_fin(&mut self, direction: Direction, out: &mut Vec<Effect>) {
        let connection = self.key;
        let leg = self.leg(direction);
        if std::mem::take(&mut leg.fin_waits) {
            leg.pass(u64::MAX, out);
            leg.finished = true;
            out.push(Effect::ForwardFin { connection, direction });
        }
    }

    /// Tells an end of the other's FIN; what it still sends draws RST.
    pub(super) fn forge_fin(&mut self, to: Side, fault: FaultIndex, out: &mut Vec<Effect>) {
        out.push(Effect::Fin { connection: self.key, to, fault });
        self.sever(to.sends(), fault, out);
    }

    /// Tells an end that the connection was reset.
    pub(super) fn forge_rst(&mut self, to: Side, fault: FaultIndex, out: &mut Vec<Effect>) {
        out.push(Effect::Rst { connection: self.key, to, fault });
        self.sever(to.sends(), fault, out);
    }

    /// Both ends learn that the connection was reset.
    pub(super) fn reset_both(&mut self, fault: FaultIndex, out: &mut Vec<Effect>) {
        self.forge_rst(Side::Client, fault, out);
        self.forge_rst(Side::Server, fault, out);
    }

    /// One end seems to have finished sending; what it still sends goes nowhere.
    pub(super) fn half_close(&mut self, by: Side, fault: FaultIndex, out: &mut Vec<Effect>) {
        out.push(Effect::Fin { connection: self.key, to: by.peer(), fault });
        self.leg(by.sends()).drain(fault);
    }

    pub(super) fn sever(&mut self, direction: Direction, fault: FaultIndex, out: &mut Vec<Effect>) {
        if self.leg(direction).sever() {
            out.push(Effect::Mode { connection: self.key, direction, mode: Mode::Severed(fault) });
        }
    }

    /// A direction falls silent.
    pub(super) fn silence(
        &mut self,
        direction: Direction,
        kind: HalfOpenKind,
        fault: FaultIndex,
        out: &mut Vec<Effect>,
    ) {
        if self.leg(direction).fate() == Disposition::Severed {
            return;
        }
        self.leg(direction).silence(fault, kind);
        if kind != HalfOpenKind::Discard {
            out.push(Effect::Mode { connection: self.key, direction, mode: Mode::Silent(kind, fault) });
        }
    }

    /// The silences of a fault end; what an older fault silenced stays so.
    pub(super) fn heal(&mut self, fault: FaultIndex, out: &mut Vec<Effect>) {
        for direction in Direction::BOTH {
            self.leg(direction).stop_keeping(fault);
            let before = self.leg(direction).fate();
            if !self.leg(direction).heal(fault) {
                continue;
            }
            let after = self.leg(direction).fate();
            let mode = match (before, after) {
                (Disposition::Silent(..), Disposition::Pass | Disposition::Discarded(_)) => Mode::Pass,
                (Disposition::Silent(..) | Disposition::Discarded(_), Disposition::Silent(kind, by))
                    if before != after =>
                {
                    Mode::Silent(kind, by)
                }
                (
                    Disposition::Pass
                    | Disposition::Silent(..)
                    | Disposition::Discarded(_)
                    | Disposition::Drained(_)
                    | Disposition::Severed,
                    _,
                ) => continue,
            };
            out.push(Effect::Mode { connection: self.key, direction, mode });
        }
    }

    /// How much of what a fault's trigger counts has been seen, if it watches this connection.
    pub(super) fn seen(&self, fault: FaultIndex, wanted: u64) -> Option<Seen> {
        Direction::BOTH.into_iter().find_map(|direction| self.leg_of(direction).seen(fault, wanted))
    }

    /// What its bytes are, as far as there have been any.
    pub(super) fn spoken(&self) -> impl Iterator<Item = Speech> + use<> {
        Direction::BOTH.map(|direction| self.leg_of(direction).spoken()).into_iter().flatten()
    }

    /// Whether Close frames can be sent to both ends.
    pub(super) fn has_frames(&self) -> bool {
        self.to_server.has_frames() && self.to_client.has_frames()
    }

    /// Begins a closing handshake with each of some ends, as if the other had.
    pub(super) fn close(
        &mut self,
        fault: FaultIndex,
        ends: &[Side],
        code: Option<u16>,
        reason: &str,
        out: &mut Vec<Effect>,
    ) {
        let both = ends.len() > 1;
        for side in ends {
            let frame = close_frame(code, reason, side.peer().sends());
            *self.closing(*side) = Some(Closing { fault, frame, both, sent: false });
            if !both {
                // The end that is not told hears nothing, while the other is heard out.
                self.leg(side.sends()).drain(fault);
            }
        }
        for side in ends {
            let leg = self.leg(side.peer().sends());
            if leg.is_between_frames() || leg.is_closed() {
                self.send_close(*side, out);
            } else {
                leg.awaited.push(Pending::Close);
            }
        }
        self.settle_closing(out);
    }

    /// What has passed to an end stands at a frame's end: the Close frame follows, and nothing else.
    fn send_close(&mut self, side: Side, out: &mut Vec<Effect>) {
        let direction = side.peer().sends();
        let already_closed = self.leg(direction).is_closed();
        let connection = self.key;
        let closing = self.closing(side).as_mut().expect("a Close frame waits only while its end is being closed");
        closing.sent = true;
        let (fault, both) = (closing.fault, closing.both);
        // Nothing may follow a Close frame (RFC 6455, 5.5.1): after the sender's own there is none to forge.
        if !already_closed {
            out.push(Effect::Inject { connection, direction, bytes: closing.frame.clone(), fault });
        }
        if both {
            self.leg(direction).drain(fault);
        } else {
            self.silence(direction, HalfOpenKind::Blackhole, fault, out);
        }
    }

    /// Ends that have been sent a Close frame and have sent their own get the FIN.
    fn settle_closing(&mut self, out: &mut Vec<Effect>) {
        for side in [Side::Client, Side::Server] {
            let sent = self.closing(side).as_ref().is_some_and(|closing| closing.sent);
            if sent && self.leg(side.sends()).is_closed() {
                self.finish_closing(side, out);
            }
        }
    }

    /// An end gets the FIN, whether or not it has answered.
    fn finish_closing(&mut self, side: Side, out: &mut Vec<Effect>) {
        // Legal: no fault is closing this end.
        let Some(closing) = self.closing(side).take() else { return };
        let unheard = side.peer().sends();
        self.leg(unheard).awaited.retain(|awaited| !matches!(awaited, Pending::Close));
        if !closing.sent && closing.both {
            self.leg(unheard).drain(closing.fault);
        } else if !closing.sent {
            self.silence(unheard, HalfOpenKind::Blackhole, closing.fault, out);
        }
        self.forge_fin(side, closing.fault, out);
    }

    /// The time to answer a fault's Close frame is over.
    pub(super) fn give_up_closing(&mut self, fault: FaultIndex, out: &mut Vec<Effect>) {
        for side in [Side::Client, Side::Server] {
            if self.closing(side).as_ref().is_some_and(|closing| closing.fault == fault) {
                self.finish_closing(side, out);
            }
        }
    }
}

/// Whether a fault has to know where chunks, lines or whole messages of HTTP begin and end.
fn wants_fine_marks(fault: &Fault) -> bool {
    fault.act.needs_messages() || matches!(fault.trigger, Trigger::Chunk { .. } | Trigger::Line { .. })
}

/// Who sends in a direction.
pub(super) fn sender(direction: Direction) -> Side {
    match direction {
        Direction::ToServer => Side::Client,
        Direction::ToClient => Side::Server,
    }
}

/// Who reads in a direction.
pub(super) fn reader(direction: Direction) -> Side {
    sender(direction).peer()
}
