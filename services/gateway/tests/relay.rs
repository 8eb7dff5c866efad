//! The laws of a stream, on the machine.

use std::time::{Duration, Instant};

use bytes::Bytes;
use halfopen_gateway::confidential::Confidential;
use halfopen_gateway::fault::Fault;
use halfopen_gateway::relay::{DONE, HEARTBEAT, Input, Order, Output, Relay, RelayLimits};
use halfopen_gateway::request_end::RequestEnd;
use halfopen_gateway::sanitise::WITHHELD;
use halfopen_gateway::sse::{SseEvent, SseParser};
use halfopen_machine::Machine;
use halfopen_machine::testing::{Strict, start};
use proptest::prelude::*;

const LIMITS: RelayLimits = RelayLimits {
    heartbeat: Duration::from_secs(30),
    first_byte: Duration::from_secs(300),
    silence: Duration::from_secs(60),
    event_bytes: 4096,
};
const ONE: Order = Order { choices: 1, include_usage: false };

const HELLO: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";

#[test]
fn a_whole_stream_passes_through_and_ends_with_one_done() {
    let told = tell(ONE, [bytes(&[HELLO, STOP, DONE]), Input::End]);
    assert_eq!(told.text, [HELLO, STOP, DONE].concat());
    assert_eq!(told.ending, Some(RequestEnd::Done));
    assert_eq!(told.faults, []);
}

#[test]
fn an_end_after_the_finish_reason_is_completed_with_a_done() {
    let told = tell(ONE, [bytes(&[HELLO, STOP]), Input::End]);
    assert_eq!(told.text, [HELLO, STOP, DONE].concat());
    assert_eq!(told.ending, Some(RequestEnd::Done));
}

#[test]
fn a_clean_end_without_finish_reason_is_an_error() {
    let told = tell(ONE, [bytes(&[HELLO]), Input::End]);
    told.assert_failed_after(HELLO, Fault::Truncated);
}

#[test]
fn a_done_without_finish_reason_is_an_error() {
    let told = tell(ONE, [bytes(&[HELLO, DONE])]);
    told.assert_failed_after(HELLO, Fault::Truncated);
}

#[test]
fn an_end_inside_an_event_forwards_nothing_of_it() {
    for cut in 1..HELLO.len() {
        let told = tell(ONE, [bytes(&[HELLO, &HELLO[..cut]]), Input::End]);
        told.assert_failed_after(HELLO, Fault::Truncated);
    }
}

#[test]
fn a_reset_after_the_first_event_becomes_one_error_event() {
    let told = tell(ONE, [bytes(&[HELLO]), Input::Failed(Fault::Reset), Input::End, bytes(&[STOP, DONE])]);
    told.assert_failed_after(HELLO, Fault::Reset);
}

#[test]
fn a_failure_before_the_first_event_is_an_http_error() {
    for fault in [Fault::Refused, Fault::Reset, Fault::Truncated, Fault::Malformed] {
        let told = tell(ONE, [Input::Failed(fault.clone())]);
        assert_eq!(told.text, "");
        assert_eq!(told.refused_with, Some(500), "{fault}");
    }
}

#[test]
fn a_choice_that_has_not_finished_leaves_the_answer_cut() {
    let two = Order { choices: 2, include_usage: false };
    let told = tell(two, [bytes(&[HELLO, STOP]), Input::End]);
    told.assert_failed_after(&[HELLO, STOP].concat(), Fault::Truncated);

    let other = "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":null}]}\n\n";
    let told = tell(two, [bytes(&[STOP, other, DONE])]);
    told.assert_failed_after(&[STOP, other].concat(), Fault::Truncated);
}

#[test]
fn a_stream_that_ends_before_its_ordered_usage_is_cut() {
    let order = Order { choices: 1, include_usage: true };
    tell(order, [bytes(&[STOP]), Input::End]).assert_failed_after(STOP, Fault::Truncated);
    let told = tell(order, [bytes(&[STOP, USAGE]), Input::End]);
    assert_eq!(told.text, [STOP, USAGE, DONE].concat());
    let told = tell(order, [bytes(&[STOP, DONE])]);
    assert_eq!(told.text, [STOP, DONE].concat(), "a backend that knows no usage has still answered");
}

#[test]
fn an_error_event_of_the_upstream_is_the_one_error_event_and_is_sanitised() {
    let error = "data: {\"error\":{\"message\":\"lost 10.0.0.7:8000\"}}\n\n";
    let told = tell(ONE, [bytes(&[HELLO, error, STOP, DONE])]);
    assert_eq!(told.ending, Some(RequestEnd::Error));
    assert!(told.text.contains("the backend reported an error: lost [address]"), "{}", told.text);
    assert!(told.text.ends_with(DONE));
    assert_eq!((told.errors(), told.dones()), (1, 1));
}

#[test]
fn an_event_that_is_named_error_is_one_whatever_its_data() {
    for data in ["{\"message\":\"no\"}", "no", "{\"error\":{\"message\":\"no\"}}"] {
        let error = format!("event: error\ndata: {data}\n\n");
        let told = tell(ONE, [bytes(&[HELLO, &error, STOP, DONE])]);
        told.assert_failed_after(HELLO, Fault::Reported("no".into()));
    }
    let null = "data: {\"choices\":[],\"error\":null}\n\n";
    assert_eq!(tell(ONE, [bytes(&[null, STOP, DONE])]).text, [null, STOP, DONE].concat(), "null is no error");
}

#[test]
fn what_is_not_json_is_malformed() {
    for garbage in ["data: {\n\n", "data: 7\n\n", "data: [1]\n\n", "data: [DONE\n\n"] {
        tell(ONE, [bytes(&[HELLO, garbage, STOP, DONE])]).assert_failed_after(HELLO, Fault::Malformed);
    }
}

#[test]
fn an_event_beyond_the_bound_ends_the_stream() {
    let large = format!("data: {}\n\n", "x".repeat(5000));
    tell(ONE, [bytes(&[HELLO, &large])]).assert_failed_after(HELLO, Fault::TooLarge);
}

#[test]
fn an_id_line_of_the_upstream_is_never_forwarded() {
    let told = tell(ONE, [bytes(&["id: 7\nretry: 9\n", HELLO, STOP, DONE])]);
    assert_eq!(told.text, [HELLO, STOP, DONE].concat());
}

#[test]
fn a_heartbeat_goes_out_after_every_thirty_seconds_without_an_event() {
    let mut wait = Wait::new();
    wait.until_due();
    assert_eq!((wait.told.text.as_str(), wait.elapsed_secs()), (HEARTBEAT, 30));
    // Bytes that complete no event keep the upstream alive, and do not replace an event.
    wait.hear(&HELLO[..9]);
    wait.until_due();
    assert_eq!((wait.told.text.as_str(), wait.elapsed_secs()), ([HEARTBEAT, HEARTBEAT].concat().as_str(), 60));
    wait.hear(&HELLO[9..]);
    assert_eq!(wait.told.text, [HEARTBEAT, HEARTBEAT, HELLO].concat());
}

#[test]
fn sixty_seconds_of_silence_after_the_first_byte_are_an_error_event() {
    let mut wait = Wait::new();
    wait.hear(HELLO);
    wait.until_due();
    assert_eq!(wait.told.text, [HELLO, HEARTBEAT].concat());
    wait.until_due();
    assert_eq!(wait.elapsed_secs(), 60);
    wait.told.assert_failed_after(&[HELLO, HEARTBEAT].concat(), Fault::Silent);
    assert_eq!(wait.told.ending, Some(RequestEnd::Timeout));
}

#[test]
fn time_in_which_the_client_took_nothing_is_no_silence_of_the_upstream() {
    let mut wait = Wait::new();
    wait.hear(HELLO);
    wait.now += Duration::from_secs(59);
    wait.give(Input::Paused(Duration::from_secs(50)));
    wait.until_due(); // the heartbeat, long due
    wait.until_due();
    wait.until_due();
    assert_eq!(wait.elapsed_secs(), 110);
    assert_eq!(wait.told.faults, [Fault::Silent]);
}

#[test]
fn time_in_which_the_client_took_nothing_does_not_count_before_the_first_byte_either() {
    let mut wait = Wait::new();
    wait.until_due(); // a heartbeat, which the client takes 50 s to fetch
    wait.now += Duration::from_secs(50);
    wait.give(Input::Paused(Duration::from_secs(50)));
    while !wait.relay.is_over() {
        wait.until_due();
    }
    assert_eq!((wait.elapsed_secs(), wait.told.faults), (350, vec![Fault::FirstByteTimeout]));
}

#[test]
fn no_first_byte_within_its_limit_is_a_504_that_is_not_to_be_retried() {
    let limits = RelayLimits { first_byte: Duration::from_secs(20), ..LIMITS };
    let started = start();
    let mut relay = strict(Relay::new(limits, ONE, started));
    assert_eq!(relay.next_timeout(), Some(started + Duration::from_secs(20)));
    relay.handle_timeout(started + Duration::from_secs(20)).expect("no bug");
    let refused = relay.take_outputs().into_iter().find_map(|output| match output {
        Output::Refuse(error) => Some(error),
        Output::Write(_) | Output::UpstreamFailed(_) | Output::CloseUpstream { .. } | Output::End(_) => None,
    });
    let refused = refused.expect("nothing was written");
    assert_eq!((refused.status().as_u16(), refused.may_retry()), (504, false));
}

#[test]
fn no_first_byte_after_heartbeats_is_an_error_event() {
    let mut wait = Wait::new();
    while !wait.relay.is_over() {
        wait.until_due();
    }
    assert_eq!(wait.elapsed_secs(), 300);
    wait.told.assert_failed_after(&HEARTBEAT.repeat(9), Fault::FirstByteTimeout);
}

#[test]
fn a_shutdown_tells_a_stream_with_an_error_event_and_an_unanswered_request_with_503() {
    let told = tell(ONE, [bytes(&[HELLO]), Input::Shutdown, bytes(&[STOP, DONE])]);
    assert_eq!((told.errors(), told.dones(), told.ending), (1, 1, Some(RequestEnd::Error)));
    assert!(told.abandoned, "the upstream was still at work");
    assert_eq!(tell(ONE, [Input::Shutdown]).refused_with, Some(503));
}

#[test]
fn a_shutdown_while_only_the_terminator_is_awaited_completes_the_answer() {
    let told = tell(ONE, [bytes(&[HELLO, STOP]), Input::Shutdown]);
    assert_eq!((told.text.as_str(), told.ending), ([HELLO, STOP, DONE].concat().as_str(), Some(RequestEnd::Done)));
    assert!(told.abandoned, "the upstream was still at work");
}

#[test]
fn what_the_backend_would_keep_to_itself_is_in_no_error_event() {
    let now = start();
    for (words, expected) in [("vllm-7 is tired", "[address] is tired"), ("vllm-7 knows no hunter2", WITHHELD)] {
        let relay = Relay::new(LIMITS, ONE, now).hiding(Confidential::new(Some("hunter2"), "vllm-7"));
        let mut relay = strict(relay);
        let mut told = Told::default();
        let error = format!("data: {{\"error\":{{\"message\":\"{words}\"}}}}\n\n");
        relay.handle(bytes(&[HELLO, &error]), now).expect("no bug");
        told.take(&mut relay);
        assert!(told.text.contains(&format!("\"the backend reported an error: {expected}\"")), "{}", told.text);
    }
}

#[test]
fn a_panic_is_never_reported_as_success() {
    let told = tell(ONE, [bytes(&[HELLO, STOP]), Input::Failed(Fault::Panicked)]);
    assert_eq!((told.errors(), told.dones(), told.ending), (1, 1, Some(RequestEnd::Panic)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_any_upstream_gives_the_same_client_events(
        pieces in upstream(),
        ending in endings(),
        cuts in proptest::collection::vec(0_usize..2000, 0..12),
    ) {
        let stream: String = pieces.concat();
        let whole = tell(ONE, [Input::Bytes(stream.clone().into_bytes().into()), ending.clone()]);
        let split = tell(ONE, split(stream.as_bytes(), cuts).into_iter().chain([ending]));
        prop_assert_eq!(split.text, whole.text);
        prop_assert_eq!(split.ending, whole.ending);
        prop_assert_eq!(split.refused_with, whole.refused_with);
    }

    #[test]
    fn every_stream_ends_with_one_done_after_a_finish_or_one_error(
        pieces in upstream(),
        ending in endings(),
        waits in proptest::collection::vec(0_u64..400, 0..20),
    ) {
        let mut wait = Wait::new();
        for (index, piece) in pieces.iter().enumerate() {
            wait.now += Duration::from_secs(waits.get(index).copied().unwrap_or(0));
            wait.time_out();
            wait.hear(piece);
        }
        wait.give(ending);
        let told = wait.told;
        prop_assert!(wait.relay.is_over() && told.ending.is_some());
        prop_assert!(!told.text.contains("\nid:") && !told.text.starts_with("id:"));
        if told.refused_with.is_some() {
            prop_assert_eq!(told.text, "");
            return Ok(());
        }
        prop_assert_eq!(told.dones(), 1);
        prop_assert!(told.text.ends_with(DONE));
        let finished = told.events().iter().any(|event| event.data.contains("\"finish_reason\":\"stop\""));
        prop_assert!(told.errors() <= 1 && (finished || told.errors() == 1), "{}", told.text);
        prop_assert_eq!(told.errors() == 0, told.ending == Some(RequestEnd::Done));
    }

    #[test]
    fn nothing_happens_before_it_is_due(heard in any::<bool>(), waits in proptest::collection::vec(0_u64..40_000, 1..20)) {
        let mut wait = Wait::new();
        if heard {
            wait.hear(HELLO);
        }
        for millis in waits {
            let (due, before) = (wait.relay.next_timeout(), wait.told.text.len());
            wait.now += Duration::from_millis(millis);
            wait.time_out();
            let reached = due.is_some_and(|due| due <= wait.now);
            prop_assert_eq!(wait.told.text.len() > before, reached);
        }
    }

    #[test]
    fn a_truncated_upstream_never_looks_complete(cut_at in 0_usize..10_000, words in 1_usize..6, ending in endings()) {
        let stream = HELLO.repeat(words);
        let whole = [stream.as_str(), STOP, DONE].concat();
        // The finish reason is complete only with the blank line of its event.
        let cut_at = cut_at % (stream.len() + STOP.len());
        let told = tell(ONE, [Input::Bytes(whole.as_bytes()[..cut_at].to_vec().into()), ending]);
        prop_assert_ne!(told.ending, Some(RequestEnd::Done));
        prop_assert!(told.refused_with.is_some() || told.errors() == 1);
    }
}

/// Streams of whole, broken and unknown events.
fn upstream() -> impl Strategy<Value = Vec<String>> {
    let piece = prop_oneof![
        6 => Just(HELLO.to_owned()),
        2 => Just(STOP.to_owned()),
        2 => Just(DONE.to_owned()),
        1 => Just(USAGE.to_owned()),
        1 => Just("data: {\"error\":{\"message\":\"no\"}}\n\n".to_owned()),
        1 => Just("event: error\ndata: {\"message\":\"no\"}\n\n".to_owned()),
        1 => Just("data: {\"choices\":\n\n".to_owned()),
        2 => Just(": upstream heartbeat\r\n\r\n".to_owned()),
        1 => Just("id: 1\r".to_owned()),
        1 => "[a-z:\\[\\]{} \r\nü]{0,12}",
        1 => (0..HELLO.len()).prop_map(|cut| HELLO[..cut].to_owned()),
    ];
    proptest::collection::vec(piece, 0..10)
}

fn endings() -> impl Strategy<Value = Input> {
    proptest::sample::select(vec![
        Input::End,
        Input::Failed(Fault::Reset),
        Input::Failed(Fault::Truncated),
        Input::Shutdown,
    ])
}

fn split(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<Input> {
    cuts.retain(|&at| at <= bytes.len());
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|ends| Input::Bytes(bytes[ends[0]..ends[1]].to_vec().into())).collect()
}

/// A relay whose contract as a machine is asserted at every call.
fn strict(relay: Relay) -> Strict<Relay> {
    let mut relay = Strict::new(relay);
    assert_eq!(relay.take_outputs(), []);
    relay
}

fn bytes(pieces: &[&str]) -> Input {
    Input::Bytes(Bytes::from(pieces.concat()))
}

fn tell(order: Order, inputs: impl IntoIterator<Item = Input>) -> Told {
    let now = start();
    let mut relay = strict(Relay::new(LIMITS, order, now));
    let mut told = Told::default();
    for input in inputs {
        relay.handle(input, now).expect("no bug");
        told.take(&mut relay);
    }
    told
}

/// A relay together with a clock that jumps.
struct Wait {
    relay: Strict<Relay>,
    started: Instant,
    now: Instant,
    told: Told,
}

impl Wait {
    fn new() -> Self {
        let now = start();
        Self { relay: strict(Relay::new(LIMITS, ONE, now)), started: now, now, told: Told::default() }
    }

    fn hear(&mut self, text: &str) {
        self.give(Input::Bytes(text.as_bytes().to_vec().into()));
    }

    fn give(&mut self, input: Input) {
        self.relay.handle(input, self.now).expect("no bug");
        self.told.take(&mut self.relay);
    }

    fn time_out(&mut self) {
        self.relay.handle_timeout(self.now).expect("no bug");
        self.told.take(&mut self.relay);
    }

    fn until_due(&mut self) {
        let due = self.relay.next_timeout().expect("the stream is not over");
        self.now = self.now.max(due);
        self.time_out();
    }

    fn elapsed_secs(&self) -> u64 {
        (self.now - self.started).as_secs()
    }
}

/// What a relay told its shell to do.
#[derive(Debug, Default)]
struct Told {
    text: String,
    faults: Vec<Fault>,
    refused_with: Option<u16>,
    abandoned: bool,
    closed: bool,
    ending: Option<RequestEnd>,
}

impl Told {
    fn take(&mut self, relay: &mut Strict<Relay>) {
        for output in relay.take_outputs() {
            assert!(self.ending.is_none(), "{output:?} after the end");
            match output {
                Output::Write(bytes) => {
                    assert!(self.refused_with.is_none(), "{bytes:?} after a refusal");
                    self.text.push_str(std::str::from_utf8(&bytes).expect("events are text"));
                }
                Output::Refuse(error) => {
                    assert!(self.text.is_empty(), "a refusal after {:?}", self.text);
                    self.refused_with = Some(error.status().as_u16());
                }
                Output::UpstreamFailed(fault) => self.faults.push(fault),
                Output::CloseUpstream { abandoned } => {
                    assert!(!std::mem::replace(&mut self.closed, true), "closed twice");
                    self.abandoned = abandoned;
                }
                Output::End(ending) => self.ending = Some(ending),
            }
        }
    }

    fn events(&self) -> Vec<SseEvent> {
        let mut events = Vec::new();
        let mut parser = SseParser::new(1 << 20);
        parser.push(self.text.as_bytes(), &mut events).expect("small");
        assert!(!parser.has_partial(), "a partial event was forwarded: {:?}", self.text);
        events
    }

    fn errors(&self) -> usize {
        self.events().iter().filter(|event| event.data.starts_with("{\"error\":")).count()
    }

    fn dones(&self) -> usize {
        self.events().iter().filter(|event| event.data == "[DONE]").count()
    }

    #[track_caller]
    fn assert_failed_after(&self, before: &str, fault: Fault) {
        let after = self.text.strip_prefix(before).unwrap_or_else(|| panic!("{:?} does not begin so", self.text));
        assert!(after.starts_with("data: {\"error\":") && after.ends_with(DONE), "{after:?}");
        assert_eq!((self.errors(), self.dones(), &self.faults), (1, 1, &vec![fault]));
    }
}
