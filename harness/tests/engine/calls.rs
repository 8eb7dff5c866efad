//! Lookups that fail or move, and connect calls that fail by themselves: what Linux's resolver and kernel answer.

use std::io;
use std::time::Duration;

use halfopen::fault::{
    AcceptError, ConnectError, Connections, IoError, IoErrorKind, LookupError, LookupFails, LookupMoves, StreamCall,
    Trigger,
};
use halfopen::name::{Link, Side};
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_net::{TcpListener, TcpStream, lookup_host};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use crate::stage::{LATENCY, Stage, Told, s, tell};

const EXACTLY_ONCE: &str = "[delivery]\nlaw = \"exactly_once\"";

#[test]
fn a_lookup_fails_in_the_words_of_glibc_and_after_its_time() {
    for (kind, words, after) in [
        (LookupError::NoSuchName, "Name or service not known", s(0)),
        (LookupError::NoAddress, "No address associated with hostname", s(0)),
        (LookupError::ServerFailure, "Temporary failure in name resolution", s(0)),
        // Measured on Linux with one name server that does not answer: 10.01 s.
        (LookupError::NoAnswer, "Temporary failure in name resolution", s(10)),
    ] {
        let outcome = Stage::new("lookup_words")
            .host("server", serve)
            .actor("client", async |cx| {
                sleep(s(2)).await;
                for _ in 0..2 {
                    let asked = Instant::now();
                    let answer = lookup_host("server:80").await.map(|_| ());
                    tell(&cx, "answer", answer.map_or_else(|error| error.to_string(), |()| "found".to_owned()));
                    tell(&cx, "after", asked.elapsed().as_secs());
                }
                Ok(())
            })
            .fault(Trigger::At(s(1)), link("server"), LookupFails { kind, lasting: None })
            .run();
        let failed = format!("failed to lookup address information: {words}");
        assert_eq!(outcome.words("answer"), [failed, "found".to_owned()]);
        assert_eq!(outcome.words("after"), [after.as_secs().to_string(), "0".to_owned()]);
        assert_eq!(outcome.broken(), [""; 0]);
    }
}

#[test]
fn a_failed_lookup_is_told_by_connect_as_well_and_literals_need_none() {
    let fails = LookupFails { kind: LookupError::NoSuchName, lasting: Some(s(60)) };
    let outcome = Stage::new("lookup_connect")
        .host("server", serve)
        .actor("client", async |cx| {
            let address = lookup_host("server:80").await?.next().ok_or_else(nowhere)?;
            sleep(s(2)).await;
            tell(&cx, "by name", TcpStream::connect("server:80").await.is_err());
            tell(&cx, "by address", TcpStream::connect(address).await.is_err());
            Ok(())
        })
        .fault(Trigger::At(s(1)), link("server"), fails)
        .run();
    assert_eq!((outcome.only("by name").1, outcome.only("by address").1), ("true".to_owned(), "false".to_owned()));
    assert_eq!(outcome.broken(), [""; 0]);
}

#[test]
fn a_client_that_gives_up_at_the_first_failed_lookup_is_convicted_and_one_that_asks_again_is_not() {
    let run = |name: &str, tries: u32| {
        let fails = LookupFails { kind: LookupError::ServerFailure, lasting: Some(s(30)) };
        Stage::new(name)
            .host("server", serve)
            .actor("client", move |cx| ask_again(cx, tries))
            .tells("client", &[FactKind::Offered, FactKind::Received])
            .checks(EXACTLY_ONCE)
            .fault(Trigger::At(s(1)), link("server"), fails)
            .run()
            .broken()
    };
    assert_eq!(run("asks_again", 20), [""; 0]);
    assert_eq!(run("gives_up", 1), ["delivery: silent loss @ client"]);
}

#[test]
fn a_name_moves_and_a_client_that_remembers_the_old_address_is_told_apart() {
    let run = |name: &str, remembers: bool| {
        Stage::new(name)
            // It retires: a client that still asks it is refused.
            .host("server", async |cx| {
                let _ = tokio::time::timeout(s(20), serve(cx.clone())).await;
                cx.stopped().await;
                Ok(())
            })
            .host("other", serve)
            .actor("client", move |cx| async move { talk_twice(&cx, remembers).await })
            .tells("client", &[FactKind::Offered, FactKind::Received])
            .checks(EXACTLY_ONCE)
            .fault(Trigger::At(s(10)), link("server"), LookupMoves { to: "other".into(), lasting: None })
            .run()
            .broken()
    };
    assert_eq!(run("looks_up_anew", false), [""; 0]);
    // Who asks no resolver does not notice that it answers otherwise.
    assert_eq!(run("remembers", true), ["delivery: silent loss @ client", "took_effect: changed nothing @ client"]);
}

#[test]
fn a_name_that_has_moved_comes_back() {
    let outcome = Stage::new("moves_back")
        .host("server", serve)
        .host("other", serve)
        .actor("client", async |cx| {
            for _ in 0..3 {
                let address = lookup_host("server:80").await?.next().ok_or_else(nowhere)?;
                tell(&cx, "address", address.ip());
                sleep(s(10)).await;
            }
            Ok(())
        })
        .fault(Trigger::At(s(5)), link("server"), LookupMoves { to: "other".into(), lasting: Some(s(10)) })
        .run();
    let addresses = outcome.words("address");
    assert_eq!(addresses[0], addresses[2]);
    assert_ne!(addresses[0], addresses[1]);
}

#[test]
fn a_connect_call_fails_with_the_number_of_linux_and_sends_nothing() {
    for kind in IoErrorKind::ALL {
        let outcome = Stage::new("connect_fails")
            .host("server", serve)
            .actor("client", async |cx| {
                for _ in 0..3 {
                    let called = Instant::now();
                    let error = TcpStream::connect("server:80").await.err();
                    tell(&cx, "number", error.and_then(|error| error.raw_os_error()).unwrap_or(0));
                    tell(&cx, "took", called.elapsed().as_millis());
                }
                Ok(())
            })
            .fault(Trigger::Connect, link("server"), connect_fails(kind, 2, None))
            .run();
        assert_eq!(outcome.words("number"), ["0".to_owned(), kind.errno().to_string(), "0".to_owned()]);
        let round_trip = (2 * LATENCY).as_millis().to_string();
        assert_eq!(outcome.words("took"), [round_trip.clone(), "0".to_owned(), round_trip]);
        assert_eq!(outcome.broken(), [""; 0]);
    }
}

#[test]
fn the_numbers_are_those_of_this_machine() {
    // Two that a kernel gives without a network.
    let refused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let refused = refused.and_then(std::net::TcpStream::connect).map(|_| ());
    assert_eq!(refused.err().and_then(|error| error.raw_os_error()), Some(IoErrorKind::ConnectionRefused.errno()));
    let elsewhere = std::net::TcpListener::bind("192.0.2.1:80").map(|_| ());
    assert_eq!(elsewhere.err().and_then(|error| error.raw_os_error()), Some(IoErrorKind::AddressNotAvailable.errno()));
}

#[test]
fn while_a_network_is_down_every_connect_fails_and_who_waits_for_it_is_acquitted() {
    let run = |name: &str, tries: u32| {
        let down = connect_fails(IoErrorKind::NetworkUnreachable, 1, Some(s(40)));
        Stage::new(name)
            .host("server", serve)
            .actor("client", move |cx| ask_again(cx, tries))
            .tells("client", &[FactKind::Offered, FactKind::Received])
            .checks(EXACTLY_ONCE)
            .fault(Trigger::At(s(1)), link("server"), down)
            .run()
            .broken()
    };
    assert_eq!(run("waits_for_a_network", 20), [""; 0]);
    assert_eq!(run("three_tries", 3), ["delivery: silent loss @ client"]);
}

#[test]
fn a_call_that_fails_for_a_while_fails_each_time() {
    let verb = AcceptError { kind: IoErrorKind::TooManyOpenFiles, nth: 1, lasting: Some(s(5)) };
    let outcome = Stage::new("accept_fails_for_a_while")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok(_) => tell(&cx, "accepted", "one"),
                        Err(error) => {
                            tell(&cx, "failed", error.raw_os_error().unwrap_or(0));
                            sleep(s(1)).await;
                        }
                    },
                    () = cx.stopped() => return Ok(()),
                }
            }
        })
        .actor("client", async |_| {
            sleep(s(2)).await;
            let _stream = TcpStream::connect("server:80").await?;
            sleep(s(20)).await;
            Ok(())
        })
        .fault(Trigger::At(s(1)), link("server"), verb)
        .run();
    assert_eq!(outcome.words("failed"), ["24"; 5]);
    assert_eq!(outcome.words("accepted").len(), 1);
}

/// The one call that tokio's own sockets do not make: their flush does nothing.
#[test]
fn a_flush_fails_on_the_sockets_of_halfopen_net_and_is_no_call_on_tokios() {
    let flushed = |name: &str, is_plain: bool| {
        let outcome = Stage::new(name)
            .host("server", serve)
            .actor("client", move |cx| async move {
                let (mut seam, mut plain);
                let stream: &mut (dyn AsyncWrite + Send + Unpin) = if is_plain {
                    plain = tokio::net::TcpStream::connect("server:80").await?;
                    &mut plain
                } else {
                    seam = TcpStream::connect("server:80").await?;
                    &mut seam
                };
                sleep(s(2)).await;
                for _ in 0..2 {
                    let flushed = stream.flush().await;
                    tell(&cx, "flushed", flushed.map_or_else(|error| error.kind().to_string(), |()| "yes".to_owned()));
                }
                Ok(())
            })
            .fault(Trigger::At(s(1)), Connections::of("client", "server"), flush_fails())
            .run();
        outcome.words("flushed")
    };
    let fails = if halfopen_plays_on_tokio() { "yes" } else { "timed out" };
    assert_eq!(flushed("flush_seam", false), [fails, "yes"]);
    assert_eq!(flushed("flush_plain", true), ["yes", "yes"]);
}

fn flush_fails() -> IoError {
    IoError { call: StreamCall::Flush, kind: IoErrorKind::TimedOut, nth: 1, side: Side::Client, lasting: None }
}

/// What is written for halfopen-net plays on tokio's sockets in this process.
fn halfopen_plays_on_tokio() -> bool {
    std::env::var_os("HALFOPEN_NET").is_some()
}

fn connect_fails(kind: IoErrorKind, nth: u32, lasting: Option<Duration>) -> ConnectError {
    ConnectError { kind, nth, lasting }
}

fn link(server: &str) -> Link {
    Link { client: "client".into(), server: server.into() }
}

async fn serve(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut stream, _) = accepted?;
                tokio::spawn(async move {
                    let mut byte = [0; 1];
                    while let Ok(1) = stream.read(&mut byte).await {
                        if stream.write_all(&byte).await.is_err() {
                            break;
                        }
                    }
                });
            }
            () = cx.stopped() => return Ok(()),
        }
    }
}

/// Asks until there is an answer, so often at most.
async fn ask_again(cx: HostContext, tries: u32) -> Result<(), BoxError> {
    sleep(s(2)).await;
    cx.offered("question");
    for _ in 0..tries {
        if ask("server:80").await.is_ok() {
            cx.received("question");
            break;
        }
        sleep(s(5)).await;
    }
    Ok(())
}

fn nowhere() -> io::Error {
    io::ErrorKind::NotFound.into()
}

async fn ask(target: impl halfopen_net::ToSocketAddrs) -> io::Result<()> {
    let mut stream = TcpStream::connect(target).await?;
    stream.write_all(b"?").await?;
    stream.read_exact(&mut [0; 1]).await.map(|_| ())
}

async fn talk_twice(cx: &HostContext, remembers: bool) -> Result<(), BoxError> {
    let first = lookup_host("server:80").await?.next().ok_or_else(nowhere)?;
    for (key, pause) in [("early", s(1)), ("late", s(40))] {
        sleep(pause).await;
        cx.offered(key);
        let asked = if remembers { ask(first).await } else { ask("server:80").await };
        if asked.is_ok() {
            cx.received(key);
        }
    }
    Ok(())
}
