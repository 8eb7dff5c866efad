//! The commands that an operator types, and their answers.

use std::collections::BTreeSet;
use std::time::Duration;

use halfopen_scheduler::Config;
use halfopen_scheduler::node::{GatewayConfig, NodeConfig, WorkerConfig};

use crate::fixture::{command, file, output};

#[test]
fn the_effective_configuration_is_a_configuration_file_that_says_the_same() {
    for (program, flags, shown) in [
        ("scheduler", ["--listen", "127.0.0.1:7"], "listen = \"127.0.0.1:7\""),
        ("node", ["--capacity", "7"], "capacity = 7"),
    ] {
        let printed = output(program, &[flags[0], flags[1], "--check-config"]);
        let text = String::from_utf8(printed.stdout).expect("UTF-8");
        assert!(printed.status.success() && text.lines().any(|line| line == shown), "{text}");
        let path = file(&format!("{program}-effective.toml"), &text);
        let again = output(program, &["--check-config", "--config", path.to_str().expect("UTF-8")]);
        assert_eq!(String::from_utf8(again.stdout).expect("UTF-8"), text);
    }
}

#[test]
fn a_mistake_is_told_with_its_file_and_line_and_what_would_be_right_and_exits_with_2() {
    let cases = [
        ("scheduler", "\n[timings]\nno_node_timeout = \"0s\"\n", ":3: ", "must be more than zero"),
        ("scheduler", "[limits]\nqueued_job = 5\n", ":2: ", "`queued_jobs`"),
        ("node", "capacity = 2\nscheduler = \"ws://here\"\n", ":2: ", "host:port"),
        ("node", "[worker]\nkind = \"gateway\"\nbase_url = \"ftp://there\"\n", ":3: ", "http://host:port"),
        ("scheduler", "[tls]\nkey = \"/no/key.pem\"\ncertificate = \"/no/cert.pem\"\n", ":3: ", "/no/cert.pem"),
        ("scheduler", "[access.session_keys]\nfile = \"/no/keys\"\n", ":1: ", "/no/keys"),
        ("node", "scheduler = \"wss://here:1\"\nca_file = \"/no/ca.pem\"\n", ":2: ", "/no/ca.pem"),
        ("scheduler", "\n[timings]\nidle_timeuot = \"5min\"\n", ":3: ", "idle_timeuot"),
        (
            "scheduler",
            "[timings]\n\n\nack_timeout = \"0s\"\n",
            ":4: ",
            "`timings.ack_timeout`: it must be more than zero",
        ),
        ("scheduler", "[timings]\nack_timeout = 7\n", ":2: ", "expected a duration"),
        ("scheduler", "[link]\nqueue = 64\n", ":2: ", "200 messages at once"),
        ("scheduler", "limits = { attempts = 0 }\n", ":1: ", "`limits.attempts`"),
        ("scheduler", "[timings]\nforget_after = \"1min\"\n", ":2: ", "must not be longer than"),
        ("scheduler", "[link]\nping_interval = \"3days\"\n", ":2: ", "link.ping_interval must be between"),
        ("scheduler", "listen = \"here\"\n", ":1: ", "socket address"),
        ("node", "capacity = 0\n[worker]\nkind = \"echo\"\n", ":1: ", "`capacity`"),
    ];
    for (index, (program, text, line, right)) in cases.into_iter().enumerate() {
        let path = file(&format!("mistake-{index}.toml"), text);
        let path = path.to_str().expect("UTF-8");
        for flags in [&["--config", path][..], &["--config", path, "--check-config"]] {
            let refused = output(program, flags);
            let told = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{told}");
            assert!(told.contains(&format!("{path}{line}")) && told.contains(right), "{told}");
            assert!(refused.stdout.is_empty(), "nothing is printed as if it were good");
        }
    }
}

#[test]
fn a_flag_overrules_the_file_before_anything_is_checked() {
    let path = file("overruled.toml", "capacity = 0\n[worker]\nkind = \"echo\"\nwork_time = \"1s\"\n");
    let shown = output("node", &["--capacity", "2", "--check-config", "--config", path.to_str().expect("UTF-8")]);
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    let worker = WorkerConfig::Echo { work_time: Duration::from_secs(1) };
    let config = NodeConfig { capacity: 2, worker, ..NodeConfig::default() };
    assert_eq!(NodeConfig::from_toml(&text), Ok(config), "{text}");
}

#[test]
fn what_is_in_effect_is_printed_and_reads_back_as_the_same_configuration() {
    let shown = output("scheduler", &["--listen", "127.0.0.1:7", "--check-config"]);
    assert_eq!(String::from_utf8_lossy(&shown.stderr), "scheduler: the configuration is good\n");
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    let config = Config { listen: ([127, 0, 0, 1], 7).into(), ..Config::default() };
    assert_eq!(Config::from_toml(&text), Ok(config), "{text}");
    let refused = output("scheduler", &["--listen", "0.0.0.0:7", "--check-config"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "anyone could be a node: {told}");
    assert!(told.contains("--open"), "{told}");
    let open = output("scheduler", &["--listen", "0.0.0.0:7", "--open", "--check-config"]);
    assert_eq!(String::from_utf8_lossy(&open.stderr), "scheduler: the configuration is good\n");
    let shown = output("node", &["--gateway", "http://gateway:8080", "--check-config"]);
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    let worker = WorkerConfig::Gateway(GatewayConfig::new("http://gateway:8080"));
    let config = NodeConfig { worker, ..NodeConfig::default() };
    assert_eq!(NodeConfig::from_toml(&text), Ok(config), "{text}");
}

#[test]
fn the_example_shows_every_setting_at_its_default() {
    for program in ["scheduler", "node"] {
        let example = String::from_utf8(output(program, &["--example-config"]).stdout).expect("UTF-8");
        let in_effect = String::from_utf8(output(program, &["--check-config"]).stdout).expect("UTF-8");
        let shown = settings(&example);
        assert!(shown.len() > 10, "{program} shows {shown:?}");
        assert_eq!(shown, settings(&in_effect), "{program}");
        let path = file(&format!("{program}-example.toml"), &example);
        let checked = output(program, &["--check-config", "--config", path.to_str().expect("UTF-8")]);
        assert_eq!(String::from_utf8(checked.stdout).expect("UTF-8"), in_effect, "{program}");
    }
}

/// The dotted names of a document's settings.
fn settings(document: &str) -> BTreeSet<String> {
    let document: toml::Table = document.parse().expect("TOML");
    let mut names = BTreeSet::new();
    for (name, value) in &document {
        match value.as_table() {
            Some(table) => names.extend(table.keys().map(|inner| format!("{name}.{inner}"))),
            None => names.extend([name.clone()]),
        }
    }
    names
}

#[test]
fn what_is_complained_of_among_json_is_json() {
    for program in ["scheduler", "node"] {
        let refused = output(program, &["--log-format", "json", "--config", "/nowhere/it.toml"]);
        assert_eq!(refused.status.code(), Some(2), "{program}");
        let line: serde_json::Value = serde_json::from_slice(&refused.stderr).expect("one object");
        let message = line["fields"]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("/nowhere/it.toml: failed to read it: "), "{line}");
    }
}

#[test]
fn bad_flags_and_a_bad_environment_exit_with_2() {
    for (program, flags) in [
        ("scheduler", &["--listen", "nonsense"][..]),
        ("scheduler", &["--colour"]),
        ("scheduler", &["--log-format", "xml"]),
        ("scheduler", &["--config", "/nowhere/scheduler.toml"]),
        ("node", &["--capacity", "0"]),
        ("node", &["--scheduler", "nonsense"]),
        ("node", &["--gateway", "ftp://there"]),
    ] {
        let refused = output(program, flags);
        assert_eq!(refused.status.code(), Some(2), "{program} {flags:?}");
        assert!(!refused.stderr.is_empty(), "{program} {flags:?}");
    }
    let refused = command("scheduler").env("RUST_LOG", "halfopen=loud").output().expect("the binary was built");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("RUST_LOG") && told.contains("halfopen_scheduler=debug"), "{told}");
    let mut scheduler = command("scheduler");
    let from_environment = scheduler.env("HALFOPEN_SCHEDULER_LISTEN", "127.0.0.1:9").arg("--check-config");
    let shown = from_environment.output().expect("the binary was built");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("127.0.0.1:9"));
}

#[test]
fn an_address_that_is_taken_is_named_and_exits_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let refused = output("scheduler", &["--listen", &address]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains(&format!("failed to listen on {address}")), "{told}");
}

#[test]
fn the_help_teaches_and_the_version_is_that_of_the_crate() {
    for program in ["scheduler", "node"] {
        let help = String::from_utf8(output(program, &["--help"]).stdout).expect("UTF-8");
        for part in ["Examples:", "Exit codes:", "SIGTERM", "[env: HALFOPEN_LOG_FORMAT", "--check-config", "[default: "]
        {
            assert!(help.contains(part), "{program} --help has no {part:?}:\n{help}");
        }
        let version = String::from_utf8(output(program, &["--version"]).stdout).expect("UTF-8");
        assert_eq!(version, format!("{program} {}\n", env!("CARGO_PKG_VERSION")));
    }
}
