//! Programs of sockets that all live on one machine, on Linux and in the simulation: where listeners are, who reaches them,
//! which addresses are taken, and what calls answer besides data.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use halfopen::Catalogue;
use halfopen::Scenario;
use halfopen::internals::HostSpec;
use halfopen_net::{TcpListener, TcpSocket, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::backend::{self, Backend};

type Playing = Pin<Box<dyn Future<Output = ()>>>;
/// What is played on the simulation and on Linux.
type Program = fn(Backend) -> Playing;

/// Each by its name.
const PROGRAMS: [(&str, Program); 12] = [
    ("listeners", |backend| Box::pin(listeners(backend))),
    ("neighbours", |backend| Box::pin(neighbours(backend))),
    ("four_tuple", |backend| Box::pin(four_tuple(backend))),
    ("time_wait", |backend| Box::pin(time_wait(backend))),
    ("rebinding", |backend| Box::pin(rebinding(backend))),
    ("sources", |backend| Box::pin(sources(backend))),
    ("backlogs", |backend| Box::pin(backlogs(backend))),
    ("peeking", |backend| Box::pin(peeking(backend))),
    ("nothing_at_all", |backend| Box::pin(nothing_at_all(backend))),
    ("vectors", |backend| Box::pin(vectors(backend))),
    ("both_closed", |backend| Box::pin(both_closed(backend))),
    ("pending_errors", |backend| Box::pin(pending_errors(backend))),
];

#[test]
fn sockets_of_one_machine_answer_in_the_simulation_as_on_linux() {
    let mut differ = Vec::new();
    for (name, program) in PROGRAMS {
        let linux = backend::linux(program);
        let simulated = in_the_simulation(name, program);
        assert!(linux.len() > 3, "{name} says what it sees: {linux:?}");
        if simulated != linux {
            let pairs = simulated.iter().zip(&linux).filter(|(simulated, linux)| simulated != linux);
            let first = pairs.map(|(simulated, linux)| format!("{simulated} (Linux: {linux})")).collect::<Vec<_>>();
            differ.push(format!("{name}: {first:#?}, {} lines and {}", simulated.len(), linux.len()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

fn in_the_simulation(name: &str, program: fn(Backend) -> Playing) -> Vec<String> {
    let catalogue = Catalogue::new("", "").actor("machine", move |cx| async move {
        program(Backend::simulated(cx)).await;
        Ok(())
    });
    let mut scenario = Scenario::new(format!("facts_{name}"), "sockets answer as on Linux")
        .with_host(HostSpec::actor("machine", "machine"));
    scenario.network.interleaved = false;
    backend::simulation(&catalogue, scenario, Vec::new(), 1)
}

/// Where a listener says that it is, and who reaches it by what.
async fn listeners(backend: Backend) {
    for at in ["127.0.0.1:0", "0.0.0.0:0", "127.0.0.2:0", "[::1]:0", "[::]:0", "localhost:0"] {
        let listener = match TcpListener::bind(at).await {
            Ok(listener) => listener,
            Err(error) => {
                backend.say(format!("{at}: {:?}", error.kind()));
                continue;
            }
        };
        let own = listener.local_addr().expect("a listener has an address");
        backend.say(format!("{at} is {}, loopback: {}", own.ip(), own.ip().is_loopback()));
        for by in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
            let to = SocketAddr::new(by.parse().expect("an address"), own.port());
            match TcpStream::connect(to).await {
                Err(error) => backend.say(format!("{at} by {by}: {:?}", error.kind())),
                Ok(client) => {
                    let (server, peer) = listener.accept().await.expect("a connection waits");
                    let ends = [client.local_addr(), client.peer_addr(), server.local_addr(), server.peer_addr()];
                    let ends = ends.map(|end| end.map(|end| end.ip().to_string()).map_err(|error| error.kind()));
                    backend.say(format!("{at} by {by}: {ends:?}, accepted {}", peer.ip()));
                }
            }
        }
    }
}

/// Which addresses of one port get in each other's way.
async fn neighbours(backend: Backend) {
    let places = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"];
    for one in places {
        let first = TcpListener::bind(SocketAddr::new(one.parse().expect("an address"), 0)).await.expect("a port");
        let port = first.local_addr().expect("a listener has an address").port();
        for other in places {
            let second = TcpListener::bind(SocketAddr::new(other.parse().expect("an address"), port)).await;
            backend.say(format!("{one}, then {other}: {}", word(second.map(drop))));
        }
    }
    for foreign in ["203.0.113.7:0", "[2001:db8::7]:0"] {
        backend.say(format!("{foreign}: {}", word(TcpListener::bind(foreign).await.map(drop))));
    }
    backend.say(format!("nobody: {}", word(TcpStream::connect(("127.0.0.1", free_port().await)).await.map(drop))));
    backend.say(format!("nobody: {}", word(TcpStream::connect(("::1", free_port().await)).await.map(drop))));
}

/// The same two addresses twice.
async fn four_tuple(backend: Backend) {
    let one = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let other = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let to = |listener: &TcpListener| local(listener.local_addr().expect("a listener has an address").port());
    for reuse in [true, false] {
        let from = local(free_port().await);
        let mut streams = Vec::new();
        for to in [to(&one), to(&one), to(&other)] {
            let connected = connect(from, to, reuse).await;
            backend.say(format!("reuse {reuse}: {}", word(connected.map(|stream| streams.push(stream)))));
        }
    }
    backend.say(format!("a listener's: {}", word(connect(to(&one), to(&other), true).await.map(drop))));
}

/// What stays of a connection at the end that closed it first, and not at the other.
async fn time_wait(backend: Backend) {
    for (client_first, reuse) in [(true, true), (true, false), (false, true), (false, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("a listener has an address");
        let from = local(free_port().await);
        let client = connect(from, to, reuse).await.expect("nobody has that port");
        let (server, _) = listener.accept().await.expect("a connection waits");
        let (first, second) = if client_first { (client, server) } else { (server, client) };
        drop(first);
        backend.settle().await;
        drop(second);
        // Linux counts whole seconds here.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let again = connect(from, to, reuse).await;
        backend.say(format!("client first {client_first}, reuse {reuse}: {}", word(again.map(drop))));
    }
}

/// A port that was a listener's, with and without connections of its.
async fn rebinding(backend: Backend) {
    for connected in [false, true] {
        for (reuse, again) in [(true, true), (true, false), (false, true), (false, false)] {
            let first = listen(local(0), reuse).expect("a port");
            let at = first.local_addr().expect("a listener has an address");
            let mut streams = Vec::new();
            if connected {
                streams.push(TcpStream::connect(at).await.expect("somebody listens"));
                streams.push(first.accept().await.expect("a connection waits").0);
            }
            backend.say(format!("while it listens: {}", word(listen(at, again).map(drop))));
            drop(first);
            backend.settle().await;
            let second = word(listen(at, again).map(drop));
            backend.say(format!("connected {connected}, reuse {reuse}, then {again}: {second}"));
        }
    }
}

/// Where a connection comes from.
async fn sources(backend: Backend) {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let port = listener.local_addr().expect("a listener has an address").port();
    for from in ["127.0.0.1:0", "127.0.0.5:0", "0.0.0.0:0", "203.0.113.7:0"] {
        let stream = connect(from.parse().expect("an address"), local(port), false).await;
        match stream {
            Err(error) => backend.say(format!("from {from}: {:?}", error.kind())),
            Ok(_stream) => {
                let (_, peer) = listener.accept().await.expect("a connection waits");
                backend.say(format!("from {from}: {}", peer.ip()));
            }
        }
    }
}

/// How many connections wait without an `accept`.
async fn backlogs(backend: Backend) {
    for backlog in [0, 1, 2, 5] {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(local(0)).expect("a port");
        let listener = socket.listen(backlog).expect("a port");
        let at = listener.local_addr().expect("a listener has an address");
        let mut streams = Vec::new();
        while streams.len() < 10
            && let Ok(Ok(stream)) = timeout(Duration::from_millis(300), TcpStream::connect(at)).await
        {
            streams.push(stream);
        }
        backend.say(format!("backlog {backlog}: {}", streams.len()));
    }
}

async fn peeking(backend: Backend) {
    let (mut client, mut server) = pair().await;
    client.set_nodelay(true).expect("a socket takes TCP_NODELAY");
    let mut buf = [0; 16];
    let nothing = timeout(Duration::from_millis(100), server.peek(&mut buf)).await;
    backend.say(format!("nothing: {}", nothing.is_err()));
    for piece in [&b"P"[..], b"ROXY ", b"TCP4"] {
        client.write_all(piece).await.expect("the peer lives");
        backend.settle().await;
        for most in [1, 3, 6, 16] {
            let peeked = server.peek(&mut buf[..most]).await;
            backend
                .say(format!("peek {most}: {}", word(peeked.map(|n| String::from_utf8_lossy(&buf[..n]).into_owned()))));
        }
    }
    backend.say(format!("read: {}", word(server.read(&mut buf[..4]).await)));
    backend.say(format!("peek: {}", word(server.peek(&mut buf).await)));
    client.shutdown().await.expect("the peer lives");
    backend.settle().await;
    backend.say(format!("peek before the end: {}", word(server.peek(&mut buf).await)));
    backend.say(format!("read: {}", word(server.read(&mut buf).await)));
    backend.say(format!("peek at the end: {}", word(server.peek(&mut buf).await)));
    let (client, server) = pair().await;
    client.set_zero_linger().expect("a socket takes SO_LINGER");
    drop(client);
    backend.settle().await;
    backend.say(format!("peek after a reset: {}", word(server.peek(&mut buf).await)));
    backend.say(format!("peek again: {}", word(server.peek(&mut buf).await)));
}

/// Calls about no bytes.
async fn nothing_at_all(backend: Backend) {
    let short = Duration::from_millis(100);
    let (mut client, mut server) = pair().await;
    backend.say(format!("write: {}", word(client.write(b"").await)));
    backend.say(format!("try_write: {}", word(client.try_write(b""))));
    backend.say(format!("read: {}", pending(timeout(short, server.read(&mut [])).await)));
    client.write_all(b"x").await.expect("the peer lives");
    backend.settle().await;
    backend.say(format!("read of something: {}", pending(timeout(short, server.read(&mut [])).await)));
    server.readable().await.expect("the peer lives");
    backend.say(format!("try_read of something: {}", word(server.try_read(&mut []))));
    backend.say(format!("peek of something: {}", word(server.peek(&mut []).await)));
    backend.say(format!("read: {}", word(server.read(&mut [0; 9]).await)));
    client.shutdown().await.expect("the peer lives");
    backend.settle().await;
    backend.say(format!("write after a shutdown: {}", word(client.write(b"").await)));
    backend.say(format!("read at the end: {}", word(server.read(&mut []).await)));
    server.set_zero_linger().expect("a socket takes SO_LINGER");
    drop(server);
    backend.settle().await;
    backend.say(format!("write after a reset: {}", word(client.write(b"").await)));
    let (mut client, _server) = pair().await;
    let full = vec![0; 64 * 1024];
    while timeout(short, client.write(&full)).await.is_ok() {}
    backend.say(format!("write into a full buffer: {}", pending(timeout(short, client.write(b"")).await)));
    backend.say(format!("try_write: {}", word(client.try_write(b""))));
}

async fn vectors(backend: Backend) {
    let (mut client, server) = pair().await;
    client.set_nodelay(true).expect("a socket takes TCP_NODELAY");
    let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cdefg")];
    backend.say(format!("write: {}", word(client.write_vectored(&parts).await)));
    backend.settle().await;
    client.write_all(b"hij").await.expect("the peer lives");
    backend.settle().await;
    for lengths in [[3, 0, 4], [1, 1, 9]] {
        server.readable().await.expect("the peer lives");
        let mut bufs = lengths.map(|length| vec![b'.'; length]);
        let mut slices: Vec<_> = bufs.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
        let read = server.try_read_vectored(&mut slices);
        let seen = bufs.map(|buf| String::from_utf8_lossy(&buf).into_owned());
        backend.say(format!("read into {lengths:?}: {} {seen:?}", word(read)));
    }
    let mut buf = [0; 4];
    backend.say(format!("nothing more: {}", word(server.try_read_vectored(&mut [IoSliceMut::new(&mut buf)]))));
    client.write_all(b"k").await.expect("the peer lives");
    client.set_zero_linger().expect("a socket takes SO_LINGER");
    backend.settle().await;
    drop(client);
    backend.settle().await;
    for _ in 0..3 {
        let (one, other) = buf.split_at_mut(1);
        let read = server.try_read_vectored(&mut [IoSliceMut::new(one), IoSliceMut::new(other)]);
        backend.say(format!("read before and after a reset: {}", word(read)));
    }
}

/// Who knows its peer when both have closed.
async fn both_closed(backend: Backend) {
    let (mut client, mut server) = pair().await;
    let say = |when: &str, client: &TcpStream, server: &TcpStream| {
        let known = [client.peer_addr(), server.peer_addr(), client.local_addr(), server.local_addr()];
        backend.say(format!("{when}: {:?}", known.map(|known| word(known.map(|known| known.ip())))));
    };
    say("open", &client, &server);
    client.shutdown().await.expect("the peer lives");
    backend.settle().await;
    say("half closed", &client, &server);
    server.shutdown().await.expect("the peer lives");
    backend.settle().await;
    say("closed", &client, &server);
    backend.say(format!("read: {}", word(client.read(&mut [0; 9]).await)));
    backend.say(format!("write: {}", word(client.write(b"x").await)));
    backend.say(format!("shut down again: {}", word(client.shutdown().await)));
    let (client, server) = pair().await;
    client.set_zero_linger().expect("a socket takes SO_LINGER");
    drop(client);
    backend.settle().await;
    backend.say(format!("reset: {}", word(server.peer_addr().map(|peer| peer.ip()))));
}

/// `SO_ERROR`, before and after calls that tell of it.
async fn pending_errors(backend: Backend) {
    let taken = |stream: &TcpStream| match stream.take_error() {
        Ok(error) => format!("{:?}", error.map(|error| error.kind())),
        Err(error) => format!("{:?}", error.kind()),
    };
    for (fin_first, order) in [(false, "ter"), (false, "rt"), (false, "wt"), (true, "tr"), (true, "rtw"), (true, "wtr")]
    {
        let (mut client, mut server) = pair().await;
        server.write_all(b"unread").await.expect("the peer lives");
        backend.settle().await;
        backend.say(format!("before: {}", taken(&server)));
        if fin_first {
            client.shutdown().await.expect("the peer lives");
            backend.settle().await;
        }
        // Something unread makes an RST of this.
        drop(client);
        backend.settle().await;
        for call in order.chars() {
            let seen = match call {
                't' => taken(&server),
                'r' => word(server.read(&mut [0; 9]).await),
                'w' => word(server.write(b"x").await),
                _ => word(poll_fn(|cx| server.poll_peek(cx, &mut ReadBuf::new(&mut [0; 9]))).await),
            };
            backend.say(format!("FIN first {fin_first}, {order}: {call} {seen}"));
        }
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("a listener has an address")).await;
    (client.expect("somebody listens"), listener.accept().await.expect("a connection waits").0)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::new([127, 0, 0, 1].into(), port)
}

/// A port without a listener.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("a listener has an address").port()
}

/// Errors of the address may come with the `bind` or, in the simulation, with the call behind it.
async fn connect(from: SocketAddr, to: SocketAddr, reuse: bool) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(reuse)?;
    socket.bind(from)?;
    socket.connect(to).await
}

fn listen(at: SocketAddr, reuse: bool) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(reuse)?;
    socket.bind(at)?;
    socket.listen(8)
}

fn word<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn pending<T: std::fmt::Debug>(waited: Result<io::Result<T>, tokio::time::error::Elapsed>) -> String {
    waited.map_or("pending".to_owned(), word)
}
