//! A WebSocket endpoint whose peer cannot be heard or does not listen, W15 to W21.

use std::time::Duration;

use halfopen::fault::{Drop, Ends, Freeze, HalfOpen, HalfOpenKind, Partition, PowerLoss};
use halfopen::name::Direction;

use crate::cell::Cell;
use crate::peer::{Peer, Step};
use crate::websocket::{Act, WebSocket};

use super::turmoil_net::SMALL_BUFFERS;

/// Short, since Linux's clock waits it out.
const USER_TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than the peer is deaf by verb.
const HEALED: Duration = Duration::from_secs(5);

const LOST: &str = "a peer's socket calls lose no packets; a plan does";

pub(super) fn cells() -> Vec<Cell> {
    [deaf(), held(), unread()].concat()
}

/// The peer is silent after the upgrade, to its observer's ears.
fn quiet() -> Peer {
    Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike])
}

fn deaf() -> Vec<Cell> {
    let deaf = Peer::listening(&[Step::Upgrade, Step::Strike, Step::Deafen]);
    vec![
        Cell::new(
            "W15",
            "nothing arrives any more, either way; idle",
            WebSocket::client(&[Act::Strike, Act::Deafen, Act::NextNever]),
            deaf.clone(),
            &["next: pending"],
        )
        .only_by_verb(LOST)
        .verb(blackhole(None, None), quiet()),
        Cell::new(
            "W16",
            "nothing arrives any more, either way; the observer sends",
            WebSocket::client(&[
                Act::Strike,
                Act::Deafen,
                Act::Send("one"),
                Act::Ping,
                Act::Settle,
                Act::Send("two"),
                Act::NextNever,
            ]),
            deaf.clone(),
            &["send: Ok", "ping: Ok", "send: Ok", "next: pending"],
        )
        .only_by_verb(LOST)
        .verb(blackhole(None, None), quiet()),
        Cell::new(
            "W16",
            "nothing arrives any more; the observer sends until its buffer is full",
            WebSocket::client(&[Act::Strike, Act::Deafen, Act::Flood]),
            deaf.clone(),
            &["send: Ok for some megabytes, then pending"],
        )
        .only_by_verb(LOST)
        .verb(blackhole(None, None), quiet()),
        Cell::new(
            "W16",
            "the peer's machine dies",
            WebSocket::client(&[Act::Strike, Act::Send("one"), Act::NextNever]),
            deaf.clone(),
            &["send: Ok", "next: pending"],
        )
        .only_by_verb(LOST)
        .verb(PowerLoss { restart_after: None }, quiet()),
        Cell::new(
            "W17",
            "nothing arrives any more; the observer has TCP_USER_TIMEOUT, and sends",
            WebSocket::client(&[Act::Strike, Act::Deafen, Act::Send("one"), Act::Next, Act::Send("two")])
                .with_user_timeout(USER_TIMEOUT),
            deaf.clone(),
            &["send: Ok", "next: Err(Io(TimedOut))", "send: Err(Io(BrokenPipe))"],
        )
        .only_by_verb(LOST)
        .verb(blackhole(None, None), quiet()),
        Cell::new(
            "W17",
            "nothing arrives any more; the observer has TCP_USER_TIMEOUT, and is idle",
            WebSocket::client(&[Act::Strike, Act::Deafen, Act::NextNever])
                .with_user_timeout(Duration::from_millis(100)),
            deaf,
            &["next: pending"],
        )
        .only_by_verb(LOST)
        .verb(blackhole(None, None), quiet()),
    ]
}

fn held() -> Vec<Cell> {
    let hears = [Step::Upgrade, Step::ReadAll, Step::Strike, Step::Strike, Step::SayMessages];
    let back = [
        Step::Upgrade,
        Step::ReadAll,
        Step::Strike,
        Step::Deafen,
        Step::Strike,
        Step::Hear,
        Step::Hears(1),
        Step::SayMessages,
    ];
    let after =
        Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike, Step::Strike, Step::Hears(1), Step::SayMessages]);
    let late = WebSocket::client(&[Act::Strike, Act::Send("late"), Act::NextNever, Act::Strike]);
    let sees = ["send: Ok", "next: pending", "peer: heard late"];
    vec![
        Cell::new(
            "W18",
            "what the observer sends arrives, and nothing comes back",
            WebSocket::client(&[
                Act::Strike,
                Act::Deafen,
                Act::Send("one"),
                Act::Send("two"),
                Act::NextNever,
                Act::Strike,
            ]),
            Peer::listening(&hears),
            &["send: Ok", "send: Ok", "next: pending", "peer: heard one, two"],
        )
        .only_by_verb(LOST)
        .verb(blackhole(Some(Direction::ToClient), None), Peer::listening(&hears)),
        Cell::new(
            "W19",
            "the observer is gone before the partition heals",
            WebSocket::client(&[Act::Strike, Act::Send("late"), Act::Drop, Act::Strike]),
            Peer::listening(&back),
            &["send: Ok", "peer: heard late"],
        )
        .only_by_verb(LOST)
        .verb(blackhole(Some(Direction::ToServer), Some(HEALED)), after.clone()),
        Cell::new("W19", "a partition that heals", late.clone(), Peer::listening(&back), &sees)
            .only_by_verb(LOST)
            .verb(Partition { one_way: false, heal_after: Some(HEALED) }, after.clone()),
        Cell::new("W19", "a partition of one way that heals", late.clone(), Peer::listening(&back), &sees)
            .only_by_verb(LOST)
            .verb(Partition { one_way: true, heal_after: Some(HEALED) }, after.clone()),
        Cell::new("W19", "the peer's machine is frozen, and thaws", late, Peer::listening(&back), &sees)
            .only_by_verb(LOST)
            .verb(Freeze { thaw_after: Some(HEALED) }, after),
    ]
}

fn unread() -> Vec<Cell> {
    vec![
        Cell::new(
            "W20",
            "the peer stops reading",
            WebSocket::client(&[Act::Flood]),
            Peer::listening(&[Step::Upgrade]),
            &["send: Ok for some megabytes, then pending"],
        )
        .turmoil_sees(&["send: Ok for less than a megabyte, then pending"], SMALL_BUFFERS),
        Cell::new(
            "W20",
            "the peer stops reading, once the observer is connected",
            WebSocket::client(&[Act::Strike, Act::Flood]),
            Peer::listening(&[Step::Upgrade, Step::Strike]),
            &["send: Ok for some megabytes, then pending"],
        )
        .turmoil_sees(&["send: Ok for less than a megabyte, then pending"], SMALL_BUFFERS)
        .verb(half_open(HalfOpenKind::Stall, None, None), quiet()),
        Cell::new(
            "W20",
            "the peer acknowledges everything and makes nothing of it",
            WebSocket::client(&[Act::Strike, Act::Flood, Act::NextNever]),
            Peer::listening(&[Step::Upgrade, Step::ReadAll, Step::Strike]),
            &["send: Ok for more than ten megabytes", "next: pending"],
        )
        .verb(half_open(HalfOpenKind::Discard, None, None), quiet()),
        Cell::new(
            "W21",
            "a send is given up because the peer does not read; then it reads",
            WebSocket::client(&[Act::Flood, Act::Strike, Act::Flush, Act::Drop, Act::Strike]),
            Peer::listening(&[
                Step::Upgrade,
                Step::Strike,
                Step::ReadAll,
                Step::Strike,
                Step::ReadToEnd,
                Step::SayFlood,
            ]),
            &["send: Ok for some megabytes, then pending", "flush: Ok", "peer: heard 1 more than were acknowledged"],
        )
        .turmoil_sees(
            &[
                "send: Ok for less than a megabyte, then pending",
                "flush: Ok",
                "peer: heard 1 more than were acknowledged",
            ],
            SMALL_BUFFERS,
        ),
        Cell::new(
            "W3",
            "one end is told that the other is gone, which hears nothing more",
            WebSocket::client(&[Act::Strike, Act::Next, Act::Next]),
            Peer::listening(&[Step::Upgrade, Step::Strike, Step::Close]),
            &["next: Err(Protocol(ResetWithoutClosingHandshake))", "next: None"],
        )
        .verb(Drop { to: Ends::Client }, quiet()),
    ]
}

fn blackhole(direction: Option<Direction>, heal_after: Option<Duration>) -> HalfOpen {
    half_open(HalfOpenKind::Blackhole, direction, heal_after)
}

fn half_open(kind: HalfOpenKind, direction: Option<Direction>, heal_after: Option<Duration>) -> HalfOpen {
    HalfOpen { kind, direction, heal_after }
}
