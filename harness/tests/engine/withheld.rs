//! A fault that is armed and does not fire changes nothing: what the plane keeps until it knows better is acknowledged
//! to its sender as it would have been, so the sender does not wait for it.

use std::sync::Arc;
use std::time::Duration;

use halfopen::Outcome;
use halfopen::fault::{
    Act, ConnectionVerb, Connections, Corrupt, DuplicateMessage, Edge, Ends, FrameKind, OnConnection, Pattern,
    ReorderMessages, Reset, Trigger, TruncateClean, Verb, Wanted,
};
use halfopen::name::Direction;
use halfopen::trace::{FaultEvent, RecordKind};
use halfopen_net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{Stage, Told, ms, s, tell};

/// What is written, how, and what lies in wait.
#[derive(Clone, Debug)]
struct Case {
    traffic: Traffic,
    /// Lengths of writes and the milliseconds after each; what is left is written at once.
    writes: Vec<(usize, u64)>,
    no_delay: bool,
    small_buffers: bool,
    interleaved: bool,
    seed: u64,
    trigger: Trigger,
    act: Act,
}

#[derive(Clone, Copy, Debug)]
enum Traffic {
    /// A response with the given number of events in chunks, and a comment or the beginning of an event.
    Events { whole: usize, comment: bool },
    /// A request in the given number of chunks.
    Chunks(usize),
    /// The given number of WebSocket messages, and the beginning of another.
    Messages { whole: usize, to: Direction },
    /// Lines of no protocol.
    Lines(usize),
}

#[test]
fn a_fault_that_never_fires_delays_nobody() {
    let mut runner = TestRunner::new(Config { cases: 160, failure_persistence: None, ..Config::default() });
    let judged = std::cell::Cell::new(0);
    let outcome = runner.run(&cases(), |case| {
        let faulty = play(&case, true);
        let fired = |what: &RecordKind| matches!(what, RecordKind::Fault { event: FaultEvent::Fired { .. }, .. });
        if faulty.trace.records.iter().any(|record| fired(&record.what)) {
            return Ok(());
        }
        judged.set(judged.get() + 1);
        let calm = play(&case, false);
        prop_assert_eq!(told(&faulty), told(&calm), "with the fault (left) and without");
        prop_assert_eq!(calm.words("got").len(), 1, "without any fault the end comes");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(judged.get() > 40, "only {} faults did not fire", judged.get());
}

#[test]
fn the_beginning_of_a_comment_is_no_reason_to_wait() {
    // What the first write ends with may begin an event; the second waits for its acknowledgement.
    let case = Case {
        traffic: Traffic::Events { whole: 1, comment: true },
        writes: vec![(HEAD.len() + 30, 0)],
        no_delay: false,
        small_buffers: false,
        interleaved: false,
        seed: 1,
        trigger: Trigger::sse_event(2, Edge::Before),
        act: act(Reset { to: Ends::Both }),
    };
    let outcome = play(&case, true);
    assert_eq!(told(&outcome), told(&play(&case, false)));
}

#[test]
fn a_message_that_is_kept_whole_may_be_larger_than_every_buffer() {
    let case = Case {
        traffic: Traffic::Messages { whole: 3, to: Direction::ToServer },
        writes: Vec::new(),
        no_delay: true,
        small_buffers: true,
        interleaved: false,
        seed: 1,
        trigger: Trigger::message(4, Direction::ToServer, Edge::After),
        act: act(Corrupt),
    };
    let outcome = play(&case, true);
    assert_eq!(told(&outcome), told(&play(&case, false)));
}

#[test]
fn a_large_message_that_says_something_else_may_be_larger_than_every_buffer() {
    let case = Case {
        traffic: Traffic::Messages { whole: 3, to: Direction::ToServer },
        writes: Vec::new(),
        no_delay: true,
        small_buffers: true,
        interleaved: false,
        seed: 1,
        trigger: Trigger::Message {
            n: 1,
            direction: Direction::ToServer,
            edge: Edge::Before,
            content: Pattern::default().with("type", Wanted::Present),
        },
        act: act(Reset { to: Ends::Both }),
    };
    let outcome = play(&case, true);
    assert_eq!(told(&outcome), told(&play(&case, false)));
}

#[test]
fn what_waited_for_a_fault_arrives_before_its_senders_reset() {
    let seen = |name: &str, fault: bool| {
        let mut stage = Stage::new(name)
            .host("server", async |cx| {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (mut stream, _) = listener.accept().await?;
                read_head(&mut stream).await?;
                stream.write_all(HEAD).await?;
                stream.write_all(b"9\r\nid").await?;
                sleep(s(1)).await;
                stream.set_zero_linger()?;
                drop(stream);
                cx.stopped().await;
                Ok(())
            })
            .actor("client", async |cx| {
                let mut stream = TcpStream::connect("server:80").await?;
                stream.write_all(REQUEST).await?;
                let mut got = Vec::new();
                let end = stream.read_to_end(&mut got).await;
                tell(&cx, "got", format!("{} {:?}", got.len(), end.map_err(|error| error.kind())));
                Ok(())
            });
        if fault {
            let trigger = Trigger::sse_event(1, Edge::Before);
            stage = stage.fault(trigger, link(), Reset { to: Ends::Both });
        }
        stage.run().words("got")
    };
    let wanted = format!("{} Err(ConnectionReset)", HEAD.len() + 5);
    assert_eq!(seen("reset_behind_kept", true), std::slice::from_ref(&wanted));
    assert_eq!(seen("reset_behind_passed", false), [wanted]);
}

#[test]
fn what_the_plane_keeps_is_not_acknowledged_by_a_peer_that_cannot_be_reached() {
    let outcome = Stage::new("kept_in_a_partition")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (mut stream, _) = listener.accept().await?;
            stream.set_user_timeout(Some(s(10)))?;
            read_head(&mut stream).await?;
            stream.write_all(HEAD).await?;
            sleep(s(5)).await;
            stream.write_all(b"9\r\nid").await?;
            tell(&cx, "end", stream.read(&mut [0; 9]).await.map_err(|error| error.kind()).is_err());
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |_| {
            let mut stream = TcpStream::connect("server:80").await?;
            stream.write_all(REQUEST).await?;
            sleep(s(60)).await;
            Ok(())
        })
        .part(s(2), ("client", "server"), None)
        .fault(Trigger::sse_event(1, Edge::Before), link(), Reset { to: Ends::Both })
        .run();
    let (at, told) = outcome.only("end");
    assert_eq!(told, "true");
    assert!(at >= s(15) && at < s(16), "{at:?}");
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: server\r\n\r\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nhost: server\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn link() -> Connections {
    Connections::of("client", "server")
}

fn cases() -> impl Strategy<Value = Case> {
    let direction = prop_oneof![Just(Direction::ToClient), Just(Direction::ToServer)];
    let traffic = prop_oneof![
        4 => (0..4_usize, any::<bool>()).prop_map(|(whole, comment)| Traffic::Events { whole, comment }),
        2 => (1..4_usize).prop_map(Traffic::Chunks),
        2 => (0..4_usize, direction).prop_map(|(whole, to)| Traffic::Messages { whole, to }),
        1 => (1..4_usize).prop_map(Traffic::Lines),
    ];
    let wait = prop_oneof![3 => Just(0_u64), 1 => 1..5_u64, 1 => 10..60_u64];
    let writes = prop::collection::vec((1..90_usize, wait), 0..24);
    let cases = (traffic, writes, any::<[bool; 3]>(), any::<u64>(), triggers(), acts()).prop_map(
        |(traffic, writes, [no_delay, small_buffers, interleaved], seed, trigger, act)| Case {
            traffic,
            writes,
            no_delay,
            small_buffers,
            interleaved,
            seed,
            trigger,
            act,
        },
    );
    cases.prop_filter("a scenario with this verb at this trigger is refused", |case| {
        case.act.verb().refusal(&case.trigger).is_none()
    })
}

/// One of each kind that there is.
fn triggers() -> impl Strategy<Value = Trigger> {
    let direction = || prop_oneof![Just(Direction::ToClient), Just(Direction::ToServer)];
    let edge = || prop_oneof![2 => Just(Edge::Before), 2 => (0..12_u64).prop_map(Edge::Inside), 1 => Just(Edge::After)];
    let kind = prop_oneof![Just(FrameKind::Text), Just(FrameKind::Binary), Just(FrameKind::Ping)];
    prop_oneof![
        4 => (1..6_u32, edge()).prop_map(|(n, edge)| Trigger::sse_event(n, edge)),
        2 => (1..6_u32, direction(), edge()).prop_map(|(n, direction, edge)| Trigger::message(n, direction, edge)),
        4 => (1..3_u32, direction(), edge(), content())
            .prop_map(|(n, direction, edge, content)| Trigger::Message { n, direction, edge, content }),
        2 => (1..3_u32, edge(), content()).prop_map(|(n, edge, content)| Trigger::SseEvent { n, edge, content }),
        2 => (1..6_u32, direction(), edge()).prop_map(|(n, direction, edge)| Trigger::Chunk { n, direction, edge }),
        2 => (1..6_u32, direction(), edge()).prop_map(|(n, direction, edge)| Trigger::Line { n, direction, edge }),
        1 => prop_oneof![Just(s(1)), Just(s(50_000))].prop_map(Trigger::Idle),
        2 => (kind, 1..6_u32, direction(), edge())
            .prop_map(|(kind, n, direction, edge)| Trigger::Frame { kind, n, direction, edge }),
        2 => (1..4_u32, direction(), edge()).prop_map(|(n, direction, edge)| Trigger::HttpHead { n, direction, edge }),
        1 => (1_000..100_000_u64, direction()).prop_map(|(n, direction)| Trigger::Bytes { n, direction }),
        1 => Just(Trigger::At(s(50_000))),
        1 => Just(Trigger::Connect),
        1 => Just(Trigger::Event {
            message: "never".to_owned(),
            host: None,
            fields: Vec::new(),
            n: 1,
            after: Duration::ZERO,
        }),
    ]
}

/// What some messages of the traffic say, and what none does.
fn content() -> impl Strategy<Value = Pattern> {
    let text = |text: &str| Pattern::default().with("", Wanted::Is(text.to_owned()));
    let never = Pattern::default().with("type", Wanted::Is("never".to_owned()));
    prop_oneof![1 => Just(text("hi 1!")), 1 => Just(text(&"a".repeat(40))), 2 => Just(never)]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(act(Reset { to: Ends::Both })),
        Just(act(TruncateClean)),
        Just(act(Corrupt)),
        Just(act(DuplicateMessage { copies: 2 })),
        Just(act(ReorderMessages { by: 1 })),
    ]
}

fn act<V: Verb<Place = OnConnection> + ConnectionVerb>(verb: V) -> Act {
    Act::Connection { on: link(), verb: Arc::new(verb) }
}

impl Traffic {
    /// The direction in which it is written.
    fn sender(self) -> Direction {
        match self {
            Self::Events { .. } => Direction::ToClient,
            Self::Chunks(_) | Self::Lines(_) => Direction::ToServer,
            Self::Messages { to, .. } => to,
        }
    }

    /// What is written, and how much of that is whole: the rest may be kept until its end.
    fn bytes(self) -> (Vec<u8>, usize) {
        let mut bytes = Vec::new();
        let whole_bytes;
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
        match self {
            Self::Events { whole, comment } => {
                bytes.extend_from_slice(HEAD);
                (0..whole).for_each(|n| bytes.extend(chunk(&format!("id: {n}\ndata: hi {n}!\n\n"))));
                let whole = bytes.len();
                bytes.extend(if comment { chunk(": keep-alive\n\n") } else { chunk("event: late\nda") });
                whole_bytes = if comment { bytes.len() } else { whole };
            }
            Self::Chunks(n) => {
                bytes.extend_from_slice(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
                (0..n).for_each(|n| bytes.extend(chunk(&"x".repeat(30 * n + 1))));
                bytes.extend_from_slice(b"0\r\n\r\n");
                whole_bytes = bytes.len();
                bytes.extend_from_slice(b"PO");
            }
            Self::Messages { whole, to } => {
                if to == Direction::ToClient {
                    bytes.extend_from_slice(SWITCH);
                }
                (0..whole).for_each(|n| bytes.extend(frame(to, &vec![b'a'; 40 * n * n])));
                whole_bytes = bytes.len();
                // Every second one is larger than the small buffers.
                let last = frame(to, &vec![b'z'; if whole % 2 == 0 { 70 } else { 30_000 }]);
                bytes.extend_from_slice(&last[..last.len() - 20]);
            }
            Self::Lines(n) => {
                (0..n).for_each(|n| bytes.extend(format!("+line {n}\n").into_bytes()));
                whole_bytes = bytes.len();
            }
        }
        (bytes, whole_bytes)
    }
}

/// A text frame with a mask of zeros, or none.
fn frame(to: Direction, payload: &[u8]) -> Vec<u8> {
    let masked = if to == Direction::ToServer { 0x80 } else { 0 };
    let mut frame = vec![0x81];
    match payload.len() {
        short @ ..=125 => frame.push(masked | short as u8),
        length => {
            frame.push(masked | 126);
            frame.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    if masked != 0 {
        frame.extend_from_slice(&[0; 4]);
    }
    frame.extend_from_slice(payload);
    frame
}

fn play(case: &Case, armed: bool) -> Outcome {
    let (of_server, of_client) = (case.clone(), case.clone());
    let mut stage = Stage::new("withheld")
        .host("server", move |cx| {
            let case = of_server.clone();
            async move {
                let socket = socket(&case)?;
                socket.bind("0.0.0.0:80".parse()?)?;
                let (mut stream, _) = socket.listen(8)?.accept().await?;
                match case.traffic.sender() {
                    Direction::ToClient => {
                        read_head(&mut stream).await?;
                        write(&cx, stream, &case).await?;
                    }
                    Direction::ToServer => {
                        if let Traffic::Messages { .. } = case.traffic {
                            read_head(&mut stream).await?;
                            stream.write_all(SWITCH).await?;
                        }
                        read(&cx, stream, &case).await?;
                    }
                }
                cx.stopped().await;
                Ok(())
            }
        })
        .actor("client", move |cx| {
            let case = of_client.clone();
            async move {
                let server = lookup_host("server:80").await?.next().ok_or("no address")?;
                let mut stream = socket(&case)?.connect(server).await?;
                match case.traffic.sender() {
                    Direction::ToServer => {
                        if let Traffic::Messages { .. } = case.traffic {
                            stream.write_all(UPGRADE).await?;
                            read_head(&mut stream).await?;
                        }
                        write(&cx, stream, &case).await?;
                    }
                    Direction::ToClient => {
                        let is_upgrade = matches!(case.traffic, Traffic::Messages { .. });
                        stream.write_all(if is_upgrade { UPGRADE } else { REQUEST }).await?;
                        read(&cx, stream, &case).await?;
                    }
                }
                sleep(s(1)).await;
                Ok(())
            }
        })
        .seed(case.seed);
    if case.interleaved {
        stage = stage.interleaved();
    }
    if armed {
        stage = stage.act(case.trigger.clone(), armed_act(case));
    }
    stage.run()
}

/// A connection that is attempted for the second time is not the first.
fn armed_act(case: &Case) -> Act {
    match &case.act {
        Act::Connection { verb, .. } if case.trigger == Trigger::Connect => {
            Act::Connection { on: link().nth(2), verb: verb.clone() }
        }
        act => act.clone(),
    }
}

fn socket(case: &Case) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    if case.small_buffers {
        socket.set_send_buffer_size(1)?;
        socket.set_recv_buffer_size(1)?;
    }
    Ok(socket)
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        stream.read_buf(&mut got).await?;
    }
    Ok(())
}

async fn write(cx: &halfopen::HostContext, mut stream: TcpStream, case: &Case) -> std::io::Result<()> {
    stream.set_nodelay(case.no_delay)?;
    let (bytes, _) = case.traffic.bytes();
    let mut left = bytes.as_slice();
    for (length, pause) in &case.writes {
        let (now, later) = left.split_at((*length).min(left.len()));
        stream.write_all(now).await?;
        tell(cx, "wrote", now.len());
        sleep(ms(*pause)).await;
        left = later;
    }
    stream.write_all(left).await?;
    tell(cx, "wrote", left.len());
    // A sender that has finished no longer waits.
    sleep(s(2)).await;
    stream.shutdown().await?;
    Ok(())
}

async fn read(cx: &halfopen::HostContext, mut stream: TcpStream, case: &Case) -> std::io::Result<()> {
    let (mut got, mut whole) = (Vec::new(), case.traffic.bytes().1);
    while stream.read_buf(&mut got).await? > 0 {
        if whole > 0 && got.len() >= whole {
            tell(cx, "whole", whole);
            whole = usize::MAX;
        }
    }
    tell(cx, "got", String::from_utf8_lossy(&got));
    Ok(())
}

/// What the writer and the reader told, and when.
fn told(outcome: &Outcome) -> Vec<(Duration, String)> {
    [outcome.told("wrote"), outcome.told("whole"), outcome.told("got")].concat()
}
