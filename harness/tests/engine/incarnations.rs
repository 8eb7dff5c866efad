//! A host is a sequence of lives: how one ends, what outlives it, and how the next is found.

use std::sync::{Arc, Mutex};

use halfopen::Outcome;
use halfopen::fault::{Crash, Restart};
use halfopen::name::Incarnation;
use halfopen::trace::{ConnectionEvent, ProcessEvent, RecordKind, RunEnd};
use halfopen_net::{TcpListener, TcpStream, lookup_host};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{Stage, Told, ms, pair, s, tell, word};

const CRASH: Crash = Crash { restart_after: None };

#[test]
fn the_peer_of_a_crashed_process_sees_the_end_of_the_stream() {
    let outcome = pair(
        "crash_fin",
        async |cx, _stream| {
            cx.stopped().await;
            Ok(())
        },
        async |cx, mut stream| {
            let read = stream.read(&mut [0; 8]).await;
            tell(&cx, "read", word(&read));
            Ok(())
        },
    )
    .strike(s(1), "server", CRASH)
    .run();
    assert_eq!(outcome.only("read"), (ms(1010), "Ok(0)".to_owned()));
}

#[test]
fn the_peer_of_a_process_that_crashed_with_unread_input_is_reset() {
    let outcome = pair(
        "crash_rst",
        async |cx, _stream| {
            cx.stopped().await;
            Ok(())
        },
        async |cx, mut stream| {
            stream.write_all(b"never read").await?;
            let read = stream.read(&mut [0; 8]).await;
            tell(&cx, "read", word(&read));
            Ok(())
        },
    )
    .strike(s(1), "server", CRASH)
    .run();
    assert_eq!(outcome.only("read"), (ms(1010), "ConnectionReset".to_owned()));
}

#[test]
fn what_nobody_had_accepted_is_reset_by_a_crash() {
    let outcome = Stage::new("crash_backlog")
        .host("server", async |cx| {
            let _listener = TcpListener::bind("0.0.0.0:80").await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            let mut stream = TcpStream::connect("server:80").await?;
            let read = stream.read(&mut [0; 8]).await;
            tell(&cx, "read", word(&read));
            Ok(())
        })
        .strike(s(1), "server", CRASH)
        .run();
    assert_eq!(outcome.only("read"), (ms(1010), "ConnectionReset".to_owned()));
}

#[test]
fn the_sockets_of_a_dead_process_fail_once_and_then_are_silent() {
    let seen = Seen::default();
    let server = seen.clone();
    let outcome = pair(
        "crash_detached",
        move |cx, stream| {
            let seen = server.clone();
            async move {
                let start = Instant::now();
                tokio::spawn(async move {
                    let mut stream = stream;
                    for _ in 0..2 {
                        let read = timeout(s(5), stream.read(&mut [0; 8])).await;
                        let read = read.map_or("silence".to_owned(), |read| word(&read));
                        seen.note(format!("{} {read}", start.elapsed().as_secs()));
                    }
                    std::future::pending::<()>().await;
                });
                cx.stopped().await;
                Ok(())
            }
        },
        async |_, _stream| {
            sleep(s(20)).await;
            Ok(())
        },
    )
    .strike(ms(1500), "server", CRASH)
    .run();
    // The parked read was woken at the instant of the crash.
    assert_eq!(seen.all()[seen.all().len() - 2..], ["1 ConnectionReset", "6 silence"]);
    assert_eq!(survivors(&outcome), ["server 0: 1"]);
}

#[test]
fn loops_that_ignore_errors_do_not_hang_the_run_of_a_crash() {
    let outcome = spinners("crash_spinners").strike(s(1), "server", CRASH).run();
    assert_eq!(outcome.last.ended, RunEnd::Finished);
    assert!(outcome.polls < 1000, "{} polls", outcome.polls);
    assert_eq!(survivors(&outcome), ["server 0: 2"]);
}

#[test]
fn loops_that_ignore_errors_do_not_hang_the_run_of_a_host_that_returned() {
    let outcome = spinners("return_spinners").run();
    assert_eq!(outcome.last.ended, RunEnd::Finished);
    assert!(outcome.polls < 1000, "{} polls", outcome.polls);
    assert_eq!(survivors(&outcome), ["server 0: 2"]);
    // A real process would have ended with its main task, and it did so by itself: these are its own to answer for.
    assert_eq!(outcome.last.tasks, [("server".into(), Incarnation(0), 2)]);
}

#[test]
fn a_dead_process_neither_connects_nor_listens_nor_tells() {
    let outcome = Stage::new("crash_ghost")
        .host("server", async |cx| {
            let ghost = cx.clone();
            tokio::task::spawn_local(async move {
                sleep(s(2)).await;
                tell(&ghost, "ghost", "says");
                tracing::info!("the ghost speaks");
                let bound = timeout(s(1), TcpListener::bind("0.0.0.0:81")).await;
                let connected = timeout(s(1), TcpStream::connect("other:80")).await;
                assert!(bound.is_err() && connected.is_err(), "a dead process waits for ever");
            });
            cx.stopped().await;
            Ok(())
        })
        .host("other", async |cx| {
            let _listener = TcpListener::bind("0.0.0.0:80").await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            sleep(ms(3500)).await;
            tell(&cx, "connect", word(&TcpStream::connect("server:81").await));
            sleep(s(10)).await;
            Ok(())
        })
        .strike(s(1), "server", CRASH)
        .run();
    assert_eq!(outcome.words("ghost"), [""; 0]);
    assert_eq!(outcome.words("connect"), ["ConnectionRefused"]);
    assert_eq!(outcome.count(&ConnectionEvent::Attempted), 1, "only the client's");
    let ghost = |what: &RecordKind| matches!(what, RecordKind::Event(event) if event.message.contains("ghost"));
    assert!(!outcome.trace.records.iter().any(|record| ghost(&record.what)));
    assert!(!outcome.broken().iter().any(|broken| broken.contains("panic")), "{:?}", outcome.broken());
}

#[test]
fn a_destructor_of_a_crashed_process_sends_nothing() {
    let outcome = pair(
        "crash_destructor",
        async |cx, stream| {
            let _last_words = LastWords(stream);
            cx.stopped().await;
            Ok(())
        },
        async |cx, mut stream| {
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await?;
            tell(&cx, "heard", format!("{heard:?}"));
            Ok(())
        },
    )
    .strike(s(1), "server", CRASH)
    .run();
    assert_eq!(outcome.words("heard"), ["\"\""]);
}

#[test]
fn a_panic_in_a_destructor_of_a_crashed_process_does_not_end_its_next_life() {
    let outcome = Stage::new("crash_panicking_destructor")
        .host("server", async |cx| {
            tell(&cx, "life", cx.incarnation().0);
            let bomb = Bomb;
            cx.stopped().await;
            std::mem::forget(bomb);
            Ok(())
        })
        .actor("client", async |_| {
            sleep(s(10)).await;
            Ok(())
        })
        .strike(s(1), "server", Crash { restart_after: Some(s(2)) })
        .run();
    assert_eq!(outcome.told("life"), [(s(0), "0".to_owned()), (s(3), "1".to_owned())]);
    assert!(outcome.broken().iter().any(|broken| broken.contains("panic")), "{:?}", outcome.broken());
}

#[test]
fn a_client_with_a_cached_address_finds_the_next_life() {
    let outcome = lives("crash_cached").strike(s(1), "server", Crash { restart_after: Some(s(2)) }).run();
    assert_eq!(outcome.words("served by"), ["0", "1"]);
    assert_eq!(outcome.told("life"), [(s(0), "0".to_owned()), (s(3), "1".to_owned())]);
}

#[test]
fn a_restart_asks_politely_and_the_port_is_free_although_connections_linger() {
    let outcome = lives("restart_cached").strike(s(1), "server", Restart { pause: s(2) }).run();
    assert_eq!(outcome.words("served by"), ["0", "1"]);
    assert_eq!(outcome.words("stopping"), ["0", "1"], "both were asked through their token");
    assert_eq!(outcome.told("life"), [(s(0), "0".to_owned()), (s(3), "1".to_owned())]);
}

#[test]
fn a_host_can_crash_and_come_back_many_times() {
    let mut stage = lives("crash_often");
    for n in 0..5 {
        stage = stage.strike(s(1 + 10 * n), "server", Crash { restart_after: Some(s(1)) });
    }
    let outcome = stage.run();
    let lives: Vec<_> = outcome.told("life").into_iter().map(|(at, life)| (at.as_secs(), life)).collect();
    assert_eq!(lives[..3], [(0, "0".to_owned()), (2, "1".to_owned()), (12, "2".to_owned())]);
    assert_eq!(lives.len(), 6);
    assert!(survivors(&outcome).is_empty());
}

/// A host that tells its incarnation to every client that connects, and a client that resolves the name only once,
/// keeps every connection, and connects whenever the last one has ended.
fn lives(name: &str) -> Stage {
    Stage::new(name)
        .host("server", async |cx| {
            tell(&cx, "life", cx.incarnation().0);
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let mut streams = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    () = cx.stopped() => {
                        tell(&cx, "stopping", cx.incarnation().0);
                        return Ok(());
                    }
                    accepted = listener.accept() => {
                        let (mut stream, _) = accepted?;
                        stream.write_all(cx.incarnation().0.to_string().as_bytes()).await?;
                        streams.push(stream);
                    }
                }
            }
        })
        .actor("client", async |cx| {
            let address = lookup_host("server:80").await?.next().ok_or("no address")?;
            let until = Instant::now() + s(60);
            let mut kept = Vec::new();
            while Instant::now() < until {
                let Ok(mut stream) = TcpStream::connect(address).await else {
                    sleep(ms(500)).await;
                    continue;
                };
                let mut greeting = [0; 1];
                if stream.read_exact(&mut greeting).await.is_ok() {
                    tell(&cx, "served by", char::from(greeting[0]));
                }
                let _ = timeout(until - Instant::now(), stream.read(&mut greeting)).await;
                // Never closed: the server's end lingers.
                kept.push(stream);
            }
            Ok(())
        })
}

/// A host that returns after 2 s and leaves behind two tasks that loop over errors; a client that stays connected.
fn spinners(name: &str) -> Stage {
    Stage::new(name)
        .host("server", async |_| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                loop {
                    let _ = listener.accept().await;
                }
            });
            tokio::spawn(async move {
                loop {
                    let _ = stream.read(&mut [0; 8]).await;
                }
            });
            sleep(s(2)).await;
            Ok(())
        })
        .actor("client", async |_| {
            let _stream = TcpStream::connect("server:80").await?;
            sleep(s(10)).await;
            Ok(())
        })
}

/// The records of tasks that outlived their life.
fn survivors(outcome: &Outcome) -> Vec<String> {
    let survivors = outcome.trace.records.iter().filter_map(|record| match &record.what {
        RecordKind::Process(ProcessEvent::Survivors { tasks }) => {
            Some(format!("{} {}: {tasks}", record.host.as_ref()?, record.incarnation.0))
        }
        _ => None,
    });
    survivors.collect()
}

/// What a task saw that is no longer heard by the run.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct LastWords(TcpStream);

impl Drop for LastWords {
    fn drop(&mut self) {
        let _ = self.0.try_write(b"last words");
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}
