//! Every part of the API over real loopback sockets. With the feature `sim` the same tests prove that a thread without
//! a simulation uses real sockets.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use halfopen_net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use halfopen_net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};

#[tokio::test]
async fn bytes_go_both_ways_until_the_end_of_the_stream() -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.write_all(b"ping").await?;
    assert_eq!(read(&mut server, 4).await?, b"ping");
    server.write_all(b"pong").await?;
    server.shutdown().await?;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await?;
    assert_eq!(rest, b"pong");
    Ok(())
}

#[tokio::test]
async fn both_sides_agree_on_their_addresses() -> io::Result<()> {
    let (client, server) = pair().await?;
    assert_eq!(client.local_addr()?, server.peer_addr()?);
    assert_eq!(client.peer_addr()?, server.local_addr()?);
    assert!(client.take_error()?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_borrowed_split_reads_and_writes_and_leaves_the_stream_open() -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    let address = client.local_addr()?;
    {
        let (mut read_half, mut write_half) = client.split();
        assert_eq!(read_half.local_addr()?, address);
        assert_eq!(write_half.peer_addr()?, server.local_addr()?);
        write_half.write_all(b"one").await?;
        assert_eq!(read(&mut server, 3).await?, b"one");
        server.write_all(b"two").await?;
        let mut peeked = [0; 3];
        read_half.readable().await?;
        assert_eq!(read_half.peek(&mut peeked).await?, 3);
        assert_eq!(read(&mut read_half, 3).await?, b"two");
    }
    client.write_all(b"three").await?;
    assert_eq!(read(&mut server, 5).await?, b"three");
    Ok(())
}

#[tokio::test]
async fn dropping_the_owned_write_half_ends_the_peers_stream_and_reading_goes_on() -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let (mut read_half, write_half) = client.into_split();
    drop(write_half);
    assert_eq!(server.read(&mut [0; 8]).await?, 0, "the peer reads the end");
    server.write_all(b"still here").await?;
    assert_eq!(read(&mut read_half, 10).await?, b"still here");
    Ok(())
}

#[tokio::test]
async fn a_forgotten_write_half_leaves_the_stream_open_until_the_reader_goes() -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let (read_half, write_half) = client.into_split();
    write_half.forget();
    let waited = tokio::time::timeout(Duration::from_millis(50), server.read(&mut [0; 8])).await;
    assert!(waited.is_err(), "nothing was shut down");
    drop(read_half);
    assert_eq!(server.read(&mut [0; 8]).await?, 0);
    Ok(())
}

#[tokio::test]
async fn halves_of_one_stream_are_reunited_and_halves_of_two_are_given_back() -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let (other, _other_server) = pair().await?;
    let (read_half, write_half) = client.into_split();
    let (other_read, other_write) = other.into_split();

    let error = read_half.reunite(other_write).expect_err("halves of different streams");
    assert!(error.to_string().contains("different streams"));
    let (read_half, other_write) = (error.0, error.1);

    let mut client = write_half.reunite(read_half).expect("halves of one stream");
    other_write.reunite(other_read).expect("halves of one stream");
    client.write_all(b"whole").await?;
    assert_eq!(read(&mut server, 5).await?, b"whole");
    Ok(())
}

#[tokio::test]
async fn readiness_comes_with_data_and_calls_that_never_wait_say_so() -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let mut buf = [0; 8];
    assert_eq!(client.try_read(&mut buf).expect_err("nothing was sent").kind(), ErrorKind::WouldBlock);
    client.writable().await?;
    assert_eq!(client.try_write(b"abc")?, 3);
    assert_eq!(client.try_write_vectored(&[IoSlice::new(b"d"), IoSlice::new(b"ef")])?, 3);
    assert_eq!(read(&mut server, 6).await?, b"abcdef");

    server.write_all(b"xyz").await?;
    client.readable().await?;
    let ready = client.ready(Interest::READABLE | Interest::WRITABLE).await?;
    assert!(ready.is_readable() && ready.is_writable());
    poll_fn(|cx| client.poll_read_ready(cx)).await?;
    poll_fn(|cx| client.poll_write_ready(cx)).await?;
    let mut first = [0; 1];
    let mut second = [0; 2];
    assert_eq!(client.try_read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)])?, 3);
    assert_eq!((&first, &second), (b"x", b"yz"));
    Ok(())
}

#[tokio::test]
async fn try_io_and_async_io_run_an_operation_when_the_stream_is_ready() -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let mut buf = [0; 2];
    let early = client.try_io(Interest::READABLE, || Ok(()));
    assert_eq!(early.expect_err("not readable yet").kind(), ErrorKind::WouldBlock);
    server.write_all(b"ok").await?;
    let length = client.async_io(Interest::READABLE, || client.try_read(&mut buf)).await?;
    assert_eq!(&buf[..length], b"ok");
    Ok(())
}

#[tokio::test]
async fn peeked_bytes_stay_readable() -> io::Result<()> {
    let (mut client, mut server) = pair().await?;
    client.write_all(b"seen").await?;
    let mut buf = [0; 4];
    assert_eq!(server.peek(&mut buf).await?, 4);
    let mut peeked = ReadBuf::new(&mut buf);
    assert_eq!(poll_fn(|cx| server.poll_peek(cx, &mut peeked)).await?, 4);
    assert_eq!(peeked.filled(), b"seen");
    assert_eq!(read(&mut server, 4).await?, b"seen");
    Ok(())
}

#[tokio::test]
async fn owned_halves_offer_the_calls_of_the_stream() -> io::Result<()> {
    let (client, server) = pair().await?;
    let (mut client_read, client_write) = client.into_split();
    let (_server_read, server_write) = server.into_split();
    assert_eq!(client_read.local_addr()?, server_write.peer_addr()?);
    assert_eq!(client_read.peer_addr()?, server_write.local_addr()?);

    client_write.writable().await?;
    assert!(server_write.ready(Interest::WRITABLE).await?.is_writable());
    assert_eq!(server_write.try_write(b"a")?, 1);
    assert_eq!(server_write.try_write_vectored(&[IoSlice::new(b"b")])?, 1);
    let mut buf = [0; 1];
    assert!(client_read.ready(Interest::READABLE).await?.is_readable());
    assert_eq!(client_read.peek(&mut buf).await?, 1);
    assert_eq!(client_read.try_read(&mut buf)?, 1);
    assert_eq!(&buf, b"a");
    client_read.readable().await?;
    assert_eq!(client_read.try_read_vectored(&mut [IoSliceMut::new(&mut buf)])?, 1);
    assert_eq!(&buf, b"b");
    Ok(())
}

#[cfg(feature = "bytes")]
#[tokio::test]
async fn a_growing_buffer_takes_what_is_there() -> io::Result<()> {
    let (client, mut server) = pair().await?;
    let mut buf = Vec::with_capacity(16);
    server.write_all(b"grow").await?;
    client.readable().await?;
    assert_eq!(client.try_read_buf(&mut buf)?, 4);
    assert_eq!(buf, b"grow");
    Ok(())
}

#[expect(deprecated, reason = "the deprecated setter is part of the API")]
#[tokio::test]
async fn options_are_read_back() -> io::Result<()> {
    let (client, server) = pair().await?;
    client.set_nodelay(true)?;
    assert!(client.nodelay()?);
    client.set_linger(Some(Duration::from_secs(3)))?;
    assert_eq!(client.linger()?, Some(Duration::from_secs(3)));
    client.set_ttl(33)?;
    assert_eq!(client.ttl()?, 33);
    client.set_zero_linger()?;
    drop(client);
    let mut server = server;
    let error = server.read(&mut [0; 1]).await.expect_err("an abortive close");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    Ok(())
}

#[tokio::test]
async fn a_prepared_socket_listens_and_connects_from_the_chosen_address() -> io::Result<()> {
    let any = "127.0.0.1:0".parse().expect("a valid address");
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_keepalive(true)?;
    assert!(socket.reuseaddr()? && socket.keepalive()?);
    socket.bind(any)?;
    let bound = socket.local_addr()?;
    let listener = socket.listen(8)?;
    assert_eq!(listener.local_addr()?, bound);

    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.set_recv_buffer_size(32 * 1024)?;
    socket.set_send_buffer_size(32 * 1024)?;
    assert!(socket.recv_buffer_size()? >= 32 * 1024 && socket.send_buffer_size()? >= 32 * 1024);
    socket.bind(any)?;
    let from = socket.local_addr()?;
    let client = socket.connect(bound).await?;
    assert!(client.nodelay()?);
    assert_eq!(listener.accept().await?.1, from);
    Ok(())
}

#[tokio::test]
async fn names_and_lists_of_addresses_are_tried_in_turn() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let open = listener.local_addr()?;
    let closed = closed_port().await?;

    assert!(lookup_host(("localhost", open.port())).await?.any(|address| address.port() == open.port()));
    TcpStream::connect(("localhost", open.port())).await?;
    TcpStream::connect(format!("127.0.0.1:{}", open.port())).await?;
    TcpStream::connect(&[closed, open][..]).await?;

    let refused = TcpStream::connect(&[closed][..]).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let none: &[SocketAddr] = &[];
    assert_eq!(TcpStream::connect(none).await.expect_err("no address").kind(), ErrorKind::InvalidInput);
    assert_eq!(TcpListener::bind(open).await.expect_err("taken").kind(), ErrorKind::AddrInUse);
    Ok(())
}

#[tokio::test]
async fn streams_and_listeners_are_made_from_tokios_and_turned_back() -> io::Result<()> {
    let listener = TcpListener::from(tokio::net::TcpListener::bind("127.0.0.1:0").await?);
    let client = TcpStream::from(tokio::net::TcpStream::connect(listener.local_addr()?).await?);
    let (server, _) = poll_fn(|cx| listener.poll_accept(cx)).await?;

    let mut client = tokio::net::TcpStream::try_from(client)?;
    let mut server = TcpStream::from_std(server.into_std()?)?;
    client.write_all(b"round").await?;
    assert_eq!(read(&mut server, 5).await?, b"round");

    let listener = TcpListener::try_from(listener.into_std()?)?;
    let listener = tokio::net::TcpListener::try_from(listener)?;
    assert_ne!(listener.local_addr()?.port(), 0);
    Ok(())
}

#[test]
fn every_type_can_move_between_threads_and_be_printed() {
    fn check<T: Send + Sync + Unpin + std::fmt::Debug>() {}
    check::<TcpStream>();
    check::<TcpListener>();
    check::<TcpSocket>();
    check::<ReadHalf<'_>>();
    check::<WriteHalf<'_>>();
    check::<OwnedReadHalf>();
    check::<OwnedWriteHalf>();
    fn check_future<F: Send>(_: &F) {}
    check_future(&TcpStream::connect("localhost:1"));
    check_future(&TcpListener::bind("localhost:1"));
}

#[cfg(not(feature = "sim"))]
#[test]
fn a_production_build_has_types_of_tokios_size() {
    assert_eq!(size_of::<TcpStream>(), size_of::<tokio::net::TcpStream>());
    assert_eq!(size_of::<TcpListener>(), size_of::<tokio::net::TcpListener>());
    assert_eq!(size_of::<TcpSocket>(), size_of::<tokio::net::TcpSocket>());
    assert_eq!(size_of::<ReadHalf<'_>>(), size_of::<tokio::net::tcp::ReadHalf<'_>>());
    assert_eq!(size_of::<WriteHalf<'_>>(), size_of::<tokio::net::tcp::WriteHalf<'_>>());
    assert_eq!(size_of::<OwnedReadHalf>(), size_of::<tokio::net::tcp::OwnedReadHalf>());
    assert_eq!(size_of::<OwnedWriteHalf>(), size_of::<tokio::net::tcp::OwnedWriteHalf>());
}

/// A connected client and server.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

async fn read(from: &mut (impl AsyncReadExt + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// An address on which somebody listened a moment ago.
async fn closed_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").await?.local_addr()
}
