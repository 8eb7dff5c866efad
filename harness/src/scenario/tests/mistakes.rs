//! Every mistake that a file can have, with the exact line that tells it.

use proptest::prelude::*;

use super::{GOOD, read};
use crate::fault::{Fault, Freeze, Registry, Trigger};
use crate::scenario::*;

const FAULT: &str = r#"link = "alice -> chat"
connection = 2
when = { message = 3, direction = "to_server", edge = "before" }
do = "close"
code = 1000
reason = "idle"
"#;
const WHEN: &str = r#"{ message = 3, direction = "to_server", edge = "before" }"#;

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_known_one() {
    let mistakes = [
        ("proves =", "prvoes ="),
        ("time_limit", "timelimit"),
        ("latency = \"20ms\"", "latncy = \"20ms\""),
        ("run = \"chat\"", "runs = \"chat\""),
        ("tells", "tell"),
        ("latency = \"80ms\"", "latency = \"80ms\"\njitter = \"1ms\""),
        ("reason =", "raeson ="),
        ("connection =", "conection ="),
        ("edge =", "egde ="),
        ("message =", "mesage ="),
        ("key =", "keys ="),
        ("law =", "laws ="),
        ("[checks.delivery]", "[checks.delivry]"),
        ("convicted_by", "convicts"),
    ];
    insta::assert_snapshot!(errors(&mistakes), @"
    idle.toml:1: a scenario has no key `prvoes`; did you mean `proves`?
    idle.toml:2: a scenario has no key `timelimit`; did you mean `time_limit`?
    idle.toml:5: the network has no key `latncy`; did you mean `latency`?
    idle.toml:8: a host has no key `runs`; did you mean `run`?
    idle.toml:13: an actor has no key `tell`; did you mean `tells`?
    idle.toml:18: a link has no key `jitter`; known are `between`, `latency`, `send_buffer_bytes`, `receive_buffer_bytes`, `tcp_syn_linear_timeouts`, `idle_timeout` and `forgets`
    idle.toml:25: `close` takes no `raeson`; its parameters are `code`, `reason` and `to`; did you mean `reason`?
    idle.toml:21: `close` takes no `conection`; its parameters are `code`, `reason` and `to`; did you mean `connection`?
    idle.toml:22: the trigger `message` takes no `egde`; its parameters are `n`, `direction`, `to` and `edge`; did you mean `edge`?
    idle.toml:22: `when` names no trigger; there are `at`, `message`, `frame`, `sse_event`, `chunk`, `line`, `bytes`, `http_head`, `event`, `connect` and `idle`; did you mean `message`?
    idle.toml:30: a source of facts has no key `keys`; did you mean `key`?
    idle.toml:33: the check `delivery` has no key `laws`; did you mean `law`?
    idle.toml:32: there is no check `delivry`; did you mean `delivery`?
    idle.toml:35: a specimen needs `convicted_by`
    ");
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_known_one() {
    let mistakes = [
        ("link = \"alice -> chat\"", "link = \"alcie -> chat\""),
        ("link = \"alice -> chat\"", "link = \"alice -> scheduler\""),
        ("between = [\"alice\", \"chat\"]", "between = [\"alice\", \"chta\"]"),
        ("event = \"result delivered\"", "event = \"result delivered\"\nhost = \"caht\""),
        ("host = \"chat\"", "host = \"chats\""),
        ("law = \"exactly_once\"", "law = \"exactly_twice\""),
        (
            "law = \"exactly_once\"",
            "law = \"exactly_once\"\nallowed_losses = [{ reason = \"host_died\", host = \"chad\" }]",
        ),
        ("\"delivery\"]", "\"delivrey\"]"),
        ("\"received\"", "\"recieved\""),
        ("[\"offered\"]", "[\"offerd\"]"),
        ("event = \"result delivered\"", "unit = \"ws_txt\""),
        (WHEN, "{ event = \"x\", host = \"chatt\" }"),
    ];
    insta::assert_snapshot!(errors(&mistakes), @"
    idle.toml:20: there is no host `alcie`; did you mean `alice`?
    idle.toml:20: there is no host `scheduler`; known are `chat` and `alice`
    idle.toml:16: there is no host `chta`; did you mean `chat`?
    idle.toml:30: there is no host `caht`; did you mean `chat`?
    idle.toml:37: there is no host `chats`; did you mean `chat`?
    idle.toml:33: `law`: there is no `exactly_twice` here; did you mean `exactly_once`?
    idle.toml:34: there is no host `chad`; did you mean `chat`?
    idle.toml:39: the scenario is not judged by a check `delivrey`; did you mean `delivery`?
    idle.toml:28: `fact`: there is no `recieved` here; did you mean `received`?
    idle.toml:13: `tells`: there is no `offerd` here; did you mean `offered`?
    idle.toml:29: there is no unit `ws_txt`; did you mean `ws_text`?
    idle.toml:22: there is no host `chatt`; did you mean `chat`?
    ");
}

#[test]
fn a_duration_has_a_unit_and_whole_milliseconds() {
    let mistakes = [
        ("\"20min\"", "\"20\""),
        ("\"20min\"", "20"),
        ("\"20min\"", "\"soon\""),
        ("\"20min\"", "\"200years\""),
        ("\"20ms\"", "\"1500us\""),
        ("\"80ms\"", "\"80us\""),
        (WHEN, "{ at = \"1\" }"),
        (WHEN, "{ event = \"x\", after = 5 }"),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"delay\"\nby = \"3ns\""),
    ];
    insta::assert_snapshot!(errors(&mistakes), @r"
    idle.toml:2: `time_limit`: `20` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:2: `time_limit`: `20` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:2: `time_limit`: `soon` is no duration; durations are written as 20ms, 5s or 30min
    idle.toml:2: `time_limit`: `200years` is more than a century, and no run lasts so long
    idle.toml:5: `latency`: `1500us` is finer than a millisecond, and virtual time is not
    idle.toml:17: `latency`: `80us` is finer than a millisecond, and virtual time is not
    idle.toml:22: `at`: `1` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:22: `after`: `5` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:24: `by`: `3ns` is finer than a millisecond, and virtual time is not
    ");
}

#[test]
fn hosts_have_names_of_their_own() {
    let mistakes = [
        ("[actor.alice]", "[actor.chat]"),
        ("[actor.alice]", "[host.chat]"),
        ("[actor.alice]", "[host.alice]"),
        ("[actor.alice]", "[actor.\"al ice\"]"),
        ("[host.chat]\n", "[host.chat]\n[host.lazy]\n"),
        ("link = \"alice -> chat\"", "link = \"chat -> chat\""),
        ("link = \"alice -> chat\"", "link = \"alice, chat\""),
        ("[[fault]]", "[[link]]\nbetween = [\"chat\", \"alice\"]\nlatency = \"1ms\"\n\n[[fault]]"),
        ("proves =", "name = \"idle close\"\nproves ="),
        ("\"an idle close is noticed\"", "\" \""),
        ("proves =", "seeds = 0\nproves ="),
    ];
    insta::assert_snapshot!(errors(&mistakes), @r#"
    idle.toml:11: two hosts are named `chat`; actors are hosts, too
    idle.toml:11: `chat` is already described above
    idle.toml: the scenario has no actor: a run ends when its actors have, so it needs an `[actor.NAME]`
    idle.toml:11: `al ice` cannot be a name: names are made of letters, digits, `_` and `-`
    idle.toml:7: a host needs `run`
    idle.toml:20: a link joins two hosts, not `chat` with itself
    idle.toml:20: `alice, chat` is no link: links are written as "alice -> scheduler"
    idle.toml:20: the link between `chat` and `alice` is described twice
    idle.toml:1: `idle close` cannot be a name: names are made of letters, digits, `_` and `-`
    idle.toml:1: `proves` says nothing: it is the sentence that a run proves
    idle.toml:1: `seeds` is 0: a scenario is played under one seed at least
    "#);
}

#[test]
fn a_trigger_that_can_never_come_true_is_a_mistake() {
    let mistakes = [
        (WHEN, "{ message = 0, direction = \"to_server\" }"),
        (WHEN, "{ message = 3 }"),
        (WHEN, "{ message = -3, direction = \"to_server\" }"),
        (WHEN, "{ message = { from = 5, to = 4 }, direction = \"to_server\" }"),
        (WHEN, "{ message = 1, direction = \"to_server\", edge = { inside = 0 } }"),
        (WHEN, "{ message = 1, direction = \"to_server\", edge = \"midst\" }"),
        (WHEN, "{ message = 1, direction = \"to_sever\" }"),
        (WHEN, "{ frame = \"pingg\", n = 2, direction = \"to_server\" }"),
        (WHEN, "{ sse_event = 3, direction = \"to_server\" }"),
        (WHEN, "{ connect = true, edge = { inside = 3 } }"),
        (WHEN, "{ connect = false }"),
        (WHEN, "{ at = \"1s\", bytes = 3 }"),
        (WHEN, "{ direction = \"to_server\" }"),
        (WHEN, "\"now\""),
        (WHEN, "{ one_of = [] }"),
        (WHEN, "{ at = [] }"),
        ("connection = 2", "connection = 0"),
        (WHEN, "{ idle = \"0s\" }"),
        (WHEN, "{ idle = 60 }"),
        (WHEN, "{ idle = \"60s\", direction = \"to_server\" }"),
        (WHEN, "{ chunk = 0 }"),
        (WHEN, "{ line = 2, edge = { inside = 0 } }"),
    ];
    insta::assert_snapshot!(errors(&mistakes), @r#"
    idle.toml:22: units and events are counted from 1: there is no number 0
    idle.toml:22: `when` needs `direction`, or `to` with the host that receives
    idle.toml:22: `message`: expected a whole number from 0, found integer `-3`
    idle.toml:22: the range is empty: its end lies before its beginning
    idle.toml:22: inside a unit at least one byte of it has passed: write `edge = "before"`
    idle.toml:22: `edge`: there is no `midst` here; known are `before`, `inside` and `after`
    idle.toml:22: `direction`: there is no `to_sever` here; did you mean `to_server`?
    idle.toml:22: `frame`: there is no `pingg` here; did you mean `ping`?
    idle.toml:22: SSE events travel to the client, never to the server
    idle.toml:22: the trigger `connect` takes no `edge`; it has no parameters
    idle.toml:22: `connect` is true or absent
    idle.toml:22: a trigger is one thing, not `at` and `bytes`
    idle.toml:22: `when` names no trigger; there are `at`, `message`, `frame`, `sse_event`, `chunk`, `line`, `bytes`, `http_head`, `event`, `connect` and `idle`
    idle.toml:22: there is no moment `now`; known are `anywhere`
    idle.toml:22: `one_of` lists nothing to draw from
    idle.toml:22: `at` lists nothing to draw from
    idle.toml:21: connections are counted from 1
    idle.toml:22: a connection is idle for at least 1ms
    idle.toml:22: `idle`: `60` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:22: the trigger `idle` takes no `direction`; it has no parameters
    idle.toml:22: units and events are counted from 1: there is no number 0
    idle.toml:22: inside a unit at least one byte of it has passed: write `edge = "before"`
    "#);
}

#[test]
fn a_verb_has_its_own_parameters_targets_and_triggers() {
    let host_crash = "host = \"chat\"\nwhen = { message = 1, direction = \"to_client\" }\ndo = \"crash\"\n";
    let mistakes = [
        ("do = \"close\"", "do = \"clsoe\""),
        ("do = \"close\"", "do = [\"close\", \"reset\"]"),
        ("do = \"close\"", "do = \"half_open\""),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"half_open\"\nkind = \"backhole\""),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"half_open\""),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"crash\""),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"partition\""),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"refuse\""),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"truncate_clean\""),
        ("do = \"close\"\ncode = 1000\nreason = \"idle\"", "do = \"io_error\"\ncall = \"read\"\nkind = \"timed_out\""),
        (WHEN, "{ sse_event = 2 }"),
        ("code = 1000", "code = 1006"),
        ("code = 1000", "code = [1000, 99]"),
        ("code = 1000", "code = 100000"),
        ("\"idle\"", &format!("\"{}\"", "x".repeat(124))),
        (FAULT, host_crash),
        (FAULT, "host = \"chat\"\nbetween = [\"alice\", \"chat\"]\n"),
        (FAULT, "when = { at = \"1s\" }\ndo = \"crash\"\n"),
        (FAULT, "host = \"chat\"\nconnection = 1\nwhen = { at = \"1s\" }\ndo = \"crash\"\n"),
        (FAULT, "host = \"chat\"\nwhen = { idle = \"1min\" }\ndo = \"crash\"\n"),
        (WHEN, "{ line = 2 }"),
        ("code = 1000", "code = 1005"),
        ("code = 1000\n", ""),
    ];
    insta::assert_snapshot!(errors(&mistakes), @"
    idle.toml:23: there is no verb `clsoe`; did you mean `close`?
    idle.toml:24: `reset` takes no `code`; its only parameter is `to`
    idle.toml:23: `half_open` needs `kind`
    idle.toml:24: `kind`: there is no `backhole` here; did you mean `blackhole`?
    idle.toml:23: `half_open` needs `kind`
    idle.toml:23: `crash` strikes what `host` names, and this fault has `link`
    idle.toml:23: `partition` strikes what `between` names, and this fault has `link`
    idle.toml:23: `refuse` strikes attempts to connect: it takes `connect`, `at` or `event`
    idle.toml:23: `truncate_clean` ends a chunked body, and WebSocket has none
    idle.toml:23: `io_error` needs `side`
    idle.toml:23: `close` sends a WebSocket frame, and SSE has none
    idle.toml:24: 1006 is no close code that may travel; legal are 1000 to 1003, 1007 to 1014 and 3000 to 4999
    idle.toml:24: 99 is no close code that may travel; legal are 1000 to 1003, 1007 to 1014 and 3000 to 4999
    idle.toml:24: `code`: expected a whole number from 0 to 65535, found integer `100000`
    idle.toml:25: a close reason has at most 123 bytes, and this has 124
    idle.toml:21: units are counted on a `link`; other targets take the triggers `at` and `event`
    idle.toml:19: a fault needs `when`
    idle.toml:19: a fault strikes a `link`, a `host` or what is `between` two hosts
    idle.toml:21: only a fault on a `link` has a `connection`
    idle.toml:21: idle connections are counted on a `link`; other targets take the triggers `at` and `event`
    idle.toml:23: `close` sends a WebSocket frame, and in an HTTP body there is none
    idle.toml:24: 1005 is no close code that may travel; legal are 1000 to 1003, 1007 to 1014 and 3000 to 4999, and a frame that is read as 1005 has no `code` at all
    idle.toml:24: a reason stands behind a code: a Close frame without a `code` has none
    ");
}

#[test]
fn calls_lookups_and_hops_are_struck_where_they_are() {
    let on_link = |rest: &str| format!("link = \"alice -> chat\"\n{rest}\n");
    let at = "when = { at = \"1s\" }";
    let mistakes = [
        on_link(&format!("{at}\ndo = \"io_error\"\ncall = \"conect\"\nkind = \"timed_out\"")),
        on_link(&format!("{at}\ndo = \"io_error\"\ncall = \"connect\"\nkind = \"host_unreachabel\"")),
        on_link(&format!("{at}\ndo = \"io_error\"\ncall = \"connect\"\nkind = \"timed_out\"\nside = \"server\"")),
        on_link(&format!("{at}\ndo = \"io_error\"\ncall = \"connect\"\nkind = \"timed_out\"\nnth = 0")),
        on_link(
            "when = { bytes = 1, direction = \"to_server\" }\ndo = \"io_error\"\ncall = \"connect\"\nkind = \"timed_out\"",
        ),
        on_link("when = { connect = true }\ndo = \"lookup_fails\""),
        on_link(&format!("connection = 2\n{at}\ndo = \"lookup_fails\"")),
        on_link(&format!("{at}\ndo = \"lookup_fails\"\nkind = \"no_such_host\"")),
        on_link(&format!("{at}\ndo = \"lookup_moves\"")),
        on_link(&format!("{at}\ndo = \"lookup_moves\"\nto = \"chta\"")),
        on_link(&format!("{at}\ndo = \"lookup_moves\"\nto = \"chat\"")),
        on_link(&format!("{at}\ndo = \"half_close\"")),
        on_link(&format!("{at}\ndo = \"half_close\"\nby = \"clinet\"")),
        on_link(&format!("{at}\ndo = \"buffer\"")),
        on_link(&format!("{at}\ndo = \"buffer\"\nbytes = 0")),
    ];
    let mut mistakes: Vec<_> = mistakes.iter().map(|fault| (FAULT, fault.as_str())).collect();
    mistakes.extend([
        ("latency = \"80ms\"", "forgets = \"reset\""),
        ("latency = \"80ms\"", "idle_timeout = \"0s\""),
        ("latency = \"80ms\"", "idle_timeout = \"1min\"\nforgets = \"resett\""),
    ]);
    insta::assert_snapshot!(errors(&mistakes), @r"
    idle.toml:23: `call`: there is no `conect` here; did you mean `connect`?
    idle.toml:24: `kind`: there is no `host_unreachabel` here; did you mean `host_unreachable`?
    idle.toml:25: only the client connects
    idle.toml:25: calls are counted from 1
    idle.toml:22: a `connect` that fails carries nothing: it takes `connect`, `at` or `event`
    idle.toml:22: `lookup_fails` strikes lookups, which come before any connection: it takes `at` or `event`
    idle.toml:21: `lookup_fails` strikes lookups, which are of no `connection`
    idle.toml:23: `kind`: there is no `no_such_host` here; did you mean `no_such_name`?
    idle.toml:22: `lookup_moves` needs `to`
    idle.toml:23: there is no host `chta`; did you mean `chat`?
    idle.toml:23: the name `chat` leads to `chat` as it is
    idle.toml:22: `half_close` needs `by`
    idle.toml:23: `by`: there is no `clinet` here; did you mean `client`?
    idle.toml:22: `buffer` needs `bytes`
    idle.toml:23: `bytes` is at least 1
    idle.toml:17: a middlebox that forgets connections does so after an `idle_timeout`
    idle.toml:17: a connection is idle for at least 1ms before it is forgotten
    idle.toml:18: `forgets`: there is no `resett` here; did you mean `reset`?
    ");
}

#[test]
fn a_check_whose_facts_nobody_tells_is_a_mistake() {
    let mistakes = [
        ("\"received\"", "\"refused\""),
        ("tells = [\"offered\"]", ""),
        ("event = \"result delivered\"", ""),
        ("event = \"result delivered\"", "event = \"x\"\nunit = \"ws_text\""),
        ("event = \"result delivered\"", "unit = \"ws_text\""),
        ("[\"delivery\"]", "[\"truthful\"]"),
        ("[\"delivery\"]", "[]"),
    ];
    insta::assert_snapshot!(errors(&mistakes), @r"
    idle.toml:32: the check `delivery` reads `received` facts, and nothing is a source of them: map an event or a unit under `[[facts]]`, or list `received` in what an actor `tells`
    idle.toml:32: the check `delivery` reads `offered` facts, and nothing is a source of them: map an event or a unit under `[[facts]]`, or list `offered` in what an actor `tells`
    idle.toml:27: a fact is read from an `event`, a `unit` or a `connection`
    idle.toml:30: a fact is read from one thing, not from `event` and `unit`
    idle.toml:30: `job_id` is no JSON pointer into the unit: they begin with a slash, as in `/job_id`
    idle.toml:39: the scenario is not judged by a check `truthful`; known are `delivery`, `integrity`, `survival`, `stops` and `took_effect`
    idle.toml:39: a defect that no check convicts proves nothing
    ");
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let mistakes =
        [("[actor.alice]", "[actor.alice"), ("port = 80", "port = "), ("connection = 2", "connection = \"2\"")];
    insta::assert_snapshot!(errors(&mistakes), @r#"
    idle.toml:11: this is not TOML: unclosed table, expected `]`
    idle.toml:9: this is not TOML: invalid literal string, expected `'`
    idle.toml:21: `connection`: `2` is neither a number nor a range: ranges are written as "2..=7", lists as [2, 4]
    "#);
}

#[test]
fn a_run_that_is_not_registered_is_told_with_those_that_are() {
    let scenario = read(GOOD).expect("no mistake");
    let error = |hosts: &[&str], actors: &[&str]| {
        scenario.check_runs(hosts, actors).err().map_or("none".to_owned(), |errors| errors[0].to_string())
    };
    let errors = [
        error(&["chat", "specimen_deaf"], &["talker"]),
        error(&["chaat", "specimen_deaf"], &["talker"]),
        error(&["chat", "specimen_deaf"], &["tolker", "walker"]),
        error(&["chat", "talker", "specimen_deaf"], &[]),
        error(&["chat", "specimen_dead"], &["talker"]),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    none
    idle.toml:8: nothing is registered as a host under the name `chat`; did you mean `chaat`?
    idle.toml:12: nothing is registered as an actor under the name `talker`; did you mean `tolker`?
    idle.toml:12: `talker` is registered, but not as an actor; so registered are none
    idle.toml:38: nothing is registered as a host under the name `specimen_deaf`; did you mean `specimen_dead`?
    ");
}

#[test]
fn a_scenario_built_in_rust_is_held_to_the_same_laws() {
    let freeze = Fault::new("chat", Trigger::At(Duration::from_micros(1500)), Freeze { thaw_after: None });
    let scenario = Scenario::new("frozen", "a freeze is survived")
        .with_host(HostSpec::actor("alice", "talker"))
        .with_host(HostSpec::host("chat", "chat"))
        .with_rule(freeze);
    insta::assert_snapshot!(scenario.checked().expect_err("a mistake"), @"scenario `frozen`: 1.5ms is finer than a millisecond, and virtual time is not");
}

proptest! {
    /// Half of a file, a file with a hole, a file with something in it that belongs elsewhere: an answer, never a panic.
    #[test]
    fn no_text_makes_the_reader_panic(from in 0..GOOD.len(), length in 0..60_usize, other in 0..GOOD.len(), many in 0..60_usize) {
        let cut = |from: usize, length: usize| &GOOD[from..GOOD.len().min(from + length)];
        let text = GOOD.replacen(cut(from, length), cut(other, many), 1);
        if let Err(error) = read(&text) {
            prop_assert!(error.to_string().starts_with("idle.toml:"), "{}", error);
            prop_assert!(!error.sentence.contains('\n'), "{}", error);
        }
    }
}

/// The error of each mistake alone, one a line.
fn errors(mistakes: &[(&str, &str)]) -> String {
    let errors = mistakes.iter().map(|(find, replace)| {
        assert!(GOOD.contains(find), "{find} is not in the scenario");
        match read(&GOOD.replacen(find, replace, 1)) {
            Ok(_) => panic!("{replace} is no mistake"),
            Err(error) => error.to_string(),
        }
    });
    errors.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_source_of_facts_has_one_origin_and_one_key() {
    let by_key = r#"key = "job_id""#;
    let mistakes = [
        (by_key, "key = []"),
        (by_key, "key = \"job_id\"\nas = \"line\""),
        (by_key, "key = \"job_id\"\nunit = \"ws_text\""),
        ("event = \"result delivered\"", "connection = \"atempted\""),
        ("event = \"result delivered\"", "connection = \"attempted\""),
        ("event = \"result delivered\"\nkey = \"job_id\"", "connection = \"refused\"\nat = \"server\""),
        ("event = \"result delivered\"\nkey = \"job_id\"", "connection = \"refused\"\nlink = \"alice -> bob\""),
        ("event = \"result delivered\"\nkey = \"job_id\"", ""),
    ];
    insta::assert_snapshot!(errors(&mistakes));
}

#[test]
fn every_mistake_of_a_file_is_told_once_in_the_order_of_its_lines() {
    let text = r#"proves = "several parts are wrong"
settle = 60

[network]
latency = "20"
latncy = "20ms"

[host.chat]
run = "chat"
strat = "1s"

[actor.alice]
tells = ["offerd"]

[[link]]
between = ["alice", "chta"]
latency = "5ms"

[[fault]]
link = "alice -> bob"
when = { message = 1, direction = "to_sever", egde = "before" }
do = "half_open"
kind = "blackhol"
heals_after = "3s"

[[fault]]
host = "chat"
connection = [1, 1]
when = { at = "5s" }
do = "crash"
restart_after = 3

[[facts]]
fact = "recieved"
event = "result delivered"
keys = "job_id"

[checks.delivery]
law = "exactly_twice"
ordered = true

[checks.detect]
observers = ["alice"]
"#;
    let mistakes = Scenario::whole_from_toml(text, Path::new("idle.toml"), &Registry::default()).expect_err("mistakes");
    let told: Vec<_> = mistakes.sorted(Path::new("idle.toml")).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    idle.toml:2: `settle`: `60` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:5: `latency`: `20` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:6: the network has no key `latncy`; did you mean `latency`?
    idle.toml:10: a host has no key `strat`; did you mean `start`?
    idle.toml:12: an actor needs `run`
    idle.toml:13: `tells`: there is no `offerd` here; did you mean `offered`?
    idle.toml:16: there is no host `chta`; did you mean `chat`?
    idle.toml:21: the trigger `message` takes no `egde`; its parameters are `n`, `direction`, `to` and `edge`; did you mean `edge`?
    idle.toml:21: `direction`: there is no `to_sever` here; did you mean `to_server`?
    idle.toml:23: `kind`: there is no `blackhol` here; did you mean `blackhole`?
    idle.toml:24: `half_open` takes no `heals_after`; its parameters are `kind`, `direction` and `heal_after`; did you mean `heal_after`?
    idle.toml:28: only a fault on a `link` has a `connection`
    idle.toml:31: `restart_after`: `3` has no unit; durations are written as 20ms, 5s or 30min
    idle.toml:34: `fact`: there is no `recieved` here; did you mean `received`?
    idle.toml:36: a source of facts has no key `keys`; did you mean `key`?
    idle.toml:39: `law`: there is no `exactly_twice` here; did you mean `exactly_once`?
    idle.toml:40: the check `delivery` has no key `ordered`; did you mean `order`?
    idle.toml:42: the check `detect` needs `within`
    ");
}

#[test]
fn every_place_at_which_a_file_is_no_toml_is_told() {
    let text = "proves = \"x\"\nsettle = \n[actor.alice]\nrun = \n";
    let mistakes = Scenario::whole_from_toml(text, Path::new("idle.toml"), &Registry::default()).expect_err("mistakes");
    let lines: Vec<_> = mistakes.sorted(Path::new("idle.toml")).iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 4]);
}
