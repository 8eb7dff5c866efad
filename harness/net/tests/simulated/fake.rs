//! A network in memory without time or faults that notes every call.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use halfopen_net::engine::{Direction, Engine, Key, SocketOption};
use tokio::io::ReadBuf;

/// The address of the only simulated host.
pub(crate) const HOST: [u8; 4] = [10, 0, 0, 1];

pub(crate) struct Fake {
    run: u64,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    sockets: u64,
    listeners: BTreeMap<u64, Listener>,
    streams: BTreeMap<u64, Stream>,
    accept_errors: VecDeque<io::ErrorKind>,
    never_connects: bool,
    dead: bool,
}

struct Listener {
    address: SocketAddr,
    waiting: VecDeque<(u64, SocketAddr)>,
    acceptor: Option<Waker>,
}

struct Stream {
    local: SocketAddr,
    peer: SocketAddr,
    other: Option<u64>,
    inbox: VecDeque<u8>,
    ended: bool,
    reader: Option<Waker>,
}

impl Fake {
    pub(crate) fn new(run: u64) -> Rc<Self> {
        Rc::new(Self { run, state: RefCell::default() })
    }

    /// The calls since the last time, oldest first.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state.borrow_mut().calls)
    }

    pub(crate) fn fail_accept(&self, kinds: &[io::ErrorKind]) {
        self.state.borrow_mut().accept_errors.extend(kinds);
    }

    pub(crate) fn never_connect(&self) {
        self.state.borrow_mut().never_connects = true;
    }

    pub(crate) fn die(&self) {
        self.state.borrow_mut().dead = true;
    }

    fn note(&self, call: String) {
        self.state.borrow_mut().calls.push(call);
    }

    fn socket(&self, key: Key) -> u64 {
        assert_eq!(key.run, self.run, "the seam asked an engine about another run's socket");
        key.socket
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.sockets += 1;
        self.sockets
    }

    fn stream(&mut self, socket: u64) -> io::Result<&mut Stream> {
        self.streams.get_mut(&socket).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Ends the stream that `socket` writes to.
    fn end_other(&mut self, socket: u64) {
        let other = self.streams.get(&socket).and_then(|stream| stream.other);
        if let Some(stream) = other.and_then(|other| self.streams.get_mut(&other)) {
            stream.ended = true;
            if let Some(reader) = stream.reader.take() {
                reader.wake();
            }
        }
    }
}

impl Engine for Fake {
    fn run(&self) -> u64 {
        self.run
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.note(format!("resolve {host} {port}"));
        match host {
            "chat" => Ok(vec![SocketAddr::from((HOST, port))]),
            _ => Err(io::Error::other(format!("no such name: {host}"))),
        }
    }

    fn poll_bind(
        &self,
        address: SocketAddr,
        backlog: u32,
        options: &[SocketOption],
        _: &mut Context<'_>,
    ) -> Poll<io::Result<Key>> {
        self.note(format!("bind {address} {backlog} {options:?}"));
        let mut state = self.state.borrow_mut();
        if state.dead {
            return Poll::Pending;
        }
        let socket = state.number();
        state.listeners.insert(socket, Listener { address, waiting: VecDeque::new(), acceptor: None });
        Poll::Ready(Ok(Key { run: self.run, socket }))
    }

    fn poll_accept(&self, listener: Key, cx: &mut Context<'_>) -> Poll<io::Result<(Key, SocketAddr)>> {
        let socket = self.socket(listener);
        let mut state = self.state.borrow_mut();
        if let Some(kind) = state.accept_errors.pop_front() {
            state.calls.push(format!("accept {socket} {kind:?}"));
            return Poll::Ready(Err(kind.into()));
        }
        let Some(listener) = state.listeners.get_mut(&socket) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match listener.waiting.pop_front() {
            Some((stream, peer)) => {
                state.calls.push(format!("accept {socket}"));
                Poll::Ready(Ok((Key { run: self.run, socket: stream }, peer)))
            }
            None => {
                listener.acceptor = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn connect(&self, to: SocketAddr, from: Option<SocketAddr>, options: &[SocketOption]) -> io::Result<Key> {
        self.note(format!("connect {to} {from:?} {options:?}"));
        let mut state = self.state.borrow_mut();
        let (client, server) = (state.number(), state.number());
        let local = from.unwrap_or(SocketAddr::from((HOST, 40_000)));
        let listener = state.listeners.values_mut().find(|listener| listener.address.port() == to.port());
        let other = listener.map(|listener| {
            listener.waiting.push_back((server, local));
            if let Some(acceptor) = listener.acceptor.take() {
                acceptor.wake();
            }
            server
        });
        let stream = |local, peer, other| Stream { local, peer, other, inbox: [].into(), ended: false, reader: None };
        state.streams.insert(client, stream(local, to, other));
        if other.is_some() {
            state.streams.insert(server, stream(to, local, Some(client)));
        }
        Ok(Key { run: self.run, socket: client })
    }

    fn poll_connected(&self, stream: Key, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket(stream);
        let mut state = self.state.borrow_mut();
        if state.never_connects {
            return Poll::Pending;
        }
        let refused = state.stream(socket)?.other.is_none();
        Poll::Ready(if refused { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) })
    }

    fn poll_read(&self, stream: Key, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.try_read(stream, buf.initialize_unfilled());
        match length {
            Ok(length) => {
                buf.advance(length);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.state.borrow_mut().stream(stream.socket)?.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_peek(&self, stream: Key, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let socket = self.socket(stream);
        self.note(format!("peek {socket} {}", buf.remaining()));
        let mut state = self.state.borrow_mut();
        let bytes: Vec<u8> = state.stream(socket)?.inbox.iter().copied().take(buf.remaining()).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write(&self, stream: Key, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_write(stream, buf))
    }

    fn poll_flush(&self, stream: Key, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.note(format!("flush {}", self.socket(stream)));
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&self, stream: Key, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket(stream);
        self.note(format!("shutdown {socket}"));
        self.state.borrow_mut().end_other(socket);
        Poll::Ready(Ok(()))
    }

    fn poll_ready(&self, stream: Key, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket(stream);
        self.note(format!("ready {socket} {direction:?}"));
        let mut state = self.state.borrow_mut();
        let stream = state.stream(socket)?;
        match direction {
            Direction::Read if stream.inbox.is_empty() && !stream.ended => {
                stream.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Direction::Read | Direction::Write => Poll::Ready(Ok(())),
        }
    }

    fn try_read(&self, stream: Key, buf: &mut [u8]) -> io::Result<usize> {
        let socket = self.socket(stream);
        self.note(format!("read {socket} {}", buf.len()));
        let mut state = self.state.borrow_mut();
        let stream = state.stream(socket)?;
        if stream.inbox.is_empty() && !stream.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        io::Read::read(&mut stream.inbox, buf)
    }

    fn try_write(&self, stream: Key, buf: &[u8]) -> io::Result<usize> {
        let socket = self.socket(stream);
        self.note(format!("write {socket} {:?}", String::from_utf8_lossy(buf)));
        let mut state = self.state.borrow_mut();
        let other = state.stream(socket)?.other.ok_or(io::ErrorKind::NotConnected)?;
        let other = state.stream(other).map_err(|_| io::ErrorKind::BrokenPipe)?;
        other.inbox.extend(buf);
        if let Some(reader) = other.reader.take() {
            reader.wake();
        }
        Ok(buf.len())
    }

    fn local_addr(&self, socket: Key) -> io::Result<SocketAddr> {
        let socket = self.socket(socket);
        self.note(format!("local_addr {socket}"));
        let mut state = self.state.borrow_mut();
        match state.listeners.get(&socket) {
            Some(listener) => Ok(listener.address),
            None => Ok(state.stream(socket)?.local),
        }
    }

    fn peer_addr(&self, stream: Key) -> io::Result<SocketAddr> {
        let socket = self.socket(stream);
        self.note(format!("peer_addr {socket}"));
        Ok(self.state.borrow_mut().stream(socket)?.peer)
    }

    fn set_option(&self, socket: Key, option: SocketOption) -> io::Result<()> {
        self.note(format!("set_option {} {option:?}", self.socket(socket)));
        match option {
            SocketOption::TimeToLive(_) => Err(io::Error::new(io::ErrorKind::Unsupported, option.name())),
            _ => Ok(()),
        }
    }

    fn take_error(&self, socket: Key) -> io::Result<Option<io::Error>> {
        self.note(format!("take_error {}", self.socket(socket)));
        Ok(Some(io::ErrorKind::ConnectionReset.into()))
    }

    fn close(&self, socket: Key) {
        let socket = self.socket(socket);
        self.note(format!("close {socket}"));
        let mut state = self.state.borrow_mut();
        state.end_other(socket);
        state.streams.remove(&socket);
        state.listeners.remove(&socket);
    }

    fn stray(&self, call: &'static str, _: &'static str) {
        self.note(format!("stray {call}"));
    }
}
