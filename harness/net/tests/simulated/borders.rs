//! A simulation's sockets stay inside it, and real ones outside.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::thread;

use halfopen_net::engine;
use halfopen_net::{TcpListener, TcpSocket, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

use crate::fake::{Fake, HOST};

#[tokio::test]
async fn a_stream_of_another_run_is_refused_and_closes_nothing_there() -> io::Result<()> {
    let first = Fake::new(1);
    let installed = engine::install(first.clone());
    let (mut client, listener) = pair().await?;
    let socket = TcpSocket::new_v4()?;
    drop(installed);

    let second = Fake::new(2);
    let _installed = engine::install(second.clone());
    first.take_calls();
    for error in [
        client.write_all(b"x").await.expect_err("another run's stream"),
        client.read(&mut [0; 1]).await.expect_err("another run's stream"),
        client.local_addr().expect_err("another run's stream"),
        listener.accept().await.expect_err("another run's listener"),
        socket.connect(SocketAddr::from((HOST, 80))).await.expect_err("another run's socket"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        assert!(error.to_string().contains("another simulation runs on this thread"), "{error}");
    }
    let (read_half, write_half) = client.into_split();
    drop((read_half, write_half, listener));
    assert!(first.take_calls().is_empty() && second.take_calls().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_stream_on_a_thread_without_a_simulation_is_refused_and_its_drop_does_nothing() -> io::Result<()> {
    let fake = Fake::new(1);
    let _installed = engine::install(fake.clone());
    let (client, listener) = pair().await?;
    fake.take_calls();
    let errors = thread::spawn(move || {
        let errors = [
            client.try_read(&mut [0; 1]).expect_err("no simulation here"),
            client.set_nodelay(true).expect_err("no simulation here"),
            listener.local_addr().expect_err("no simulation here"),
        ];
        let (read_half, write_half) = client.into_split();
        drop((read_half, write_half, listener));
        errors.map(|error| (error.kind(), error.to_string()))
    });
    for (kind, text) in errors.join().expect("no panic") {
        assert_eq!(kind, ErrorKind::NotConnected);
        assert!(text.ends_with("but no simulation runs on this thread"), "{text}");
    }
    assert!(fake.take_calls().is_empty(), "nothing was closed from the other thread");
    Ok(())
}

#[tokio::test]
async fn leaving_the_simulation_is_refused_by_name_and_reported() -> io::Result<()> {
    let real = std::net::TcpListener::bind("127.0.0.1:0")?;
    let (real_stream, _) = (std::net::TcpStream::connect(real.local_addr()?)?, real.accept()?);
    let fake = Fake::new(1);
    let _installed = engine::install(fake.clone());
    let (client, listener) = pair().await?;
    let (other_client, other_listener) = pair().await?;
    fake.take_calls();
    let refused = [
        ("TcpStream::into_std", client.into_std().err()),
        ("TcpStream::from_std", TcpStream::from_std(real_stream).err()),
        ("tokio::net::TcpStream::try_from(TcpStream)", tokio::net::TcpStream::try_from(other_client).err()),
        ("TcpListener::into_std", listener.into_std().err()),
        ("TcpListener::from_std", TcpListener::from_std(real).err()),
        ("tokio::net::TcpListener::try_from(TcpListener)", tokio::net::TcpListener::try_from(other_listener).err()),
    ];
    let calls = fake.take_calls();
    for (call, error) in refused {
        let error = error.expect("refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with(call), "{error}");
        assert!(calls.contains(&format!("stray {call}")), "{call} is not in {calls:?}");
    }
    Ok(())
}

#[tokio::test]
async fn options_without_meaning_are_unsupported_by_name_and_no_stray() -> io::Result<()> {
    let fake = Fake::new(1);
    let _installed = engine::install(fake.clone());
    let (client, _listener) = pair().await?;
    let socket = TcpSocket::new_v4()?;
    fake.take_calls();
    let refused = [
        ("TcpStream::quickack", client.quickack().err()),
        ("TcpStream::set_quickack", client.set_quickack(true).err()),
        ("TcpSocket::bind_device", socket.bind_device(Some(b"eth0")).err()),
        ("TcpSocket::set_tos_v4", socket.set_tos_v4(8).err()),
        ("TcpSocket::recv_buffer_size", socket.recv_buffer_size().err()),
        ("TcpSocket::send_buffer_size", socket.send_buffer_size().err()),
        ("TcpStream::ready", client.ready(Interest::PRIORITY).await.err()),
    ];
    for (call, error) in refused {
        let error = error.expect("refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with(call), "{error}");
    }
    socket.bind(SocketAddr::from((HOST, 0)))?;
    assert_eq!(socket.local_addr().expect_err("chosen later").kind(), ErrorKind::Unsupported);
    assert!(fake.take_calls().is_empty());
    Ok(())
}

#[tokio::test]
async fn an_option_that_the_engine_refuses_is_not_read_back() -> io::Result<()> {
    let fake = Fake::new(1);
    let _installed = engine::install(fake.clone());
    let (client, listener) = pair().await?;
    assert_eq!(client.set_ttl(3).expect_err("refused by the engine").to_string(), "IP_TTL");
    assert_eq!(listener.set_ttl(3).expect_err("refused by the engine").kind(), ErrorKind::Unsupported);
    assert_eq!((client.ttl()?, listener.ttl()?), (64, 64));
    Ok(())
}

#[tokio::test]
async fn a_real_stream_brought_in_works_and_is_reported() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let stream = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
    let fake = Fake::new(1);
    let _installed = engine::install(fake.clone());
    let mut stream = TcpStream::from(stream);
    stream.write_all(b"x").await?;
    let _listener = TcpListener::from(listener);
    let strays = ["stray TcpStream::from(tokio::net::TcpStream)", "stray TcpListener::from(tokio::net::TcpListener)"];
    assert_eq!(fake.take_calls(), strays);
    Ok(())
}

#[tokio::test]
async fn sockets_are_real_before_and_after_a_simulation() -> io::Result<()> {
    let before = TcpListener::bind("127.0.0.1:0").await?;
    let fake = Fake::new(1);
    drop(engine::install(fake.clone()));
    let mut client = TcpStream::connect(before.local_addr()?).await?;
    let (mut server, _) = before.accept().await?;
    client.write_all(b"real").await?;
    let mut heard = [0; 4];
    server.read_exact(&mut heard).await?;
    assert_eq!(&heard, b"real");
    assert!(fake.take_calls().is_empty());
    Ok(())
}

#[tokio::test]
async fn what_is_printed_does_not_depend_on_the_run() -> io::Result<()> {
    let mut printed = Vec::new();
    for run in [7, 8] {
        let _installed = engine::install(Fake::new(run));
        let (client, listener) = pair().await?;
        let socket = TcpSocket::new_v4()?;
        let whole = format!("{client:?} {listener:?} {socket:?}");
        printed.push(format!("{whole} {:?}", client.into_split()));
    }
    assert_eq!(printed[0], printed[1]);
    assert!(printed[0].starts_with("TcpStream(Simulated { socket: 2 }) TcpListener(Simulated { socket: 1 })"));
    Ok(())
}

/// A client with its peer still in the listener's queue.
async fn pair() -> io::Result<(TcpStream, TcpListener)> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let client = TcpStream::connect(("chat", 80)).await?;
    Ok((client, listener))
}
