//! The world's sockets as the types of `halfopen_net` see them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use halfopen_net::engine::{Direction, Engine, Key, SocketOption};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil_net::shim::tokio::net;
use turmoil_net::{HostId, set_current};

use super::world::{self, with};

/// One simulation a thread, so its number never tells two apart.
const RUN: u64 = 1;

/// The engine as `halfopen_net` is given it.
pub(super) struct Sockets;

pub(super) struct Stream {
    host: HostId,
    state: State,
    linger_zero: bool,
}

enum State {
    Connecting(Pin<Box<dyn Future<Output = io::Result<net::TcpStream>>>>),
    Open(net::TcpStream),
    Gone,
}

pub(super) struct Listener {
    host: HostId,
    listener: net::TcpListener,
    linger_zero: bool,
}

/// A socket is dropped against its own kernel, whichever host is running.
impl Drop for Stream {
    fn drop(&mut self) {
        set_current(self.host);
        self.state = State::Gone;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        set_current(self.host);
    }
}

/// Takes a stream out of the world for a call, so that the world is free while the stack works.
fn on_stream<T>(key: Key, call: impl FnOnce(&mut net::TcpStream) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    let Some(mut stream) = with(|world| world.streams.remove(&key.socket)) else {
        return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
    };
    set_current(stream.host);
    let answer = match &mut stream.state {
        State::Open(open) => call(open),
        State::Connecting(_) | State::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
    };
    with(|world| world.streams.insert(key.socket, stream));
    answer
}

fn add(stream: Stream) -> Key {
    with(|world| {
        let socket = world.next_key;
        world.next_key += 1;
        world.streams.insert(socket, stream);
        Key { run: RUN, socket }
    })
}

fn addresses(key: Key) -> io::Result<(SocketAddr, SocketAddr)> {
    let found =
        on_stream(key, |stream| Poll::Ready(stream.local_addr().and_then(|own| Ok((own, stream.peer_addr()?)))));
    match found {
        Poll::Ready(found) => found,
        Poll::Pending => unreachable!("nobody waits for addresses"),
    }
}

fn linger_zero(options: &[SocketOption]) -> bool {
    options.iter().any(|option| matches!(option, SocketOption::Linger(Some(time)) if time.is_zero()))
}

impl Engine for Sockets {
    fn run(&self) -> u64 {
        RUN
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let address = host.parse::<IpAddr>().ok().or_else(|| with(|world| world.address_of(host)));
        address.map(|address| vec![SocketAddr::new(address, port)]).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn poll_bind(
        &self,
        to: SocketAddr,
        _: u32,
        options: &[SocketOption],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Key>> {
        let host = world::speaking();
        set_current(host);
        let to = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), to.port());
        let mut binding = std::pin::pin!(net::TcpListener::bind(to));
        let Poll::Ready(bound) = binding.as_mut().poll(cx) else { return Poll::Pending };
        Poll::Ready(bound.map(|listener| {
            with(|world| {
                let socket = world.next_key;
                world.next_key += 1;
                world.listeners.insert(socket, Listener { host, listener, linger_zero: linger_zero(options) });
                Key { run: RUN, socket }
            })
        }))
    }

    fn poll_accept(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<(Key, SocketAddr)>> {
        let Some(listener) = with(|world| world.listeners.remove(&key.socket)) else { return Poll::Pending };
        set_current(listener.host);
        let accepted = listener.listener.poll_accept(cx);
        let (host, linger_zero) = (listener.host, listener.linger_zero);
        with(|world| world.listeners.insert(key.socket, listener));
        accepted.map_ok(|(stream, peer)| (add(Stream { host, state: State::Open(stream), linger_zero }), peer))
    }

    fn connect(&self, to: SocketAddr, _: Option<SocketAddr>, options: &[SocketOption]) -> io::Result<Key> {
        let host = world::speaking();
        let state = State::Connecting(Box::pin(net::TcpStream::connect(to)));
        Ok(add(Stream { host, state, linger_zero: linger_zero(options) }))
    }

    fn poll_connected(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(mut stream) = with(|world| world.streams.remove(&key.socket)) else { return Poll::Pending };
        set_current(stream.host);
        let connected = match &mut stream.state {
            State::Connecting(attempt) => attempt.as_mut().poll(cx).map_ok(|open| stream.state = State::Open(open)),
            State::Open(_) => Poll::Ready(Ok(())),
            State::Gone => Poll::Pending,
        };
        with(|world| world.streams.insert(key.socket, stream));
        connected
    }

    fn poll_read(&self, key: Key, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_stream(key, |stream| Pin::new(stream).poll_read(cx, buf))
    }

    fn poll_peek(&self, key: Key, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        on_stream(key, |stream| stream.poll_peek(cx, buf))
    }

    fn poll_write(&self, key: Key, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_stream(key, |stream| Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream(key, |stream| Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream(key, |stream| Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_ready(&self, key: Key, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream(key, |stream| match direction {
            Direction::Read => stream.poll_peek(cx, &mut ReadBuf::new(&mut [0])).map_ok(|_| ()),
            // The stack has no readiness for writing; its send buffer is empty whenever packets move.
            Direction::Write => Poll::Ready(Ok(())),
        })
    }

    fn try_read(&self, key: Key, buf: &mut [u8]) -> io::Result<usize> {
        match on_stream(key, |stream| Poll::Ready(stream.try_read(buf))) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn try_write(&self, key: Key, buf: &[u8]) -> io::Result<usize> {
        match on_stream(key, |stream| Poll::Ready(stream.try_write(buf))) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn local_addr(&self, key: Key) -> io::Result<SocketAddr> {
        if let Some(listener) = with(|world| world.listeners.remove(&key.socket)) {
            set_current(listener.host);
            let address = listener.listener.local_addr();
            with(|world| world.listeners.insert(key.socket, listener));
            return address;
        }
        addresses(key).map(|(own, _)| own)
    }

    fn peer_addr(&self, key: Key) -> io::Result<SocketAddr> {
        addresses(key).map(|(_, peer)| peer)
    }

    fn set_option(&self, key: Key, option: SocketOption) -> io::Result<()> {
        match option {
            // Small writes are never held back here.
            SocketOption::NoDelay(_) | SocketOption::ReuseAddress(_) => Ok(()),
            SocketOption::Linger(_) => with(|world| {
                if let Some(stream) = world.streams.get_mut(&key.socket) {
                    stream.linger_zero = linger_zero(&[option]);
                }
                Ok(())
            }),
            other => Err(io::Error::new(io::ErrorKind::Unsupported, format!("{} is not in turmoil-net", other.name()))),
        }
    }

    fn take_error(&self, _: Key) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    fn close(&self, key: Key) {
        let abort = with(|world| world.streams.get(&key.socket).is_some_and(|stream| stream.linger_zero));
        if abort && let Ok((own, peer)) = addresses(key) {
            with(|world| world.abort(own, peer));
        }
        // Dropped outside of the borrow: the stack wakes those who wait.
        let gone = with(|world| (world.streams.remove(&key.socket), world.listeners.remove(&key.socket)));
        drop(gone);
    }

    fn stray(&self, call: &'static str, remedy: &'static str) {
        panic!("{call} left the network: {remedy}");
    }
}
