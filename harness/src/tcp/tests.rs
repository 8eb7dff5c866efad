//! Two ends and a wire that keeps the order, driven by nothing but the contract of a machine.

use halfopen_machine::testing::Strict;
use proptest::prelude::*;

use super::super::{Keepalive, SEGMENT_BYTES};
use super::*;

const ONE_WAY: Duration = Duration::from_millis(20);

/// What a process does at one of the ends.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Read(usize),
    ShutDown,
    /// The wire carries everything that is due so long later.
    Pass(u64),
}

/// One end, what its process has written and read, and what is on its way to the other.
struct Side {
    tcp: Strict<Tcp>,
    written: Vec<u8>,
    read: Vec<u8>,
    ended: bool,
    has_shut_down: bool,
    wire: VecDeque<(Duration, Segment)>,
    /// Data bytes on the wire and in the peer's buffer that the peer's window was told of.
    outstanding: usize,
}

struct Pair {
    sides: [Side; 2],
    now: Duration,
}

fn strict(tcp: Tcp) -> Strict<Tcp> {
    let mut tcp = Strict::new(tcp);
    assert_eq!(tcp.take_outputs(), []);
    tcp
}

impl Pair {
    fn new(options: Options) -> Self {
        let side = |port| Side {
            tcp: strict(Tcp::new(SocketAddr::from(([192, 168, 0, 1], port)), options)),
            written: Vec::new(),
            read: Vec::new(),
            ended: false,
            has_shut_down: false,
            wire: VecDeque::new(),
            outstanding: 0,
        };
        let mut pair = Self { sides: [side(1), side(2)], now: Duration::ZERO };
        pair.input(0, Input::Connect);
        pair.pass(Duration::from_millis(100));
        assert_eq!([pair.sides[0].tcp.state(), pair.sides[1].tcp.state()], ["established"; 2]);
        pair
    }

    fn input(&mut self, n: usize, input: Input) {
        let (side, now) = (&mut self.sides[n], self.now);
        side.tcp.handle(input, now).expect("a machine without bugs");
        self.drain(n);
    }

    fn drain(&mut self, n: usize) {
        let side = &mut self.sides[n];
        while let Some(output) = side.tcp.poll_output() {
            match output {
                Output::Send(segment) => {
                    if let Segment::Data(bytes) = &segment {
                        side.outstanding += bytes.len();
                    }
                    side.wire.push_back((self.now + ONE_WAY, segment));
                }
                Output::Received(bytes) => side.read.extend_from_slice(&bytes),
                Output::EndOfStream => side.ended = true,
                Output::Established | Output::Readable | Output::Taken(_) => {}
                Output::Failed(error) => assert_eq!(error, io::ErrorKind::BrokenPipe, "after a shutdown"),
            }
        }
    }

    fn write(&mut self, n: usize, bytes: usize) {
        let first = self.sides[n].written.len();
        let bytes: Bytes = (first..first + bytes).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
        let (side, now) = (&mut self.sides[n], self.now);
        side.tcp.handle(Input::Write(bytes.clone()), now).expect("a machine without bugs");
        match side.tcp.poll_output() {
            Some(Output::Taken(taken)) => side.written.extend_from_slice(&bytes[..taken]),
            Some(Output::Failed(io::ErrorKind::BrokenPipe)) if side.has_shut_down => {}
            other => panic!("a write was answered by {other:?}"),
        }
        self.drain(n);
    }

    /// Time goes on, segment by segment and timeout by timeout.
    fn pass(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let arrivals = [0, 1].map(|n| self.sides[n].wire.front().map(|(at, _)| *at));
            let timeouts = [0, 1].map(|n| self.sides[n].tcp.next_timeout());
            let next = arrivals.iter().chain(&timeouts).flatten().min().copied();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for n in [0, 1] {
                if let Some((_, segment)) = self.sides[n].wire.pop_front_if(|(at, _)| *at <= next) {
                    if let Segment::Ack { window, .. } = segment {
                        self.sides[1 - n].outstanding -= window;
                    }
                    self.input(1 - n, Input::Segment(segment));
                }
                if self.sides[n].tcp.next_timeout().is_some_and(|at| at <= next) {
                    self.sides[n].tcp.handle_timeout(next).expect("a machine without bugs");
                    self.drain(n);
                }
            }
        }
        self.now = end;
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..9_000_usize).prop_map(Step::Write),
        4 => (1..9_000_usize).prop_map(Step::Read),
        1 => Just(Step::ShutDown),
        4 => (0..60_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn every_byte_arrives_once_in_order_within_the_window_and_then_the_end(
        steps in prop::collection::vec((0..2_usize, step()), 0..80),
        no_delay: bool,
        window in 2304..40_000_u32,
    ) {
        let options = Options {
            no_delay,
            receive_buffer_bytes: Some(window),
            send_buffer_bytes: Some(window),
            ..Options::default()
        };
        let mut pair = Pair::new(options);
        for (n, step) in steps {
            match step {
                Step::Write(bytes) => pair.write(n, bytes),
                Step::Read(bytes) => pair.input(n, Input::Read(bytes)),
                Step::ShutDown => {
                    pair.sides[n].has_shut_down = true;
                    pair.input(n, Input::ShutDown);
                }
                Step::Pass(millis) => pair.pass(Duration::from_millis(millis)),
            }
            for n in [0, 1] {
                prop_assert!(pair.sides[n].outstanding <= window as usize);
                prop_assert!(pair.sides[1 - n].written.starts_with(&pair.sides[n].read));
            }
        }
        for n in [0, 1] {
            pair.sides[n].has_shut_down = true;
            pair.input(n, Input::ShutDown);
        }
        for _ in 0..400 {
            pair.pass(Duration::from_millis(50));
            for n in [0, 1] {
                if !pair.sides[n].ended {
                    pair.input(n, Input::Read(usize::MAX));
                }
            }
        }
        for n in [0, 1] {
            prop_assert!(pair.sides[n].ended, "{}", pair.sides[n].tcp.state());
            prop_assert_eq!(&pair.sides[1 - n].written, &pair.sides[n].read);
            prop_assert_eq!(pair.sides[n].tcp.state(), "last_ack");
        }
    }
}

#[test]
fn a_small_write_waits_for_the_acknowledgement_of_the_small_one_before_it() {
    let mut pair = Pair::new(Options::default());
    pair.write(0, 10);
    pair.write(0, 20);
    pair.write(0, SEGMENT_BYTES);
    let lengths = |side: &Side| {
        side.wire
            .iter()
            .map(|(_, segment)| match segment {
                Segment::Data(bytes) => bytes.len(),
                other => panic!("{other:?} leaves"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths(&pair.sides[0]), [10, SEGMENT_BYTES]);
    pair.pass(2 * ONE_WAY);
    assert_eq!(lengths(&pair.sides[0]), [20]);
}

#[test]
fn a_peer_that_answers_no_probe_is_given_up_when_its_options_say() {
    let keepalive = Keepalive { time: Duration::from_secs(20), interval: Duration::from_secs(5), retries: 3 };
    let mut pair = Pair::new(Options { keepalive: Some(keepalive), ..Options::default() });
    let opened = pair.now;
    pair.pass(Duration::from_secs(100));
    assert_eq!(pair.sides[0].tcp.state(), "established", "the peer answers");
    // The peer's machine is gone: only this end's timeouts go on.
    let tcp = &mut pair.sides[0].tcp;
    let mut probes = 0;
    let mut last = opened;
    while let Some(at) = tcp.next_timeout() {
        tcp.handle_timeout(at).expect("a machine without bugs");
        last = at;
        while let Some(output) = tcp.poll_output() {
            probes += u32::from(output == Output::Send(Segment::Probe));
        }
    }
    assert_eq!(probes, 3);
    assert_eq!(tcp.state(), "closed");
    assert!(last > pair.now && last < pair.now + Duration::from_secs(20 + 5 * 4), "{last:?}");
    tcp.handle(Input::Read(1), last).expect("a machine without bugs");
    assert_eq!(tcp.poll_output(), Some(Output::Failed(io::ErrorKind::TimedOut)));
}

#[test]
fn a_process_that_closes_with_input_unread_resets_its_peer() {
    let mut pair = Pair::new(Options::default());
    pair.write(0, 10);
    pair.pass(ONE_WAY);
    pair.input(1, Input::Close);
    pair.pass(ONE_WAY);
    let tcp = &mut pair.sides[0].tcp;
    tcp.handle(Input::Read(1), pair.now).expect("a machine without bugs");
    assert_eq!(tcp.poll_output(), Some(Output::Failed(io::ErrorKind::ConnectionReset)));
}
