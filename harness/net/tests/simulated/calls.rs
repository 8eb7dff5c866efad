//! Each call reaches the engine with the right arguments.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use halfopen_net::engine::{self, Installed};
use halfopen_net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};

use crate::fake::{Fake, HOST};

#[tokio::test]
async fn a_connection_is_bound_resolved_opened_accepted_and_closed() -> io::Result<()> {
    let (fake, _installed) = install();
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let mut client = TcpStream::connect("chat:80").await?;
    let (mut server, peer) = listener.accept().await?;
    assert_eq!(peer, SocketAddr::from((HOST, 40_000)));
    client.write_all(b"hello").await?;
    let mut heard = [0; 5];
    server.read_exact(&mut heard).await?;
    drop((client, server, listener));
    let seen = [
        "bind 0.0.0.0:80 128 [ReuseAddress(true)]",
        "resolve chat 80",
        "connect 10.0.0.1:80 None []",
        "accept 1",
        "write 2 \"hello\"",
        "read 3 5",
        "close 2",
        "close 3",
        "close 1",
    ];
    assert_eq!(fake.take_calls(), seen);
    assert_eq!(&heard, b"hello");
    Ok(())
}

#[expect(deprecated, reason = "the deprecated setter is part of the API")]
#[tokio::test]
async fn the_calls_of_a_stream_reach_the_engine_one_by_one() -> io::Result<()> {
    let (fake, _installed) = install();
    let (mut client, mut server) = pair().await?;
    server.write_all(b"abcdef").await?;
    fake.take_calls();

    let mut buf = [0; 2];
    client.peek(&mut buf).await?;
    client.try_read(&mut buf)?;
    client.try_read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut buf[..1])])?;
    client.try_write(b"x")?;
    client.try_write_vectored(&[IoSlice::new(b"y"), IoSlice::new(b""), IoSlice::new(b"z")])?;
    poll_fn(|cx| client.poll_read_ready(cx)).await?;
    poll_fn(|cx| client.poll_write_ready(cx)).await?;
    client.flush().await?;
    client.local_addr()?;
    client.peer_addr()?;
    assert_eq!(client.take_error()?.map(|error| error.kind()), Some(ErrorKind::ConnectionReset));
    client.set_nodelay(true)?;
    client.set_linger(Some(Duration::from_secs(1)))?;
    client.set_zero_linger()?;
    client.shutdown().await?;
    let seen = [
        "peek 2 2",
        "read 2 2",
        "read 2 1",
        "write 2 \"x\"",
        "write 2 \"yz\"",
        "ready 2 Read",
        "ready 2 Write",
        "flush 2",
        "local_addr 2",
        "peer_addr 2",
        "take_error 2",
        "set_option 2 NoDelay(true)",
        "set_option 2 Linger(Some(1s))",
        "set_option 2 Linger(Some(0ns))",
        "shutdown 2",
    ];
    assert_eq!(fake.take_calls(), seen);
    assert!(client.nodelay()?);
    assert_eq!(client.linger()?, Some(Duration::ZERO));
    Ok(())
}

#[tokio::test]
async fn a_prepared_socket_hands_over_its_address_and_options() -> io::Result<()> {
    let (fake, _installed) = install();
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::from((HOST, 80)))?;
    assert_eq!(socket.local_addr()?, SocketAddr::from((HOST, 80)));
    let listener = socket.listen(7)?;

    let socket = TcpSocket::new_v4()?;
    socket.set_keepalive(true)?;
    socket.set_send_buffer_size(4096)?;
    socket.set_recv_buffer_size(1024)?;
    socket.set_recv_buffer_size(2048)?;
    socket.set_zero_linger()?;
    assert_eq!((socket.keepalive()?, socket.recv_buffer_size()?, socket.send_buffer_size()?), (true, 2048, 4096));
    socket.bind(SocketAddr::from((HOST, 5000)))?;
    let client = socket.connect(SocketAddr::from((HOST, 80))).await?;
    let (server, _) = listener.accept().await?;
    let seen = [
        "bind 10.0.0.1:80 7 [ReuseAddress(true), ReusePort(true), NoDelay(true)]",
        "connect 10.0.0.1:80 Some(10.0.0.1:5000) \
         [KeepAlive(Some(Keepalive { time: 7200s, interval: 75s, retries: 9 })), SendBuffer(4096), ReceiveBuffer(2048), Linger(Some(0ns))]",
        "accept 1",
    ];
    assert_eq!(fake.take_calls(), seen);
    assert_eq!(client.linger()?, Some(Duration::ZERO));
    assert!(server.nodelay()?, "an accepted stream has its listener's options");
    Ok(())
}

#[tokio::test]
async fn a_prepared_socket_refuses_what_linux_refuses() -> io::Result<()> {
    let (fake, _installed) = install();
    let socket = TcpSocket::new_v6()?;
    let v4 = SocketAddr::from((HOST, 80));
    assert_eq!(socket.bind(v4).expect_err("the other IP version").kind(), ErrorKind::InvalidInput);
    socket.bind("[::1]:80".parse().expect("a valid address"))?;
    let twice = socket.bind("[::1]:81".parse().expect("a valid address"));
    assert_eq!(twice.expect_err("bound already").kind(), ErrorKind::InvalidInput);
    assert_eq!(socket.connect(v4).await.expect_err("the other IP version").kind(), ErrorKind::InvalidInput);
    fake.die();
    assert_eq!(TcpSocket::new_v4()?.listen(1).expect_err("a dead host").kind(), ErrorKind::NetworkDown);
    assert_eq!(fake.take_calls(), ["bind 0.0.0.0:0 1 []"]);
    Ok(())
}

#[tokio::test]
async fn only_names_are_resolved_and_their_errors_are_passed_on() -> io::Result<()> {
    let (fake, _installed) = install();
    let found: Vec<SocketAddr> = lookup_host("chat:81").await?.collect();
    assert_eq!(found, [SocketAddr::from((HOST, 81))]);
    assert_eq!(lookup_host("10.0.0.9:1").await?.count(), 1);
    let error = TcpStream::connect(("nobody", 80)).await.expect_err("no such name");
    assert_eq!(error.to_string(), "no such name: nobody");
    assert_eq!(fake.take_calls(), ["resolve chat 81", "resolve nobody 80"]);
    Ok(())
}

#[tokio::test]
async fn a_refused_address_is_closed_before_the_next_is_tried() -> io::Result<()> {
    let (fake, _installed) = install();
    let _listener = TcpListener::bind("0.0.0.0:80").await?;
    fake.take_calls();
    let both = [SocketAddr::from((HOST, 79)), SocketAddr::from((HOST, 80))];
    let _client = TcpStream::connect(&both[..]).await?;
    assert_eq!(fake.take_calls(), ["connect 10.0.0.1:79 None []", "close 2", "connect 10.0.0.1:80 None []"]);
    let error = TcpStream::connect(&both[..1]).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_given_up_closes_its_socket() {
    let (fake, _installed) = install();
    fake.never_connect();
    let given_up = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect((HOST_NAME, 80))).await;
    assert!(given_up.is_err());
    assert_eq!(fake.take_calls(), ["resolve chat 80", "connect 10.0.0.1:80 None []", "close 1"]);
}

#[tokio::test]
async fn readiness_wakes_a_waiting_reader() -> io::Result<()> {
    let (_fake, _installed) = install();
    let (client, server) = pair().await?;
    assert_eq!(client.try_read(&mut [0; 1]).expect_err("nothing there").kind(), ErrorKind::WouldBlock);
    let ready = client.ready(Interest::READABLE | Interest::WRITABLE).await?;
    assert!(ready.is_writable() && !ready.is_readable());
    let (readable, written) = tokio::join!(client.readable(), async { server.try_write(b"now") });
    readable?;
    assert_eq!(written?, 3);
    let mut buf = [0; 3];
    assert_eq!(client.async_io(Interest::READABLE, || client.try_read(&mut buf)).await?, 3);
    assert_eq!(client.try_io(Interest::WRITABLE, || client.try_write(b"ok"))?, 2);
    Ok(())
}

#[tokio::test]
async fn owned_halves_shut_down_reunite_and_close_once() -> io::Result<()> {
    let (fake, _installed) = install();
    let (client, mut server) = pair().await?;
    fake.take_calls();
    let (read_half, write_half) = client.into_split();
    let client = read_half.reunite(write_half).expect("halves of one stream");
    assert!(fake.take_calls().is_empty(), "reuniting shuts nothing down");

    let (read_half, write_half) = client.into_split();
    drop(write_half);
    let end = server.read(&mut [0; 1]).now_or_never().expect("the peer was told of the end");
    assert_eq!(end?, 0);
    assert_eq!(fake.take_calls(), ["shutdown 2", "read 3 1"]);
    drop(read_half);
    assert_eq!(fake.take_calls(), ["close 2"]);

    let (read_half, mut write_half) = server.into_split();
    write_half.shutdown().await?;
    drop(write_half);
    assert_eq!(fake.take_calls(), ["shutdown 3"], "once is enough");
    drop(read_half);
    assert_eq!(fake.take_calls(), ["close 3"]);
    Ok(())
}

#[tokio::test]
async fn a_forgotten_write_half_shuts_nothing_down() -> io::Result<()> {
    let (fake, _installed) = install();
    let (_client, server) = pair().await?;
    fake.take_calls();
    let (read_half, write_half) = server.into_split();
    write_half.forget();
    assert!(fake.take_calls().is_empty());
    drop(read_half);
    assert_eq!(fake.take_calls(), ["close 3"]);
    Ok(())
}

#[tokio::test]
async fn halves_of_two_streams_are_given_back() -> io::Result<()> {
    let (_fake, _installed) = install();
    let (client, server) = pair().await?;
    let (client_read, client_write) = client.into_split();
    let (_server_read, server_write) = server.into_split();
    let error = client_read.reunite(server_write).expect_err("halves of different streams");
    error.0.reunite(client_write).expect("given back unharmed");
    Ok(())
}

#[tokio::test]
async fn borrowed_halves_read_and_write_the_same_socket() -> io::Result<()> {
    let (fake, _installed) = install();
    let (mut client, mut server) = pair().await?;
    server.write_all(b"in").await?;
    fake.take_calls();
    {
        let (mut read_half, mut write_half) = client.split();
        read_half.read_exact(&mut [0; 2]).await?;
        write_half.write_all(b"out").await?;
    }
    assert_eq!(fake.take_calls(), ["read 2 2", "write 2 \"out\""], "nothing is closed with the halves");
    Ok(())
}

#[tokio::test]
async fn a_vectored_write_is_one_write_of_bounded_length() -> io::Result<()> {
    let (_fake, _installed) = install();
    let (client, _server) = pair().await?;
    let mut client = pin!(client);
    assert!(client.is_write_vectored());
    let large = vec![b'x'; 60_000];
    let parts = [IoSlice::new(&large), IoSlice::new(&large)];
    let written = poll_fn(|cx| client.as_mut().poll_write_vectored(cx, &parts)).await?;
    assert_eq!(written, 65_536);
    Ok(())
}

#[tokio::test]
async fn a_task_that_never_waits_yields_as_with_real_sockets() -> io::Result<()> {
    let (_fake, _installed) = install();
    let (client, _server) = pair().await?;
    let mut client = pin!(client);
    // tokio's budget of a task is 128 operations (tokio::task::coop).
    let before_yield = poll_fn(|cx| {
        let ready = (0..10_000).take_while(|_| client.as_mut().poll_write(cx, b"x").is_ready());
        std::task::Poll::Ready(ready.count())
    });
    assert!(before_yield.await <= 128);
    Ok(())
}

#[cfg(feature = "bytes")]
#[tokio::test]
async fn a_growing_buffer_takes_what_is_there() -> io::Result<()> {
    let (_fake, _installed) = install();
    let (client, server) = pair().await?;
    server.try_write(b"grow")?;
    let mut buf = Vec::with_capacity(16);
    assert_eq!(client.try_read_buf(&mut buf)?, 4);
    assert_eq!(buf, b"grow");
    Ok(())
}

#[tokio::test]
async fn an_accept_error_reaches_the_caller_and_the_listener_goes_on() -> io::Result<()> {
    let (fake, _installed) = install();
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let client = TcpStream::connect("chat:80").await?;
    fake.fail_accept(&[ErrorKind::ConnectionAborted]);
    assert_eq!(listener.accept().await.expect_err("injected").kind(), ErrorKind::ConnectionAborted);
    assert_eq!(listener.accept().await?.1, client.local_addr()?);
    Ok(())
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn an_axum_server_outlives_accept_errors_and_pauses_after_the_grave_ones() -> io::Result<()> {
    let (fake, _installed) = install();
    let mut listener = TcpListener::bind("0.0.0.0:80").await?;
    let _client = TcpStream::connect("chat:80").await?;
    fake.fail_accept(&[ErrorKind::ConnectionAborted, ErrorKind::Other]);
    let start = tokio::time::Instant::now();
    axum::serve::Listener::accept(&mut listener).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1), "one pause, for the second error");
    Ok(())
}

#[cfg(feature = "tungstenite")]
#[tokio::test]
async fn a_websocket_client_connects_inside_the_simulation() -> Result<(), Box<dyn std::error::Error>> {
    let (fake, _installed) = install();
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    fake.take_calls();
    let server = async { tokio_tungstenite::accept_async(listener.accept().await?.0).await };
    let (client, server) = tokio::join!(halfopen_net::tungstenite::connect_async("ws://chat/"), server);
    assert!(client?.0.get_ref().nodelay()?);
    server?;
    let start = ["resolve chat 80", "connect 10.0.0.1:80 None []", "set_option 2 NoDelay(true)"];
    assert_eq!(fake.take_calls()[..3], start);
    Ok(())
}

/// The name of the only simulated host.
const HOST_NAME: &str = "chat";

fn install() -> (Rc<Fake>, Installed) {
    let fake = Fake::new(1);
    let installed = engine::install(fake.clone());
    (fake, installed)
}

/// A connected client (socket 2) and server (socket 3); their listener is closed.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let client = TcpStream::connect((HOST_NAME, 80)).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}
