//! What an operator types, and what is answered.

use crate::rig::{command, file, output};

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
        ("node", "[worker]\nkind = \"gateway\"\nbase_url = \"https://there\"\n", ":3: ", "http://host:port"),
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
fn bad_flags_and_a_bad_environment_exit_with_2() {
    for (program, flags) in [
        ("scheduler", &["--listen", "nonsense"][..]),
        ("scheduler", &["--colour"]),
        ("scheduler", &["--log-format", "xml"]),
        ("scheduler", &["--config", "/nowhere/scheduler.toml"]),
        ("node", &["--capacity", "0"]),
        ("node", &["--scheduler", "nonsense"]),
        ("node", &["--gateway", "https://there"]),
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
fn the_help_teaches_and_the_version_says_whether_the_build_can_be_simulated() {
    for program in ["scheduler", "node"] {
        let help = String::from_utf8(output(program, &["--help"]).stdout).expect("UTF-8");
        for part in ["Examples:", "Exit codes:", "SIGTERM", "[env: HALFOPEN_LOG_FORMAT", "--check-config", "[default: "]
        {
            assert!(help.contains(part), "{program} --help has no {part:?}:\n{help}");
        }
        let version = String::from_utf8(output(program, &["--version"]).stdout).expect("UTF-8");
        let sim = if halfopen_net::SIM { "sim: on" } else { "sim: off" };
        assert!(version.contains(env!("CARGO_PKG_VERSION")) && version.contains(sim), "{version}");
    }
}
