mod choosing;

use std::time::Duration;

use halfopen::fault::FrameKind;
use halfopen::name::{ConnectionId, Direction, HostName, Incarnation, Link};
use halfopen::trace::{ConnectionEvent, Level, LogEvent, ProcessEvent, Record, RecordKind, Unit};

use super::NodeProtocol;

/// One job, done by one node. Each line is a time in milliseconds, and what happened: a process, a connection, a message to the
/// server (`>`) or to the client (`<`), a line of a log.
const CALM: &str = r#"
0 scheduler started
0 node started
0 alice#1 upgraded
0 node#1 attempted
40 node#1 upgraded
60 node#1 > {"type":"node_register","capacity":1}
80 scheduler: node registered | node_id=node-1 | generation=1
80 node#1 < {"type":"node_register_ack","node_id":"node-1","token":"0123456789abcdef","epoch":"e-1"}
100 node: registered | node_id=node-1 | epoch=e-1
1000 alice#1 > {"type":"submit","job_id":"job-1","trace_id":"t-1","text":"hello","src_lang":"en","tgt_lang":"de"}
1020 scheduler: submit accepted | session_id=s-1 | job_id=job-1 | trace_id=t-1
1020 scheduler: job assigned | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | node_id=node-1 | trace_id=t-1
1020 node#1 < {"type":"job_assign","job_id":"job-1","attempt_id":"att-1","trace_id":"t-1","text":"hello","src_lang":"en","tgt_lang":"de"}
1040 node: job taken | attempt_id=att-1
1040 node#1 > {"type":"job_ack","job_id":"job-1","attempt_id":"att-1"}
3000 node: job done | attempt_id=att-1
3000 node#1 > {"type":"job_result","job_id":"job-1","attempt_id":"att-1","ok":true,"text":"[de] hello"}
3020 scheduler: job finished | job_id=job-1 | session_id=s-1 | trace_id=t-1 | outcome=result
3020 node#1 < {"type":"result_ack","job_id":"job-1","attempt_id":"att-1","accepted":true}
3020 alice#1 < {"type":"result","job_id":"job-1","attempt_id":"att-1","text":"[de] hello"}
3040 node: result acknowledged | attempt_id=att-1
5080 node#1 > {"type":"node_heartbeat"}
"#;

#[test]
fn a_run_that_keeps_the_protocol_is_acquitted() {
    assert_eq!(verdict(CALM, 5500), "1 registrations, 1 attempts");
}

#[test]
fn a_run_without_a_node_says_nothing() {
    assert_eq!(verdict("0 scheduler started", 5000), "says nothing");
}

#[test]
fn a_token_in_a_log_convicts() {
    let run = format!("{CALM}5200 node: registered | node_id=node-1 | epoch=e-1 | token=\"0123456789abcdef\"");
    assert_eq!(verdict(&run, 5500), "logs a token @ node");
}

#[test]
fn cancelled_work_that_goes_on_convicts() {
    let gauges = |tasks_end: u64| {
        let lines = [
            "1040 node: gauge | name=running_jobs | value=1".to_owned(),
            "1040 node: gauge | name=worker_tasks | value=1".to_owned(),
            "3000 node: gauge | name=running_jobs | value=0".to_owned(),
            format!("{tasks_end} node: gauge | name=worker_tasks | value=0"),
        ];
        let mut all: Vec<&str> =
            CALM.lines().filter(|line| !line.is_empty()).chain(lines.iter().map(String::as_str)).collect();
        all.sort_by_key(|line| line.split(' ').next().and_then(|ms| ms.parse::<u64>().ok()));
        verdict(&all.join("\n"), 9500)
    };
    assert_eq!(gauges(5100), "1 registrations, 1 attempts");
    assert_eq!(gauges(9100), "goes on with cancelled work @ node");
}

#[test]
fn what_is_left_out_convicts() {
    let mut judged = Vec::new();
    for (line, clause) in [
        ("60 node#1 >", "answers what was not asked"),
        ("80 scheduler:", "says nothing of a registration"),
        ("80 node#1 <", "an answer to node_register @ node"),
        ("1000 alice", "takes a job that was not submitted"),
        ("1020 scheduler: submit", "assigns a job that is not open"),
        ("1020 scheduler: job", "sends an assignment that is none"),
        ("1020 node#1 <", "works on what was not assigned"),
        ("1040 node#1 >", "job_ack @ node"),
        ("3000 node#1 >", "ends a job without a reason"),
        ("3020 scheduler: job finished", "says that a result was taken"),
        ("3020 node#1 <", "result_ack @ node"),
        ("3040 node:", "the node's notice of result_ack @ node"),
        ("5080 node#1 >", "beats too slowly @ node"),
    ] {
        let run: String = CALM.lines().filter(|said| !said.starts_with(line)).map(|said| format!("{said}\n")).collect();
        assert_ne!(run.len(), CALM.len() - 1, "{line}");
        judged.push((line.to_owned(), verdict(&run, 5500), clause));
    }
    assert_judged(&judged);
}

#[test]
fn what_is_said_otherwise_convicts() {
    let mut judged = Vec::new();
    for (said, instead, clause) in [
        (
            r#""text":"hello","src_lang":"en","tgt_lang":"de"}"#,
            r#""text":"hallo","src_lang":"en","tgt_lang":"de"}"#,
            "changes a job",
        ),
        (
            r#""trace_id":"t-1","text":"hello","src_lang":"en","tgt_lang":"de"}
1040"#,
            r#""trace_id":"t-1","text":"hell","src_lang":"en","tgt_lang":"de"}
1040"#,
            "changes a job",
        ),
        (r#""accepted":true"#, r#""accepted":false"#, "says that a result was not taken"),
        (
            r#""result","job_id":"job-1","attempt_id":"att-1","text":"[de] hello""#,
            r#""result","job_id":"job-1","attempt_id":"att-1","text":"[de] hel""#,
            "changes a result",
        ),
        ("outcome=result", "outcome=NODE_UNAVAILABLE", "ends a job without a reason"),
        ("outcome=result", "outcome=QUEUE_TIMEOUT", "ends a job without a reason"),
        ("node_id=node-1 | trace_id", "node_id=node-2 | trace_id", "assigns to a node that is not there"),
        ("0123456789abcdef", "short", "gives no secret"),
        ("5080 node#1", "3080 node#1", "beats too fast @ node"),
    ] {
        let run = CALM.replacen(said, instead, 1);
        assert_ne!(run, CALM, "{said}");
        judged.push((instead.to_owned(), verdict(&run, 5200), clause));
    }
    assert_judged(&judged);
}

#[test]
fn what_is_said_as_well_convicts() {
    let mut judged = Vec::new();
    for (line, clause) in [
        (
            "2000 scheduler: job assigned | session_id=s-1 | job_id=job-1 | attempt_id=att-2 | node_id=node-1 | trace_id=t-1",
            "assigns a job twice",
        ),
        (
            "2000 scheduler: job assigned | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | node_id=node-1 | trace_id=t-1",
            "gives an attempt's name twice",
        ),
        ("2000 scheduler: submit accepted | session_id=s-1 | job_id=job-1 | trace_id=t-1", "opens a known job again"),
        ("4000 scheduler: submit accepted | session_id=s-1 | job_id=job-1 | trace_id=t-1", "opens a known job again"),
        ("2000 scheduler: node registered | node_id=node-1 | generation=2", "keeps the old connection of a node"),
        (
            "2000 scheduler: node lost | node_id=node-1 | generation=1 | close_code=1011 | by=timeout",
            "declares a node dead too early",
        ),
        ("2000 scheduler: node lost | node_id=node-1 | generation=2", "generation"),
        ("2000 scheduler: node lost | node_id=node-1 | generation=1", "waits for a node that is gone"),
        (
            "2000 scheduler: attempt spent | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | trace_id=t-1 | reason=not acknowledged",
            "spends an attempt without a reason",
        ),
        (
            "2000 scheduler: attempt spent | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | trace_id=t-1 | reason=no progress",
            "spends an attempt too early",
        ),
        (
            "2000 scheduler: attempt spent | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | trace_id=t-1 | reason=failed: no",
            "spends an attempt without a reason",
        ),
        (
            "4000 scheduler: attempt spent | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | trace_id=t-1 | reason=no progress",
            "spends an attempt that does not count",
        ),
        (r#"2000 node#1 < {"type":"job_cancel","job_id":"job-1","attempt_id":"att-1"}"#, "cancels what is not over"),
        (
            r#"4000 node#1 < {"type":"result_ack","job_id":"job-1","attempt_id":"att-1","accepted":true}"#,
            "answers a result twice",
        ),
        (
            r#"2000 node#1 < {"type":"job_assign","job_id":"job-1","attempt_id":"att-9","text":"hello"}"#,
            "sends an assignment that is none",
        ),
        (
            r#"4000 node#1 > {"type":"job_result","job_id":"job-1","attempt_id":"att-1","ok":true,"text":"[de] hello"}"#,
            "hands in what is over",
        ),
        (
            r#"4000 node#1 > {"type":"job_progress","job_id":"job-1","attempt_id":"att-1"}"#,
            "reports work that does not run",
        ),
        (
            r#"4000 node#1 > {"type":"job_ack","job_id":"job-1","attempt_id":"att-1"}"#,
            "acknowledges what was not assigned",
        ),
        ("4000 scheduler: accepting failed\n4020 scheduler: accepting failed", "accepts in a hot loop"),
        ("4000 scheduler: drained | exit=Drained", "stops unasked"),
        ("2000 scheduler stop\n2010 scheduler: drained | exit=LeftUndone", "stops before its work is done"),
        ("4000 scheduler stop", "stops too late"),
        ("4000 scheduler stop\n4010 scheduler: drained | exit=Drained\n4010 scheduler ended", "says how it ended"),
    ] {
        judged.push((line.to_owned(), verdict(&with(line), 5200), clause));
    }
    assert_judged(&judged);
}

#[test]
fn a_node_that_comes_back_is_the_same_node_and_hands_in_what_it_has() {
    let back = r#"2000 node#1 reset
2000 scheduler: node lost | node_id=node-1 | generation=1 | close_code=1006 | by=network
2000 scheduler: attempt spent | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | trace_id=t-1 | reason=node lost
2010 node: scheduler lost | close_code=1006
"#;
    let calm = with(back)
        .lines()
        .filter(|line| !line.starts_with("30") && !line.starts_with("5080"))
        .fold(String::new(), |run, line| run + line + "\n");
    let again = r#"2500 node: job done | attempt_id=att-1
7010 node#2 attempted
7040 node#2 upgraded
7060 node#2 > {"type":"node_register","node_id":"node-1","token":"0123456789abcdef","capacity":1}
7080 scheduler: node registered | node_id=node-1 | generation=2
7080 scheduler: job assigned | session_id=s-1 | job_id=job-1 | attempt_id=att-2 | node_id=node-1 | trace_id=t-1
7080 node#2 < {"type":"node_register_ack","node_id":"node-1","token":"0123456789abcdef","epoch":"e-1"}
7080 node#2 < {"type":"job_assign","job_id":"job-1","attempt_id":"att-2","trace_id":"t-1","text":"hello","src_lang":"en","tgt_lang":"de"}
7100 node: registered | node_id=node-1 | epoch=e-1
7100 node#2 > {"type":"job_result","job_id":"job-1","attempt_id":"att-1","ok":true,"text":"[de] hello"}
7100 node: job taken | attempt_id=att-2
7100 node#2 > {"type":"job_ack","job_id":"job-1","attempt_id":"att-2"}
7120 scheduler: job finished | job_id=job-1 | session_id=s-1 | trace_id=t-1 | outcome=result
7120 node#2 < {"type":"result_ack","job_id":"job-1","attempt_id":"att-1","accepted":true}
7120 node#2 < {"type":"job_cancel","job_id":"job-1","attempt_id":"att-2"}
7140 node: result acknowledged | attempt_id=att-1
7140 node: job cancelled | attempt_id=att-2
"#;
    let run = calm + again;
    assert_eq!(verdict(&run, 9000), "2 registrations, 2 attempts");
    let mut judged = Vec::new();
    for (said, instead, clause) in [
        (
            r#""node_register","node_id":"node-1","token":"0123456789abcdef","#,
            r#""node_register","#,
            "forgets who it is @ node",
        ),
        ("7010 node#2", "3010 node#2", "tries again too soon @ node"),
        ("7010 node#2 attempted", "7900 node#2 attempted", "does not try again @ node"),
        (r#"7100 node#2 > {"type":"job_result","#, r#"7100 node#2 > {"type":"other","#, "ends a job without a reason"),
        (r#"7120 node#2 < {"type":"job_cancel","#, r#"7120 node#2 < {"type":"error","#, "job_cancel @ node"),
        ("7140 node: job cancelled", "7140 node: other", "the node's stop of a cancelled job @ node"),
        ("7080 scheduler: job assigned", "7090 scheduler: job assigned", "sends an assignment that is none"),
        ("7120 scheduler: job finished", "8120 scheduler: job finished", "says that a result was taken"),
    ] {
        let other = run.replacen(said, instead, 1);
        assert_ne!(other, run, "{said}");
        judged.push((instead.to_owned(), verdict(&other, 9000), clause));
    }
    assert_judged(&judged);
}

#[test]
fn a_node_is_who_shows_the_token() {
    let shows = |token: &str, answer: &str| {
        let comes = "2000 mallory#1 attempted\n2010 mallory#1 upgraded\n";
        let hello =
            format!(r#"2020 mallory#1 > {{"type":"node_register","node_id":"node-1","token":"{token}","capacity":1}}"#);
        verdict(&with(&format!("{comes}{hello}\n{answer}")), 2100)
    };
    let as_another = r#"2040 scheduler: node registered | node_id=node-2 | generation=1
2040 mallory#1 < {"type":"node_register_ack","node_id":"node-2","token":"fedcba9876543210","epoch":"e-1"}"#;
    assert_eq!(shows("forged", "2040 mallory#1 <close 4003"), "1 registrations, 1 attempts");
    assert_eq!(shows("forged", as_another), "takes a wrong token");
    assert_eq!(shows("0123456789abcdef", "2040 mallory#1 <close 4003"), "refuses a right token");
    let unanswered = CALM.lines().take(7).fold(String::new(), |run, line| run + line + "\n");
    let unanswered = unanswered + "0 scheduler: listening\n0 node: started\n70 node#1 silent\n";
    assert_eq!(verdict(&(unanswered.clone() + "8060 node#1 >close 1000"), 9000), "gives up too soon @ node");
    assert_ne!(verdict(&(unanswered + "10060 node#1 >close 1000"), 10_100), "gives up too soon @ node");
}

#[test]
fn the_result_that_is_taken_is_the_jobs_own_and_its_node_is_not_told_to_stop() {
    let won_by = |attempt: &str| CALM.replacen("outcome=result", &format!("attempt_id={attempt} | outcome=result"), 1);
    assert_eq!(verdict(&won_by("att-1"), 5500), "1 registrations, 1 attempts");
    assert_eq!(verdict(&won_by("att-9"), 5500), "takes another job's result");
    let stopped = r#"3030 node#1 < {"type":"job_cancel","job_id":"job-1","attempt_id":"att-1"}"#;
    assert_eq!(verdict(&(won_by("att-1") + stopped), 5500), "cancels what is not over");
}

#[test]
fn a_connection_of_a_host_that_has_crashed_before_is_judged_as_any_other() {
    let again = "10 node crashed\n20 node started\n30 node#1 attempted";
    let run = CALM.replacen("0 node#1 attempted", again, 1);
    assert_eq!(verdict(&run, 5500), "1 registrations, 1 attempts");
    let run: String =
        run.lines().filter(|line| !line.starts_with("1040 node#1 >")).map(|line| format!("{line}\n")).collect();
    assert_eq!(verdict(&run, 5500), "job_ack @ node");
}

#[test]
fn time_alone_convicts_who_waits_too_long() {
    let cut = |ends: &str| {
        CALM.lines().take_while(|line| !line.starts_with(ends)).fold(String::new(), |run, line| run + line + "\n")
    };
    let heard = cut("1020 node#1");
    let silent = heard.clone() + "1030 node#1 silent\n";
    assert_eq!(verdict(&silent, 4700), "waits too long for job_ack");
    let worked = cut("3000 node:") + "1050 node#1 silent\n";
    assert_eq!(verdict(&worked, 17_000), "keeps a silent node @ node");
    let waiting = CALM
        .lines()
        .filter(|line| !line.contains("node") || line.ends_with("started"))
        .fold(String::new(), |run, line| run + line + "\n");
    let is_later = |line: &&str| line.contains("finished") || line.contains("result");
    let waiting: String = waiting.lines().filter(|line| !is_later(line)).map(|line| format!("{line}\n")).collect();
    assert_eq!(verdict(&waiting, 11_000), "says nothing");
    assert_eq!(verdict(&waiting, 12_000), "waits too long for a node");
}

/// Each change of a run is convicted by its clause.
fn assert_judged(judged: &[(String, String, &str)]) {
    let wrong: Vec<_> = judged.iter().filter(|(_, by, wanted)| by != wanted).collect();
    assert!(wrong.is_empty(), "changed, convicted by, wanted: {wrong:#?}");
}

fn with(lines: &str) -> String {
    format!("{CALM}{lines}\n")
}

/// What the law says: its summary, or the clause that is broken.
fn verdict(run: &str, ends_at: u64) -> String {
    let mut records: Vec<Record> = run.lines().filter(|line| !line.trim().is_empty()).flat_map(read).collect();
    records.sort_by_key(|record| record.at);
    match NodeProtocol::default().examine_records(&records, Duration::from_millis(ends_at)) {
        Ok(summary) => summary,
        Err(finding) => {
            let signature = finding.of("law", "").signature.to_string();
            signature.trim_start_matches("law: ").to_owned()
        }
    }
}

fn read(line: &str) -> Vec<Record> {
    let (ms, rest) = line.trim().split_once(' ').expect("a time");
    let at = Duration::from_millis(ms.parse().expect("milliseconds"));
    let (subject, said) = rest.split_once(' ').expect("a subject");
    let record =
        |host: Option<&str>, what| Record { at, host: host.map(HostName::from), incarnation: Incarnation(0), what };
    if let Some(host) = subject.strip_suffix(':') {
        return vec![record(Some(host), logged(host, said))];
    }
    let Some((client, nth)) = subject.split_once('#') else {
        let event = match said {
            "started" => ProcessEvent::Started,
            "stop" => ProcessEvent::StopRequested,
            "ended" => ProcessEvent::Exited { error: None },
            "crashed" => ProcessEvent::Crashed,
            other => panic!("{other}"),
        };
        return vec![record(Some(subject), RecordKind::Process(event))];
    };
    let link = Link { client: client.into(), server: "scheduler".into() };
    let id = ConnectionId { link, nth: nth.parse().expect("a number") };
    let unit =
        |direction, unit| record(None, RecordKind::Unit { connection: id.clone(), direction, unit, arrived: None });
    let event = |event| record(None, RecordKind::Connection { id: id.clone(), event });
    let text = |text: &str| Unit::WsMessage { kind: FrameKind::Text, text: Some(text.to_owned()), bytes: 1 };
    match said.split_once(' ') {
        Some((">", said)) => vec![unit(Direction::ToServer, text(said))],
        Some(("<", said)) => vec![unit(Direction::ToClient, text(said))],
        Some((">close", code)) => vec![unit(Direction::ToServer, close(code))],
        Some(("<close", code)) => vec![unit(Direction::ToClient, close(code))],
        _ => match said {
            "attempted" => vec![event(ConnectionEvent::Attempted)],
            "upgraded" => {
                let target = if client == "alice" { "/ws/session" } else { "/ws/node" };
                let request = Unit::HttpRequest { method: "GET".to_owned(), target: target.to_owned() };
                vec![unit(Direction::ToServer, request), unit(Direction::ToClient, Unit::HttpResponse { status: 101 })]
            }
            "reset" => vec![event(ConnectionEvent::Rst { to: halfopen::name::Side::Client, forged: true })],
            "silent" => {
                let fired =
                    halfopen::trace::FaultEvent::Fired { on: id.to_string(), verb: "half_open(blackhole)".to_owned() };
                vec![record(None, RecordKind::Fault { fault: halfopen::fault::FaultIndex(0), event: fired })]
            }
            other => panic!("{other}"),
        },
    }
}

fn close(code: &str) -> Unit {
    Unit::WsControl { kind: FrameKind::Close, code: Some(code.parse().expect("a code")), reason: None }
}

fn logged(host: &str, said: &str) -> RecordKind {
    let mut parts = said.split(" | ");
    let message = parts.next().expect("a message").to_owned();
    let field =
        |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).expect("a field");
    let target = if host == "scheduler" { "halfopen_scheduler" } else { "halfopen_scheduler::node" };
    RecordKind::Event(LogEvent {
        level: Level::Info,
        target: target.to_owned(),
        message,
        fields: parts.map(field).collect(),
    })
}
