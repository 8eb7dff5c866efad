//! Faults by time, event and connection attempt, on links and hosts; and their words.

use super::{Fixture, fault, lines, link, message, secs};
use crate::fault::{
    AcceptError, Crash, Delay, Edge, Ends, Fault, FaultIndex, Freeze, HalfOpen, HalfOpenKind, HostVerb, IoError,
    IoErrorKind, Jitter, OnHost, Partition, PowerLoss, Refuse, Reset, Restart, StreamCall, Target, Trigger, Verb,
};
use crate::name::{Direction, Side};
use crate::plane::{ConnectVerdict, Plane};
use crate::trace::{Level, LogEvent};

const RESET: Reset = Reset { to: Ends::Both };

#[test]
fn by_time_every_open_connection_of_the_link_is_struck() {
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(3)), RESET)]);
    fixture.connect(2);
    fixture.connect(3);
    fixture.plane.ended(super::key(2));
    let said = lines(&fixture.wait());
    assert_eq!(said[0], "alice->chat#1, alice->chat#3: reset");
    assert_eq!(said.iter().filter(|line| line.starts_with("rst")).count(), 4);
}

#[test]
fn by_time_one_connection_may_be_meant() {
    let mut second = fault(Trigger::At(secs(3)), RESET);
    second.act.connections().nth = Some(2);
    let mut fixture = Fixture::connected(&[second]);
    fixture.connect(2);
    assert_eq!(lines(&fixture.wait())[0], "alice->chat#2: reset");
}

#[test]
fn with_no_connection_open_nothing_fires() {
    let mut plane = Plane::new(&[fault(Trigger::At(secs(3)), RESET)]);
    let mut out = Vec::new();
    plane.timeout(secs(3), &mut out);
    assert_eq!(out, []);
    assert_eq!((plane.unfired(), plane.next_deadline()), (vec![FaultIndex(0)], None));
    assert_eq!(plane.obstacle(FaultIndex(0)), Some("no connection was open"));
}

#[test]
fn a_connection_that_a_fault_has_ended_is_not_struck_again() {
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), RESET), fault(Trigger::At(secs(2)), RESET)]);
    fixture.wait();
    assert_eq!(fixture.wait(), []);
    assert_eq!(fixture.plane.unfired(), [FaultIndex(1)]);
}

#[test]
fn the_nth_event_that_matches_fires_a_fault_after_a_while() {
    let trigger = Trigger::Event {
        message: "job started".to_owned(),
        host: Some("chat".into()),
        fields: vec![("job".to_owned(), "7".to_owned())],
        n: 2,
        after: secs(4),
    };
    let mut fixture = Fixture::connected(&[fault(trigger, RESET)]);
    for (host, message, job) in [
        ("chat", "job started", "7"),
        ("alice", "job started", "7"),
        ("chat", "job ended", "7"),
        ("chat", "job started", "8"),
    ] {
        tell(&mut fixture, host, message, job);
        assert_eq!(fixture.plane.next_deadline(), None);
    }
    fixture.now = secs(10);
    tell(&mut fixture, "chat", "job started", "7");
    tell(&mut fixture, "chat", "job started", "7");
    assert_eq!(lines(&fixture.wait())[0], "alice->chat#1: reset");
    assert_eq!((fixture.now, fixture.plane.next_deadline()), (secs(14), None));
}

#[test]
fn without_a_while_the_event_itself_strikes() {
    let trigger = Trigger::Event { message: "go".to_owned(), host: None, fields: vec![], n: 1, after: secs(0) };
    let mut fixture = Fixture::connected(&[fault(trigger, RESET)]);
    assert_eq!(tell(&mut fixture, "anyone", "go", "")[0], "alice->chat#1: reset");
}

#[test]
fn one_attempt_is_refused_and_the_next_is_not() {
    let mut fixture = Fixture {
        plane: Plane::new(&[fault(Trigger::Connect, Refuse { lasting: None })]),
        now: secs(0),
        rest: Default::default(),
    };
    let (verdict, effects) = fixture.connect(1);
    assert_eq!(verdict, ConnectVerdict::Refuse(FaultIndex(0)));
    assert_eq!(lines(&effects), ["alice->chat#1: refuse"]);
    assert_eq!(fixture.connect(2).0, ConnectVerdict::Proceed);
}

#[test]
fn attempts_are_refused_for_a_time() {
    let mut second = fault(Trigger::Connect, Refuse { lasting: Some(secs(5)) });
    second.act.connections().nth = Some(2);
    let mut fixture = Fixture::connected(&[second]);
    assert_eq!(fixture.connect(2).0, ConnectVerdict::Refuse(FaultIndex(0)));
    assert_eq!(fixture.connect(3), (ConnectVerdict::Refuse(FaultIndex(0)), vec![]));
    assert_eq!(lines(&fixture.wait()), ["healed"]);
    assert_eq!(fixture.connect(4).0, ConnectVerdict::Proceed);
}

#[test]
fn by_time_a_refusal_fires_with_the_attempt_that_it_refuses() {
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), Refuse { lasting: None })]);
    assert_eq!(fixture.wait(), []);
    assert_eq!(fixture.plane.fired(), 0);
    assert_eq!(fixture.connect(2).0, ConnectVerdict::Refuse(FaultIndex(0)));
    assert_eq!(fixture.connect(3).0, ConnectVerdict::Proceed);
    assert_eq!(fixture.plane.fired(), 1);
}

#[test]
fn the_attempt_itself_may_be_struck() {
    let verb = HalfOpen { kind: HalfOpenKind::Blackhole, direction: None, heal_after: None };
    let mut second = fault(Trigger::Connect, verb);
    second.act.connections().nth = Some(2);
    let mut fixture = Fixture::connected(&[second]);
    let (verdict, effects) = fixture.connect(2);
    assert_eq!(verdict, ConnectVerdict::Proceed);
    assert_eq!(lines(&effects)[1..], ["to_server silent Blackhole", "to_client silent Blackhole"]);
}

#[test]
fn packets_take_longer_for_a_time() {
    let delay = Delay { by: secs(2), lasting: Some(secs(9)) };
    let jitter = Jitter { up_to: secs(1), lasting: None };
    let mut fixture = Fixture::connected(&[fault(Trigger::At(secs(1)), delay), fault(Trigger::At(secs(2)), jitter)]);
    assert_eq!(
        lines(&fixture.wait()),
        ["alice->chat#1: delay(2s, for 9s)", "shape to_server Delay(2s)", "shape to_client Delay(2s)"]
    );
    assert_eq!(
        lines(&fixture.wait()),
        ["alice->chat#1: jitter(1s)", "shape to_server Jitter(1s)", "shape to_client Jitter(1s)"]
    );
    assert_eq!(lines(&fixture.wait()), ["unshape", "healed"]);
    assert_eq!(fixture.plane.next_deadline(), None);
}

#[test]
fn a_local_call_fails_on_an_open_connection_or_a_listener() {
    let (kind, nth, lasting) = (IoErrorKind::BrokenPipe, 2, None);
    let write = IoError { call: StreamCall::Write, kind, nth, side: Side::Client, lasting };
    let accept = AcceptError { kind, nth, lasting };
    let faults = [fault(Trigger::At(secs(1)), write), fault(Trigger::At(secs(2)), accept)];
    let mut fixture = Fixture::connected(&faults);
    let said = ["alice->chat#1: io_error(write, broken_pipe, nth 2, client)", "Write 2 of client of #1: BrokenPipe"];
    assert_eq!(lines(&fixture.wait()), said);
    fixture.plane.ended(super::key(1));
    let said = lines(&fixture.wait());
    assert_eq!(said[0], "alice->chat: io_error(accept, broken_pipe, nth 2, server)");
    assert_eq!(said[1], "accept 2 of alice->chat: BrokenPipe");
}

#[test]
fn hosts_die_and_come_back() {
    let at = || Trigger::At(secs(1));
    let cases = [
        (on_host(at(), Crash { restart_after: Some(secs(2)) }), "crash(restarts after 2s)", "crash chat"),
        (on_host(at(), PowerLoss { restart_after: Some(secs(2)) }), "power_loss(restarts after 2s)", "power loss chat"),
    ];
    for (fault, words, act) in cases {
        let mut fixture = Fixture::connected(&[fault]);
        assert_eq!(lines(&fixture.wait()), [format!("host chat: {words}"), act.to_owned()]);
        assert_eq!(lines(&fixture.wait()), ["start chat", "healed"]);
        assert_eq!(fixture.now, secs(3));
    }
    let mut fixture = Fixture::connected(&[on_host(Trigger::At(secs(1)), Restart { pause: secs(2) })]);
    assert_eq!(lines(&fixture.wait()), ["host chat: restart(starts after 2s)", "restart chat after 2s"]);
    assert_eq!(fixture.plane.next_deadline(), None);
}

#[test]
fn a_host_may_die_in_the_middle_of_a_message() {
    let crash = Crash { restart_after: None };
    let mut fixture = Fixture::websocket(&[on_host(message(1, Direction::ToClient, Edge::Inside(2)), crash)]);
    let said = lines(&fixture.server_sends(&super::text("one")));
    assert_eq!(said, [r"forward to_client \x81\x03", "host chat: crash", "crash chat", "forward to_client one"]);
}

#[test]
fn a_freeze_holds_a_host_and_a_partition_two() {
    let freeze = on_host(Trigger::At(secs(1)), Freeze { thaw_after: Some(secs(1)) });
    let mut fixture = Fixture::connected(&[freeze]);
    assert_eq!(lines(&fixture.wait()), ["host chat: freeze(thaws after 1s)", "hold chat"]);
    assert_eq!(lines(&fixture.wait()), ["release", "healed"]);
    let pair = ("chat".into(), "alice".into());
    let verb = Partition { one_way: false, heal_after: Some(secs(1)) };
    let mut fixture = Fixture::connected(&[Fault::new(pair, Trigger::At(secs(1)), verb)]);
    let said = ["between chat and alice: partition(heals after 1s)", "hold chat alice"];
    assert_eq!(lines(&fixture.wait()), said);
    assert_eq!(lines(&fixture.wait()), ["release", "healed"]);
}

#[test]
fn triggers_and_targets_read_as_words() {
    let event = Trigger::Event {
        message: "job started".to_owned(),
        host: Some("chat".into()),
        fields: vec![("job".to_owned(), "7".to_owned()), ("try".to_owned(), "1".to_owned())],
        n: 2,
        after: secs(3),
    };
    let words = r#"3s after event "job started" #2 of chat with job=7 and try=1"#;
    assert_eq!(event.to_string(), words);
    let inside = message(2, Direction::ToClient, Edge::Inside(1));
    assert_eq!(inside.to_string(), "1 byte into message 2 to_client");
    assert_eq!(Target::Link { link: &link(), connection: Some(2) }.to_string(), "alice->chat#2");
    assert_eq!(Target::Between(&"a".into(), &"b".into()).to_string(), "everything between a and b");
    assert_eq!(format!("{:>10}|", Target::Host(&"a".into())), "    host a|");
}

fn on_host<V: Verb<Place = OnHost> + HostVerb>(trigger: Trigger, verb: V) -> Fault {
    Fault::new("chat", trigger, verb)
}

fn tell(fixture: &mut Fixture, host: &str, message: &str, job: &str) -> Vec<String> {
    let fields = vec![("job".to_owned(), job.to_owned())];
    let event = LogEvent { level: Level::Info, target: "t".to_owned(), message: message.to_owned(), fields };
    let mut out = Vec::new();
    fixture.plane.event(&host.into(), &event, fixture.now, &mut out);
    lines(&out)
}
