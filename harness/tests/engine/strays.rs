//! What would leave the simulation is refused, told with its remedy, and convicts the run.

use std::io::Read as _;
use std::net::ToSocketAddrs;
use std::process::Command;
use std::sync::{Mutex, mpsc};

use halfopen::{BoxError, HostContext};
use halfopen::{Outcome, Seed};
use tokio::time::sleep;

use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn what_is_not_tcp_is_refused_and_named() {
    let outcome = alone("stray_udp", async |cx| {
        denied(&cx, tokio::net::UdpSocket::bind("127.0.0.1:0").await.map(drop));
        denied(&cx, std::net::UdpSocket::bind("127.0.0.1:0").map(drop));
        Ok(())
    });
    assert_eq!(outcome.words("denied").len(), 2);
    let strays = outcome.violated("stray");
    assert_eq!(strays.len(), 1, "{strays:?}");
    assert!(strays[0].contains("socket(SOCK_DGRAM)") && strays[0].contains("no UDP"), "{strays:?}");
    assert_eq!(outcome.broken(), ["integrity: stray @ client"]);
}

/// What the simulation is not told may depend on the build: it is asked for, and goes to stderr.
#[test]
fn who_made_a_stray_call_is_told_to_who_asks() {
    let own = std::env::current_exe().expect("the test's own path");
    let played = |asked: &str| {
        let arguments = ["--exact", "strays::what_is_not_tcp_is_refused_and_named", "--nocapture"];
        let output =
            Command::new(&own).args(arguments).env("HALFOPEN_STRAY_CALLERS", asked).output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("words")
    };
    let told = played("1");
    let lines: Vec<_> = told.lines().filter(|line| line.contains("was called by")).collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(lines[0].starts_with("halfopen: socket(SOCK_DGRAM) was called by "), "{told}");
    assert!(lines[0].contains("engine/strays.rs") || lines[0].contains("engine::strays"), "{told}");
    assert!(!played("0").contains("was called by"));
}

#[test]
fn a_socket_that_would_stop_every_host_is_refused_and_named() {
    let outcome = alone("stray_blocks", async |cx| {
        denied(&cx, std::net::TcpStream::connect("127.0.0.1:9").map(drop));
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        tell(&cx, "accept", listener.accept().is_err());
        let near = tokio::net::TcpStream::connect(listener.local_addr()?).await?.into_std()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let _far = listener.accept().await?;
        near.set_nonblocking(false)?;
        tell(&cx, "read", (&near).read(&mut [0]).is_err());
        Ok(())
    });
    assert_eq!((outcome.words("denied").len(), outcome.words("accept"), outcome.words("read")), (1, t(), t()));
    let strays = outcome.violated("stray");
    let calls = ["connect", "accept", "read"].map(|call| format!("{call} on a socket that blocks left the simulation"));
    assert_eq!(strays.len(), calls.len(), "{strays:?}");
    for (stray, call) in strays.iter().zip(calls) {
        assert!(stray.starts_with(&call) && stray.contains("set_nonblocking(true)"), "{stray}");
    }
    assert_eq!(outcome.broken(), ["integrity: stray @ client"]);
}

#[test]
fn a_system_call_past_libc_is_refused_where_libc_makes_it_and_knows_no_socket_of_the_run() {
    let outcome = alone("stray_raw", async |cx| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&listener);
        #[expect(unsafe_code, reason = "a system call is made on purpose")]
        // SAFETY: neither call touches memory.
        let results = unsafe {
            [
                libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
                libc::syscall(libc::SYS_listen, number, 1),
            ]
        };
        tell(&cx, "results", format!("{results:?}"));
        Ok(())
    });
    assert_eq!(outcome.words("results"), ["[-1, -1]"]);
    let strays = outcome.violated("stray");
    assert_eq!(strays.len(), 2, "{strays:?}");
    assert!(strays[0].starts_with("a raw socket(2)") && strays[1].starts_with("a raw system call on a socket"));
    assert_eq!(outcome.broken(), ["integrity: stray @ client"]);
}

#[test]
fn a_blocking_thread_of_the_run_is_no_way_out() {
    let outcome = alone("stray_blocking", async |cx| {
        let bound = tokio::task::spawn_blocking(|| std::net::TcpListener::bind("127.0.0.1:0").map(drop)).await?;
        denied(&cx, bound);
        Ok(())
    });
    assert_eq!(outcome.violated("stray").len(), 1);
    assert_eq!(outcome.broken(), ["integrity: stray @ client"]);
}

#[test]
fn real_name_resolution_is_refused_and_named() {
    let outcome = alone("stray_names", async |cx| {
        tell(&cx, "denied", ("service.example", 80).to_socket_addrs().is_err());
        tell(&cx, "denied", tokio::net::lookup_host("other.example:80").await.is_err());
        Ok(())
    });
    assert_eq!(outcome.words("denied"), ["true", "true"]);
    let strays = outcome.violated("stray");
    assert!(
        strays[0].contains("getaddrinfo(\"service.example\")") && strays[0].contains("(hosts: client)"),
        "{strays:?}"
    );
    assert!(strays[1].contains("getaddrinfo(\"other.example\")"), "{strays:?}");
}

#[test]
fn a_unix_socket_is_told_as_what_it_is() {
    let outcome = alone("stray_unix", async |cx| {
        denied(&cx, tokio::net::UnixStream::pair().map(drop));
        denied(&cx, tokio::net::UnixStream::connect("/tmp/nowhere").await.map(drop));
        denied(&cx, tokio::net::UnixListener::bind("/tmp/nowhere").map(drop));
        denied(&cx, std::os::unix::net::UnixDatagram::unbound().map(drop));
        Ok(())
    });
    assert_eq!(outcome.words("denied").len(), 4);
    let strays = outcome.violated("stray");
    assert_eq!(strays.len(), 2, "{strays:?}");
    assert!(strays[0].starts_with("socketpair(AF_UNIX)") && strays[1].starts_with("socket(AF_UNIX)"), "{strays:?}");
    assert!(strays.iter().all(|stray| stray.contains("tokio::io::duplex")), "{strays:?}");
    assert_eq!(outcome.broken(), ["integrity: stray @ client"]);
}

#[test]
fn a_process_is_told_as_what_it_is_and_not_started() {
    let outcome = alone("stray_process", async |cx| {
        denied(&cx, Command::new("date").arg("+%s%N").output().map(drop));
        Ok(())
    });
    assert_eq!(outcome.words("denied").len(), 1);
    let strays = outcome.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("start of the process \"date\""), "{strays:?}");
    assert!(strays[0].contains("host of the scenario"), "{strays:?}");
    assert_eq!(outcome.broken(), ["integrity: stray @ client"]);
}

#[test]
fn descriptors_and_a_second_runtime_are_told_as_what_they_are() {
    let pipe = alone("stray_pipe", async |cx| {
        let (reader, _writer) = std::io::pipe()?;
        denied(&cx, tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).map(drop));
        Ok(())
    });
    assert_eq!(pipe.words("denied").len(), 1);
    let strays = pipe.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("epoll_ctl on a descriptor of the real kernel"), "{strays:?}");

    let runtime = alone("stray_runtime", async |cx| {
        denied(&cx, tokio::runtime::Builder::new_current_thread().enable_all().build().map(drop));
        Ok(())
    });
    assert_eq!(runtime.words("denied").len(), 1);
    let strays = runtime.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("epoll_create1"), "{strays:?}");

    let in_place = alone("stray_in_place", async |_| {
        tokio::task::block_in_place(|| ());
        Ok(())
    });
    let strays = in_place.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("block_in_place"), "{strays:?}");
    assert!(strays[0].contains("spawn_blocking"), "{strays:?}");
}

#[test]
fn a_process_of_a_run_is_sent_no_signal_and_may_wait_for_one() {
    let outcome = alone("signals", async |cx| {
        let signal = tokio::time::timeout(s(20), tokio::signal::ctrl_c()).await;
        tell(&cx, "signal", signal.is_ok());
        Ok(())
    });
    assert_eq!(outcome.words("signal"), ["false"]);
    assert!(outcome.passed(), "{:?}", outcome.broken());
}

#[test]
fn what_belongs_to_the_whole_process_is_not_changed_and_the_change_is_named() {
    let outcome = alone("stray_belongings", async |cx| {
        let here = std::env::current_dir()?;
        #[expect(unsafe_code, reason = "the environment is changed on purpose")]
        // SAFETY: it is not: on a run's thread nothing is changed.
        unsafe {
            std::env::set_var("HALFOPEN_STRAY", "1");
            std::env::remove_var("PATH");
        }
        tell(&cx, "set", std::env::var_os("HALFOPEN_STRAY").is_some());
        tell(&cx, "moved", std::env::set_current_dir("/proc").is_ok() || std::env::current_dir()? != here);
        let error = std::os::unix::process::CommandExt::exec(&mut Command::new("true"));
        tell(&cx, "exec", error.kind());
        #[expect(unsafe_code, reason = "the process is changed on purpose")]
        // SAFETY: it is not: on a run's thread nothing is changed.
        unsafe {
            libc::alarm(1);
            libc::umask(0o077);
            libc::setrlimit(libc::RLIMIT_NOFILE, &libc::rlimit { rlim_cur: 3, rlim_max: 3 });
        }
        Ok(())
    });
    assert_eq!(outcome.words("set"), ["false"]);
    assert_eq!(outcome.words("moved"), ["false"]);
    assert_eq!(outcome.words("exec"), ["permission denied"]);
    let strays = outcome.violated("stray");
    let calls = [
        "setenv(\"HALFOPEN_STRAY\")",
        "unsetenv(\"PATH\")",
        "chdir(\"/proc\")",
        "exec(\"true\")",
        "alarm",
        "umask",
        "setrlimit",
    ];
    assert_eq!(strays.len(), calls.len(), "{strays:?}");
    for call in calls {
        assert!(strays.iter().any(|stray| stray.starts_with(call)), "{call}: {strays:?}");
    }
}

#[test]
fn other_threads_keep_real_sockets_clocks_and_entropy_while_a_run_goes_on() {
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    let mut stage = Stage::new("real_threads").actor("client", move |_| {
        begun.send(()).unwrap();
        // Blocks the run's thread in the middle of the run, until the other thread has looked around.
        may_go_on.lock().unwrap().recv().unwrap();
        async {
            sleep(ms(1)).await;
            Ok(())
        }
    });
    stage.starts_at(s(1_000_000_000));
    let run = std::thread::spawn(move || stage.run());
    // The warm-up is the first.
    for _ in 0..2 {
        has_begun.recv().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(("localhost", 80).to_socket_addrs().unwrap().next().is_some());
        let since_run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(since_run > 1_700_000_000, "the real clock, and not that of the run");
        let (mut one, mut other) = ([0; 32], [0; 32]);
        getrandom::fill(&mut one).unwrap();
        getrandom::fill(&mut other).unwrap();
        assert_ne!(one, other, "a warm-up's entropy is constant, a thread's of its own is not");
        go_on.send(()).unwrap();
    }
    assert!(run.join().unwrap().passed());
}

#[test]
fn ending_the_process_from_inside_a_run_is_told_before_it_ends() {
    let myself = std::env::current_exe().unwrap();
    let output = Command::new(myself)
        .args(["--exact", "strays::a_service_that_ends_the_process", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("violation: client called exit inside `process_exit` with seed 0x3"), "{said}");
}

#[test]
#[ignore = "ends its process; another test starts it in one of its own"]
fn a_service_that_ends_the_process() {
    alone("process_exit", async |_| std::process::exit(7));
}

fn alone<F, R>(name: &str, actor: F) -> Outcome
where
    F: Fn(HostContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), BoxError>> + 'static,
{
    let outcome = Stage::new(name).actor("client", actor).seed(3).run();
    assert_eq!(outcome.seed, Seed(3).to_string());
    outcome
}

fn t() -> Vec<String> {
    vec!["true".to_owned()]
}

fn denied(cx: &HostContext, result: std::io::Result<()>) {
    if let Err(error) = result {
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        tell(cx, "denied", error);
    }
}
