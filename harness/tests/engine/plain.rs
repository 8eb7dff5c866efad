//! A service's own sockets: `tokio::net`, with no seam in between.

use std::io::{ErrorKind, IoSlice, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Mutex;

use halfopen::fault::{AttemptFate, AttemptVerb, Crash, Key, LookupError, LookupFails, OnAttempt, Trigger, Verb};
use halfopen::name::Link;
use halfopen::trace::RunEnd;
use halfopen::{BoxError, SimError};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::blocking::twice;
use crate::stage::{LATENCY, Stage, Told, ms, s, tell, word};

#[test]
fn a_service_that_imports_tokios_sockets_runs_on_the_network_of_the_run() {
    let outcome = Stage::new("plain_echo")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (mut stream, peer) = listener.accept().await?;
            tell(&cx, "peer", peer.ip());
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await?;
            tell(&cx, "end", "eof");
            drop(stream);
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            let begun = tokio::time::Instant::now();
            let mut stream = TcpStream::connect("server:80").await?;
            tell(&cx, "connected", begun.elapsed().as_millis());
            stream.write_all(b"hello").await?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await?;
            tell(&cx, "answer", String::from_utf8_lossy(&answer));
            tell(&cx, "answered", begun.elapsed().as_millis());
            stream.shutdown().await?;
            tell(&cx, "rest", stream.read(&mut answer).await?);
            Ok::<(), BoxError>(())
        })
        .run();
    assert_eq!(outcome.violated("stray"), [""; 0]);
    assert_eq!(outcome.words("answer"), ["hello"]);
    assert_eq!(outcome.words("connected"), [(2 * LATENCY).as_millis().to_string()]);
    assert_eq!(outcome.words("answered"), [(4 * LATENCY).as_millis().to_string()]);
    assert_eq!(outcome.words("rest"), ["0"]);
    assert_eq!(outcome.words("end"), ["eof"]);
    assert_eq!(outcome.only("end").0, ms(50));
    assert!(outcome.passed(), "{:?}", outcome.broken());
}

#[test]
fn names_are_the_scenarios_hosts_wherever_they_are_looked_up() {
    let outcome = twice("plain_names", async |cx| {
        let at = |addresses: std::io::Result<Vec<SocketAddr>>| format!("{addresses:?}");
        let here = ("client", 80).to_socket_addrs().map(Iterator::collect);
        tell(&cx, "here", at(here));
        let there = spawn_blocking(|| ("client", 80).to_socket_addrs().map(Iterator::collect)).await?;
        tell(&cx, "there", at(there));
        tell(&cx, "tokio", at(lookup_host("client:80").await.map(Iterator::collect)));
        tell(&cx, "loopback", at(lookup_host("localhost:80").await.map(Iterator::collect)));
        tell(&cx, "literal", at(("::1", 80).to_socket_addrs().map(Iterator::collect)));
        Ok(())
    });
    let own = ["Ok([192.168.0.1:80])"];
    assert_eq!((outcome.words("here"), outcome.words("there"), outcome.words("tokio")), (v(own), v(own), v(own)));
    assert_eq!(outcome.words("loopback"), ["Ok([127.0.0.1:80])"]);
    assert_eq!(outcome.words("literal"), ["Ok([[::1]:80])"]);
}

#[test]
fn a_fault_of_a_lookup_is_what_getaddrinfo_says_and_takes_as_long() {
    let fault = LookupFails { kind: LookupError::NoAnswer, lasting: None };
    let outcome = Stage::new("plain_lookup")
        .host("server", async |cx| {
            let _listener = TcpListener::bind("0.0.0.0:80").await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            sleep(ms(10)).await;
            let begun = tokio::time::Instant::now();
            let error = TcpStream::connect("server:80").await.map(drop).unwrap_err();
            tell(&cx, "error", error);
            tell(&cx, "took", begun.elapsed().as_secs());
            TcpStream::connect("server:80").await?;
            Ok(())
        })
        .fault(Trigger::At(ms(1)), Link { client: "client".into(), server: "server".into() }, fault)
        .run();
    let error = outcome.words("error");
    assert!(error[0].ends_with("Temporary failure in name resolution"), "{error:?}");
    assert_eq!(outcome.words("took"), ["10"]);
    assert_eq!(outcome.violated("stray"), [""; 0]);
}

#[test]
fn a_socket_that_is_kept_in_a_static_names_no_socket_of_a_later_run() {
    static KEPT: Mutex<Vec<std::net::TcpStream>> = Mutex::new(Vec::new());
    let keep = |name: &str| {
        Stage::new(name)
            .actor("client", async |_| {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let stream = TcpStream::connect(listener.local_addr()?).await?;
                KEPT.lock().unwrap().push(stream.into_std()?);
                Ok(())
            })
            .run()
    };
    keep("plain_keeps");
    // One of the warm-up, one of the run.
    let numbers: Vec<_> = KEPT.lock().unwrap().iter().map(AsRawFd::as_raw_fd).collect();
    assert_eq!(numbers.len(), 2);
    // On a thread of no run std asks this before it closes.
    #[expect(unsafe_code, reason = "std asks so")]
    // SAFETY: asks about a number.
    let asked = unsafe { libc::fcntl(numbers[0], libc::F_GETFD) };
    assert_eq!(asked, libc::FD_CLOEXEC);
    assert_eq!((&KEPT.lock().unwrap()[0]).write(b"x").unwrap_err().kind(), ErrorKind::NotConnected);
    // The same plan once more: its numbers would be the same.
    let outcome = Stage::new("plain_keeps")
        .actor("client", async |cx| {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let mut stream = TcpStream::connect(listener.local_addr()?).await?;
            let (mut accepted, _) = listener.accept().await?;
            let kept = std::mem::take(&mut *KEPT.lock().unwrap());
            tell(&cx, "same", kept.iter().any(|kept| kept.as_raw_fd() == stream.as_raw_fd()));
            tell(&cx, "written", format!("{:?}", (&kept[1]).write(b"x").map_err(|error| error.kind())));
            drop(kept);
            stream.write_all(b"own").await?;
            drop(stream);
            let mut read = String::new();
            accepted.read_to_string(&mut read).await?;
            tell(&cx, "read", read);
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("same"), ["false"]);
    assert_eq!(outcome.words("written"), ["Err(NotConnected)"]);
    assert_eq!(outcome.words("read"), ["own"]);
    let strays = outcome.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("a socket of another run"), "{strays:?}");
}

#[test]
fn a_socket_is_closed_with_its_last_descriptor() {
    let outcome = twice("plain_dup", async |cx| {
        let (near, mut far) = connected().await?;
        let first = near.into_std()?;
        let second = first.try_clone()?;
        drop(first);
        (&second).write_all(b"x")?;
        tell(&cx, "read", far.read_u8().await?);
        tell(&cx, "early", timeout(ms(1), far.read_u8()).await.is_ok());
        drop(TcpStream::from_std(second)?);
        tell(&cx, "end", far.read(&mut [0]).await?);
        Ok(())
    });
    assert_eq!(
        (outcome.words("read"), outcome.words("early"), outcome.words("end")),
        (v(["120"]), v(["false"]), v(["0"]))
    );
}

#[test]
fn poll_says_what_is_there_and_does_not_wait() {
    let outcome = Stage::new("plain_poll")
        .actor("client", async |cx| {
            let (near, mut far) = connected().await?;
            let polled = |timeout| {
                let mut entry = libc::pollfd { fd: near.as_raw_fd(), events: libc::POLLIN | libc::POLLOUT, revents: 0 };
                #[expect(unsafe_code, reason = "no safe crate polls a single descriptor")]
                // SAFETY: there is one entry.
                let n = unsafe { libc::poll(&mut entry, 1, timeout) };
                (n, entry.revents)
            };
            tell(&cx, "writable", polled(0) == (1, libc::POLLOUT));
            far.write_u8(1).await?;
            sleep(ms(1)).await;
            tell(&cx, "both", polled(1000) == (1, libc::POLLIN | libc::POLLOUT));
            let mut entry = libc::pollfd { fd: near.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
            #[expect(unsafe_code, reason = "as above")]
            // SAFETY: there is one entry.
            let n = unsafe { libc::poll(&mut entry, 1, 1000) };
            tell(&cx, "refused", n);
            Ok(())
        })
        .run();
    assert_eq!((outcome.words("writable"), outcome.words("both")), (v(["true"]), v(["true"])));
    assert_eq!(outcome.words("refused"), ["-1"]);
    let strays = outcome.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("poll that waits for a socket"), "{strays:?}");
}

#[test]
fn only_who_waits_is_said_to_wait() {
    let outcome = Stage::new("plain_endless")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (mut writes, _) = listener.accept().await?;
            let (mut idle, _) = listener.accept().await?;
            idle.write_u8(1).await?;
            tokio::select! {
                () = cx.stopped() => Ok(()),
                written = async { writes.write_all(&vec![0; 10_000_000]).await } => Ok(written?),
            }
        })
        .actor("patient", async |_| {
            let _never_read = TcpStream::connect("server:80").await?;
            let mut read_once = TcpStream::connect("server:80").await?;
            assert_eq!(read_once.read(&mut [0; 10]).await?, 1);
            let (mut own, _far) = connected().await?;
            own.read_u8().await?;
            Ok(())
        })
        .time_limit(s(100))
        .run();
    assert_eq!(outcome.last.ended, RunEnd::TimeLimit);
    let pending: Vec<_> = outcome.last.pending.iter().map(|wait| format!("{}: {}", wait.host, wait.on)).collect();
    assert_eq!(
        pending,
        ["patient: the end of its script", "server: write on patient->server#1", "patient: read on patient->patient#1"]
    );
}

#[test]
fn keepalive_that_is_set_again_and_again_probes_as_often_as_one_that_is_set_once() {
    let played = |times: usize| {
        Stage::new("plain_keepalive")
            .host("server", async |cx| {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let _accepted = listener.accept().await?;
                cx.stopped().await;
                Ok(())
            })
            .actor("client", move |_| async move {
                let stream = TcpStream::connect("server:80").await?;
                let keepalive = socket2::TcpKeepalive::new().with_time(s(10)).with_interval(s(5)).with_retries(3);
                for _ in 0..times {
                    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                }
                sleep(s(300)).await;
                Ok(())
            })
            .run()
    };
    assert_eq!(played(1).difference(&played(20)), None);
    assert!(played(1).difference(&played(0)).is_some(), "probes are seen");
}

#[test]
fn a_listener_has_the_backlog_that_it_asks_for() {
    let held = |name: &str, backlog: Option<u32>| {
        let outcome = Stage::new(name)
            .host("server", move |cx| async move {
                let _listener = match backlog {
                    None => TcpListener::bind("0.0.0.0:80").await?,
                    Some(backlog) => {
                        let socket = TcpSocket::new_v4()?;
                        socket.bind("0.0.0.0:80".parse()?)?;
                        socket.listen(backlog)?
                    }
                };
                cx.stopped().await;
                Ok(())
            })
            .actor("client", async |cx| {
                let mut held = Vec::new();
                while let Ok(Ok(stream)) = timeout(ms(500), TcpStream::connect("server:80")).await {
                    held.push(stream);
                }
                tell(&cx, "held", held.len());
                Ok(())
            })
            .run();
        outcome.only("held").1
    };
    // Linux takes one more than it was told.
    assert_eq!(held("plain_backlog", None), "129", "what mio asks for");
    assert_eq!(held("plain_backlog_5", Some(5)), "6");
}

#[test]
fn calls_that_are_cut_short_are_gone_on_with() {
    for seed in 0..40 {
        let outcome = Stage::new("plain_cuts")
            .host("server", async |cx| {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (mut stream, _) = listener.accept().await?;
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await?;
                tell(&cx, "received", bytes.len());
                stream.write_all(&bytes).await?;
                drop(stream);
                cx.stopped().await;
                Ok(())
            })
            .actor("client", async |cx| {
                let stream = TcpStream::connect("server:80").await?;
                let (mut reader, mut writer) = stream.into_split();
                writer.write_all(&vec![7; 300_000]).await?;
                let pieces = [IoSlice::new(&[1; 100]), IoSlice::new(&[2; 90_000])];
                tell(&cx, "gathered", writer.write_vectored(&pieces).await? > 0);
                writer.shutdown().await?;
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).await?;
                tell(&cx, "came back", bytes.len() > 300_000);
                Ok(())
            })
            .seed(seed)
            .interleaved()
            .run();
        assert!(outcome.passed(), "{seed}: {:?}", outcome.broken());
        assert_eq!(outcome.words("came back"), ["true"], "{seed}");
    }
}

#[test]
fn a_process_that_died_after_its_peer_had_ended_is_told_the_end_for_ever() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    Stage::new("plain_dead_process")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the end is told before the death");
                sleep(s(5)).await;
                for _ in 0..3 {
                    let read = stream.read(&mut [0]).await;
                    let written = stream.write(&[0]).await;
                    SEEN.lock().unwrap().push(format!("{} {}", word(&read), word(&written)));
                }
            });
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |_| {
            let mut stream = TcpStream::connect("server:80").await?;
            stream.shutdown().await?;
            sleep(s(20)).await;
            Ok(())
        })
        .strike(s(2), "server", Crash { restart_after: None })
        .run();
    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    let seen = &seen[seen.len().saturating_sub(3)..];
    assert_eq!(seen, ["ConnectionReset BrokenPipe", "Ok(0) BrokenPipe", "Ok(0) BrokenPipe"]);
}

/// Every other test of the simulation, written for the sockets of halfopen-net, with tokio's in their place.
#[test]
fn what_is_true_of_the_seams_sockets_is_true_of_tokios() {
    const OWN: [&str; 5] = ["plain::", "libraries::", "strays::", "determinism::a_", "panics::a_hook"];
    // A poll that no task makes; a dead process's `bind`, which cannot wait and listens to nothing; words of errors that libc has
    // none for; options, which are refused when they are set and not when they are used.
    const OTHERWISE: [&str; 5] = [
        "endings::a_parked_reader_is_woken_when_its_own_process_closes_the_socket",
        "incarnations::a_dead_process_neither_connects_nor_listens_nor_tells",
        "sockets::a_handle_that_outlives_its_run_is_harmless_and_useless",
        "sockets::an_unknown_name_is_an_error_that_lists_the_known_ones",
        "sockets::options_that_cannot_be_honoured_are_refused_by_name",
    ];
    let skipped = OWN.iter().chain(&OTHERWISE).flat_map(|test| ["--skip", test]);
    let played = Command::new(std::env::current_exe().unwrap())
        .args(skipped)
        .env("HALFOPEN_NET", "tokio")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&played.stdout);
    let result = said.lines().rfind(|line| line.starts_with("test result")).unwrap_or_default();
    assert!(played.status.success(), "{said}");
    let passed: usize = result.split_whitespace().nth(3).and_then(|n| n.parse().ok()).unwrap_or_default();
    assert!(passed > 150, "{result}");
}

/// A fault that is a bug: it panics where the network asks it, inside of `connect(2)`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Grenade {}

impl Verb for Grenade {
    type Place = OnAttempt;
    const WORD: &'static str = "grenade";
    const DOES: &'static str = "panics";
    const KEYS: &'static [Key] = &[];

    fn arguments(&self) -> Vec<String> {
        Vec::new()
    }
}

impl AttemptVerb for Grenade {
    fn fate(&self) -> AttemptFate {
        panic!("the pin was pulled")
    }
}

#[test]
fn a_panic_inside_of_a_call_of_libc_fails_the_run_and_not_the_process() {
    let result = Stage::new("plain_panic")
        .host("server", async |cx| {
            let _listener = TcpListener::bind("0.0.0.0:80").await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |_| {
            sleep(s(1)).await;
            let _ = TcpStream::connect("server:80").await;
            Ok(())
        })
        .fault(Trigger::At(ms(1)), Link { client: "client".into(), server: "server".into() }, Grenade {})
        .try_run();
    match result {
        Err(SimError::Defect { message }) => assert!(message.contains("the pin was pulled"), "{message}"),
        other => panic!("{other:?}"),
    }
}

/// A connection of the speaking host with itself.
async fn connected() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    Ok((near, listener.accept().await?.0))
}

fn v<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
