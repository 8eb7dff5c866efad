//! What a scenario says is what its file says.

mod checks;
mod clashes;
mod contents;
mod convicts;
mod folders;
mod misspelt;
mod mistakes;
mod names;
mod opposites;
mod strange_files;
mod timing;
mod words;

use super::*;

/// A scenario without a mistake, into which each test puts one.
const GOOD: &str = r#"proves = "an idle close is noticed"
time_limit = "20min"

[network]
latency = "20ms"

[host.chat]
run = "chat"
config = { port = 80 }

[actor.alice]
run = "talker"
tells = ["offered"]

[[link]]
between = ["alice", "chat"]
latency = "80ms"

[[fault]]
link = "alice -> chat"
connection = 2
when = { message = 3, direction = "to_server", edge = "before" }
do = "close"
code = 1000
reason = "idle"

[[facts]]
fact = "received"
event = "result delivered"
key = "job_id"

[checks.delivery]
law = "exactly_once"

[[specimen]]
name = "deaf"
host = "chat"
run = "specimen_deaf"
convicted_by = ["delivery"]
"#;

#[test]
fn a_scenario_is_written_as_a_person_would_write_it() {
    insta::assert_snapshot!(arbitrary::scenario().to_toml(), @r#"
    name = "everything"
    proves = "what is written is read"
    starts_at = "2026-11-29T12:34:56Z"
    time_limit = "1h 5m"
    settle = "1m 30s"
    seeds = 16

    [network]
    latency = "35ms"
    send_buffer_bytes = 3800000
    receive_buffer_bytes = 131072
    interleaved = false

    [host.chat]
    run = "chat"
    start = "1s"

    [host.chat.config]
    names = ["a", "b"]
    port = 80

    [host.chat.config.keepalive]
    every = "20s"

    [host.elsewhere]
    run = "chat"
    start = "0s"

    [actor.alice]
    run = "talker"
    start = "0s"
    tells = ["offered", "received", "recovered"]

    [actor.bob]
    run = "talker"
    start = "50ms"

    [[link]]
    between = ["alice", "chat"]
    latency = "80ms"
    idle_timeout = "1m"
    forgets = "reset"

    [[fault]]
    link = "alice -> chat"
    connection = 2
    when.one_of = [
        { message = { from = 2, to = 9 }, direction = "to_client", edge = { inside = 5 } },
        { message = { from = 2, to = 9 }, direction = "to_client", edge = "before" },
    ]
    do.one_of = [
        { do = "half_open", kind = "blackhole", heal_after = "30s" },
        { do = "half_open", kind = "stall", heal_after = "30s" },
    ]

    [[fault]]
    host = "chat"
    when.one_of = [
        { at = { from = "1s", to = "20s" } },
        { event = "submit accepted", host = "chat", where = { job_id = "1" }, n = 2, after = "5ms" },
    ]
    do.one_of = [
        { do = "crash", restart_after = "2s" },
        { do = "power_loss" },
        { do = "freeze" },
    ]

    [[facts]]
    fact = "retried"
    event = "reconnecting"
    as = "line"
    numbered = true

    [[facts]]
    fact = "retried"
    connection = "attempted"
    link = "alice -> chat"
    at = "client"

    [[facts]]
    fact = "claimed_delivered"
    event = "result delivered"
    host = "chat"
    target = "chat::outbox"
    where = { kind = "result" }
    key = ["job_id", "attempt"]
    value = "outcome"
    optional = true

    [[facts]]
    fact = "received"
    unit = "ws_text"
    link = "alice -> chat"
    direction = "to_client"
    at = "client"
    where = { type = "result" }
    key = "/job_id"
    value = "/seq"

    [checks.backoff.alice]
    attempts = 10
    first = "1s"
    jitter_percent = 10
    link = "alice -> chat"
    longest = "30s"
    stable_after = "0s"

    [checks.delivery]
    law = "exactly_once"
    order = false

    [[checks.delivery.allowed_losses]]
    host = "chat"
    reason = "host_died"

    [checks.timing.ping_every_20s]
    at_least = "19s"
    same = "connection"
    within = "21s"

    [checks.timing.ping_every_20s.after]
    direction = "to_server"
    link = "alice -> chat"
    unit = "ws_ping"

    [[checks.timing.ping_every_20s.follows]]
    link = "alice -> chat"
    unit = "ws_ping"

    [[checks.timing.ping_every_20s.follows]]
    at = "client"
    connection = "closed"

    [checks.timing.ping_every_20s.unless]
    event = "session lost"
    host = "alice"

    [checks.timing.ping_every_20s.unless.where]
    "/by" = "!us"

    [checks.truthful]
    deduplicated = false

    [[specimen]]
    name = "send-counts-as-delivered"
    host = "chat"
    run = "specimen_chat"
    convicted_by = ["truthful", "integrity"]
    "#);
}

#[test]
fn a_scenario_reads_back_as_it_was_written() {
    let mut kernel = arbitrary::scenario();
    kernel.network.arrivals = Some(Arrivals::BetweenCalls);
    kernel.network.link.tcp_syn_linear_timeouts = 0;
    kernel.links[0].tcp_syn_linear_timeouts = Some(127);
    for scenario in [arbitrary::scenario(), read(GOOD).expect("no mistake"), kernel] {
        let again = Scenario::from_toml(&scenario.to_toml(), Path::new("again.toml"));
        assert_eq!(again, Ok(scenario));
    }
}

#[test]
fn two_scenarios_that_say_different_things_are_different() {
    let one = read(GOOD).expect("no mistake");
    for (find, replace) in [("20min", "21min"), ("port = 80", "port = 81"), ("message = 3", "message = 4")] {
        assert_ne!(read(&GOOD.replace(find, replace)).expect("no mistake"), one, "{find}");
    }
}

#[test]
fn hosts_come_before_actors_each_in_the_order_of_their_names() {
    let names: Vec<_> = arbitrary::scenario().hosts.into_iter().map(|host| host.name.to_string()).collect();
    assert_eq!(names, ["chat", "elsewhere", "alice", "bob"]);
}

#[test]
fn a_link_without_a_latency_of_its_own_has_the_networks() {
    let scenario = arbitrary::scenario();
    let latency = |one: &str, other: &str| scenario.link(&one.into(), &other.into()).latency.as_millis();
    assert_eq!([latency("alice", "chat"), latency("chat", "alice"), latency("bob", "chat")], [80, 80, 35]);
}

#[test]
fn a_specimen_differs_from_its_scenario_in_one_run() {
    let scenario = read(GOOD).expect("no mistake");
    let specimen = scenario.with_specimen(&scenario.specimens[0]);
    let run = |scenario: &Scenario| scenario.host_named(&"chat".into()).map(|host| host.run.clone());
    assert_eq!(run(&specimen).as_deref(), Some("specimen_deaf"));
    assert_eq!(specimen.to_toml(), scenario.to_toml().replacen("run = \"chat\"", "run = \"specimen_deaf\"", 1));
}

#[test]
fn a_kernel_sends_no_more_syns_a_second_apart_than_linux_allows() {
    let mut scenario = read(GOOD).expect("no mistake");
    scenario.network.link.tcp_syn_linear_timeouts = 128;
    let error = scenario.checked().expect_err("too many").to_string();
    assert!(error.contains("at most 127"), "{error}");
}

fn read(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::from_toml(text, Path::new("idle.toml"))
}
