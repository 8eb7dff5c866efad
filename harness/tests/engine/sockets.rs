//! Opening, options, halves and handles: what socket calls answer besides data.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use halfopen::trace::ConnectionEvent;
use halfopen_net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::stage::{LATENCY, Stage, Told, ms, pair, s, tell, word};

#[test]
fn a_connect_to_a_closed_port_is_refused_after_a_round_trip() {
    let outcome = lonely("closed_port", async |cx| {
        tell(&cx, "connect", word(&TcpStream::connect("server:80").await.map(drop)));
        Ok(())
    })
    .run();
    assert_eq!(outcome.only("connect"), (2 * LATENCY, "ConnectionRefused".to_owned()));
    assert_eq!(outcome.count(&ConnectionEvent::Refused), 1);
}

#[test]
fn a_loopback_listener_is_reached_from_its_own_host_only() {
    let outcome = Stage::new("loopback_listener")
        .host("server", async |cx| {
            let listener = TcpListener::bind("127.0.0.1:80").await?;
            tell(&cx, "here", word(&TcpStream::connect("127.0.0.1:80").await.map(drop)));
            let (_stream, _) = listener.accept().await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            tell(&cx, "there", word(&TcpStream::connect("server:80").await.map(drop)));
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("here"), ["Ok(())"]);
    assert_eq!(outcome.words("there"), ["ConnectionRefused"]);
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let outcome = lonely("unknown_name", async |cx| {
        let error = TcpStream::connect("sever:80").await.map(drop).unwrap_err();
        tell(&cx, "error", error);
        Ok(())
    })
    .run();
    let (_, error) = outcome.only("error");
    assert!(error.contains("`sever`") && error.contains("server") && error.contains("client"), "{error}");
}

#[test]
fn a_listener_on_any_ipv6_address_takes_ipv4_connections() {
    let outcome = Stage::new("any_v6")
        .host("server", async |cx| {
            let listener = TcpListener::bind("[::]:80").await?;
            let (_stream, _) = listener.accept().await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            tell(&cx, "connect", word(&TcpStream::connect("server:80").await.map(drop)));
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("connect"), ["Ok(())"]);
}

#[test]
fn a_port_is_taken_while_somebody_listens_and_free_as_soon_as_nobody_does() {
    let outcome = lonely("ports", async |cx| {
        let first = TcpListener::bind("0.0.0.0:80").await?;
        tell(&cx, "second", word(&TcpListener::bind("0.0.0.0:80").await.map(drop)));
        let other = TcpListener::bind("0.0.0.0:0").await?;
        tell(&cx, "any", other.local_addr()?.port() != 0);
        let stream = TcpStream::connect(first.local_addr()?).await?;
        let accepted = first.accept().await?;
        drop(first);
        tell(&cx, "third", word(&TcpListener::bind("0.0.0.0:80").await.map(drop)));
        drop((stream, accepted));
        Ok(())
    })
    .run();
    assert_eq!(outcome.words("second"), ["AddrInUse"]);
    assert_eq!(outcome.words("any"), ["true"]);
    assert_eq!(outcome.words("third"), ["Ok(())"]);
}

#[test]
fn both_ends_agree_on_their_addresses() {
    let outcome = pair(
        "addresses",
        async |cx, stream| {
            tell(&cx, "pair", format!("{} {}", stream.peer_addr()?, stream.local_addr()?));
            Ok(())
        },
        async |cx, stream| {
            tell(&cx, "pair", format!("{} {}", stream.local_addr()?, stream.peer_addr()?));
            let resolved: Vec<SocketAddr> = lookup_host("server:80").await?.collect();
            tell(&cx, "resolved", resolved == [stream.peer_addr()?]);
            Ok(())
        },
    )
    .run();
    let pairs = outcome.words("pair");
    assert_eq!(pairs.len(), 2);
    assert_eq!(pairs[0], pairs[1]);
    assert_eq!(outcome.words("resolved"), ["true"]);
}

#[test]
fn connects_to_a_full_backlog_go_on_when_there_is_room() {
    let outcome = Stage::new("backlog")
        .host("server", async |cx| {
            let socket = TcpSocket::new_v4()?;
            socket.bind("0.0.0.0:80".parse()?)?;
            let listener = socket.listen(2)?;
            sleep(s(2)).await;
            let mut streams = Vec::new();
            while let Ok(accepted) = timeout(s(30), listener.accept()).await {
                streams.push(accepted?);
            }
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            let mut attempts = tokio::task::JoinSet::new();
            for _ in 0..4 {
                attempts.spawn(TcpStream::connect("server:80"));
            }
            let mut streams = Vec::new();
            while let Some(connected) = attempts.join_next().await {
                tell(&cx, "connected", word(&connected?.map(|stream| streams.push(stream))));
            }
            Ok(())
        })
        .run();
    // One more than was asked for; a SYN each second, and room since 2 s.
    let at: Vec<_> = outcome.told("connected").into_iter().map(|(at, _)| at).collect();
    assert_eq!(at, [2 * LATENCY, 2 * LATENCY, 2 * LATENCY, s(2) + 2 * LATENCY]);
}

#[test]
fn attempts_that_were_given_up_leave_no_trace_in_the_backlog() {
    let outcome = Stage::new("backlog_given_up")
        .host("server", async |cx| {
            let socket = TcpSocket::new_v4()?;
            socket.bind("0.0.0.0:80".parse()?)?;
            let _listener = socket.listen(2)?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            for _ in 0..10 {
                let given_up = timeout(LATENCY / 2, TcpStream::connect("server:80")).await;
                assert!(given_up.is_err());
            }
            sleep(s(1)).await;
            let before = tokio::time::Instant::now();
            let _stream = TcpStream::connect("server:80").await?;
            tell(&cx, "took", before.elapsed().as_millis());
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("took"), ["20"]);
    assert!(outcome.last.sockets.iter().all(|row| row.state != "closed"), "{:?}", outcome.last.sockets);
}

#[test]
fn half_a_connection_can_be_closed_and_the_other_half_goes_on() {
    let outcome = pair(
        "half_close",
        async |_, mut stream| {
            let mut question = String::new();
            stream.read_to_string(&mut question).await?;
            sleep(s(1)).await;
            stream.write_all(question.to_uppercase().as_bytes()).await?;
            Ok(())
        },
        async |cx, mut stream| {
            stream.write_all(b"who is there").await?;
            stream.shutdown().await?;
            tell(&cx, "write", word(&stream.write(b"?").await));
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            tell(&cx, "answer", answer);
            Ok(())
        },
    )
    .run();
    assert_eq!(outcome.words("answer"), ["WHO IS THERE"]);
    assert_eq!(outcome.words("write"), ["BrokenPipe"]);
}

#[test]
fn options_that_cannot_be_honoured_are_refused_by_name() {
    let outcome = pair(
        "options",
        async |_, _| Ok(()),
        async |cx, stream| {
            #[expect(deprecated, reason = "services still call it")]
            let linger = stream.set_linger(Some(s(5)));
            refused(&cx, "SO_LINGER", linger);
            refused(&cx, "IP_TTL", stream.set_ttl(7));
            refused(&cx, "quickack", stream.set_quickack(true));
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseport(true)?;
            refused(&cx, "SO_REUSEPORT", socket.connect(stream.peer_addr()?).await.map(drop));
            Ok(())
        },
    )
    .run();
    assert_eq!(outcome.words("refused").len(), 4);
    assert!(outcome.passed(), "{:?}", outcome.broken());
}

#[test]
fn a_socket_bound_to_a_port_connects_from_it() {
    let outcome = Stage::new("bound_client")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (_stream, peer) = listener.accept().await?;
            tell(&cx, "peer port", peer.port());
            Ok(())
        })
        .actor("client", async |_| {
            let socket = TcpSocket::new_v4()?;
            socket.bind("0.0.0.0:4711".parse()?)?;
            let server = lookup_host("server:80").await?.next().ok_or("no address")?;
            let _stream = socket.connect(server).await?;
            sleep(s(1)).await;
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("peer port"), ["4711"]);
}

#[test]
fn a_handle_that_outlives_its_run_is_harmless_and_useless() {
    let escaped: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let to_escape = Arc::clone(&escaped);
    pair(
        "escape",
        async |_, _| Ok(()),
        move |_, stream| {
            to_escape.lock().unwrap().push(stream);
            async { Ok(()) }
        },
    )
    .run();
    // One of the warm-up, one of the run.
    assert_eq!(escaped.lock().unwrap().len(), 2);
    let here = escaped.lock().unwrap().pop().unwrap();
    assert_eq!(here.try_write(b"x").unwrap_err().kind(), ErrorKind::NotConnected);
    drop(here);
    let elsewhere = Arc::clone(&escaped);
    let outcome = lonely("escape_into_another_run", move |cx| {
        let error = elsewhere.lock().unwrap()[0].try_write(b"x").unwrap_err();
        tell(&cx, "error", error);
        async { Ok(()) }
    })
    .run();
    let (_, error) = outcome.only("error");
    assert!(error.contains("another simulation"), "{error}");
}

#[test]
fn an_interleaved_run_cuts_reads_and_writes_short() {
    let pieces = |seed| {
        let outcome = pair(
            "short_calls",
            async |cx, mut stream| {
                let mut buffer = [0; 100];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Ok(()),
                        n => tell(&cx, "read", n),
                    }
                }
            },
            async |cx, mut stream| {
                for _ in 0..100 {
                    let n = stream.write(&[7; 100]).await?;
                    tell(&cx, "write", n);
                    sleep(ms(100)).await;
                }
                Ok(())
            },
        )
        .interleaved()
        .seed(seed)
        .run();
        (outcome.words("read"), outcome.words("write"))
    };
    let (reads, writes) = pieces(1);
    assert!(reads.iter().any(|n| n != "100"), "{reads:?}");
    assert!(writes.iter().any(|n| n != "100") && writes.iter().any(|n| n == "100"), "{writes:?}");
    let sum = |pieces: &[String]| pieces.iter().map(|n| n.parse::<usize>().unwrap()).sum::<usize>();
    assert_eq!(sum(&reads), sum(&writes));
    assert_ne!(pieces(2).1, writes);
}

/// A run with a server that does nothing, and a client.
fn lonely<F, R>(name: &str, client: F) -> Stage
where
    F: Fn(halfopen::HostContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), halfopen::BoxError>> + 'static,
{
    Stage::new(name)
        .host("server", async |cx| {
            cx.stopped().await;
            Ok(())
        })
        .actor("client", client)
}

fn refused(cx: &halfopen::HostContext, name: &str, result: std::io::Result<()>) {
    let error = result.expect_err(name);
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
    assert!(error.to_string().contains(name), "{name}: {error}");
    tell(cx, "refused", name);
}
