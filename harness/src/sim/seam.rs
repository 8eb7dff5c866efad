//! The simulated network as the types of `halfopen_net` see it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};

use halfopen_net::engine::{Direction, Engine as Seam, Key, Lookup, SocketOption};
use tokio::io::ReadBuf;

use super::engine::Engine;
use super::network::Network;
use super::options;
use crate::fabric::{ConnectionIndex, LifeId, LookedUp, Socket};
use crate::name::Side;
use crate::tcp::Options;

/// The engine as `halfopen_net` is given it.
pub(crate) struct EngineSeam(pub(crate) Rc<Engine>);

/// What a key stands for.
enum Named {
    Stream(Socket),
    Listener(u32),
    /// An attempt of a dead incarnation: no SYN is sent, nothing is ever heard.
    Nowhere,
}

const LISTENER_BIT: u64 = 1 << 63;
const NOWHERE: u64 = u64::MAX;

impl EngineSeam {
    fn key(&self, named: Named) -> Key {
        let socket = match named {
            Named::Stream(Socket { connection, side }) => {
                u64::from(connection.0) << 1 | u64::from(side == Side::Server)
            }
            Named::Listener(number) => LISTENER_BIT | u64::from(number),
            Named::Nowhere => NOWHERE,
        };
        Key { run: self.0.run, socket }
    }

    fn named(key: Key) -> Named {
        if key.socket == NOWHERE {
            return Named::Nowhere;
        }
        if key.socket & LISTENER_BIT != 0 {
            return Named::Listener((key.socket & !LISTENER_BIT) as u32);
        }
        let side = if key.socket & 1 == 0 { Side::Client } else { Side::Server };
        Named::Stream(Socket { connection: ConnectionIndex((key.socket >> 1) as u32), side })
    }

    fn stream(key: Key) -> io::Result<Socket> {
        match Self::named(key) {
            Named::Stream(socket) => Ok(socket),
            Named::Listener(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "this key names a listener")),
            Named::Nowhere => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The speaker, if its incarnation is alive; a dead one waits for ever.
    fn speaker(&self) -> Poll<io::Result<LifeId>> {
        let Some(life) = self.0.speaking() else {
            let text = "a socket was asked for outside any host's task (the scenario's own thread has no network)";
            return Poll::Ready(Err(io::Error::other(text)));
        };
        if self.0.network.borrow().hosts.life(life).state.is_over() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(life))
    }

    fn on_stream<T>(
        &self,
        key: Key,
        work: impl FnOnce(&mut Network, Socket) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match Self::stream(key) {
            Ok(socket) => self.0.with_network(|network| {
                let answer = work(network, socket);
                network.fabric.end_call(socket);
                answer
            }),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Seam for EngineSeam {
    fn run(&self) -> u64 {
        self.0.run
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)]);
        }
        let network = self.0.network.borrow();
        match network.fabric.machines.by_name(host) {
            Some(id) => Ok(vec![network.fabric.address_of(id, port)]),
            None => {
                let known: Vec<_> = network.fabric.machines.names().map(|name| name.as_str().to_owned()).collect();
                let text = format!(
                    "failed to lookup address information: no host `{host}` in this scenario (hosts: {})",
                    known.join(", ")
                );
                Err(io::Error::other(text))
            }
        }
    }

    fn lookup(&self, host: &str, port: u16) -> Lookup {
        let struck = self.0.speaking().and_then(|life| {
            self.0.with_network(|network| {
                let asker = network.hosts.life(life).host;
                network.fabric.look_up(asker, host).map(|answer| match answer {
                    LookedUp::Failed { after, error, .. } => Lookup { takes: after, answer: Err(error) },
                    LookedUp::Host(other) => Lookup::at_once(Ok(vec![network.fabric.address_of(other, port)])),
                })
            })
        });
        struck.unwrap_or_else(|| Lookup::at_once(self.resolve(host, port)))
    }

    fn poll_bind(
        &self,
        address: SocketAddr,
        backlog: u32,
        options: &[SocketOption],
        _: &mut Context<'_>,
    ) -> Poll<io::Result<Key>> {
        let options = match options::of(options) {
            Ok(options) => options,
            Err(refused) => return Poll::Ready(Err(refused)),
        };
        let life = match self.speaker() {
            Poll::Ready(Ok(life)) => life,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        let listener = self.0.with_network(|network| {
            let host = network.hosts.life(life).host;
            network.fabric.listen(host, life, address, backlog, options)
        });
        Poll::Ready(listener.map(|number| self.key(Named::Listener(number))))
    }

    fn poll_accept(&self, listener: Key, cx: &mut Context<'_>) -> Poll<io::Result<(Key, SocketAddr)>> {
        let Named::Listener(number) = Self::named(listener) else {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, "this key names a stream")));
        };
        let accepted = self.0.with_network(|network| {
            let life = network.fabric.listener(number).life;
            if network.hosts.life(life).state.is_over() {
                return Poll::Pending;
            }
            if let Some(error) = network.fabric.armed_accept_error(number) {
                return Poll::Ready(Err(error));
            }
            match network.fabric.accept(number) {
                Some(accepted) => Poll::Ready(Ok(accepted)),
                None => {
                    network.waiting.on_listener(number).tasks.register(cx);
                    Poll::Pending
                }
            }
        });
        accepted.map(|result| result.map(|(socket, peer)| (self.key(Named::Stream(socket)), peer)))
    }

    fn connect(&self, to: SocketAddr, from: Option<SocketAddr>, options: &[SocketOption]) -> io::Result<Key> {
        let options = options::of(options)?;
        let life = match self.speaker() {
            Poll::Ready(life) => life?,
            Poll::Pending => return Ok(self.key(Named::Nowhere)),
        };
        let socket = self.0.with_network(|network| {
            let host = network.hosts.life(life).host;
            network.fabric.open(host, life, to, from, options)
        })?;
        Ok(self.key(Named::Stream(socket)))
    }

    fn poll_connected(&self, stream: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Named::Nowhere = Self::named(stream) {
            return Poll::Pending;
        }
        self.on_stream(stream, |network, socket| network.connected(socket, cx))
    }

    fn poll_read(&self, stream: Key, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.on_stream(stream, |network, socket| network.read(socket, buf, Some(cx)))
    }

    fn poll_peek(&self, stream: Key, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let most = buf.remaining();
        self.on_stream(stream, |network, socket| network.peek(socket, most, cx)).map(|result| {
            result.map(|bytes| {
                buf.put_slice(&bytes);
                bytes.len()
            })
        })
    }

    fn poll_write(&self, stream: Key, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.on_stream(stream, |network, socket| network.write(socket, buf, Some(cx)))
    }

    fn poll_flush(&self, stream: Key, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.on_stream(stream, |network, socket| network.flush(socket))
    }

    fn poll_shutdown(&self, stream: Key, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.on_stream(stream, |network, socket| network.shutdown(socket))
    }

    fn poll_ready(&self, stream: Key, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.on_stream(stream, |network, socket| network.ready(socket, direction == Direction::Read, cx))
    }

    fn try_read(&self, stream: Key, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        match self.on_stream(stream, |network, socket| network.read(socket, &mut buf, None)) {
            Poll::Ready(result) => result.map(|()| buf.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn try_write(&self, stream: Key, buf: &[u8]) -> io::Result<usize> {
        match self.on_stream(stream, |network, socket| network.write(socket, buf, None)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn local_addr(&self, socket: Key) -> io::Result<SocketAddr> {
        Ok(match Self::named(socket) {
            Named::Stream(socket) => self.0.network.borrow().fabric.addresses(socket).0,
            Named::Listener(number) => self.0.network.borrow_mut().fabric.listener(number).address,
            Named::Nowhere => return Err(io::ErrorKind::NotConnected.into()),
        })
    }

    fn peer_addr(&self, stream: Key) -> io::Result<SocketAddr> {
        let socket = Self::stream(stream)?;
        let network = self.0.network.borrow();
        if network.fabric.is_connected(socket) {
            Ok(network.fabric.addresses(socket).1)
        } else {
            Err(io::ErrorKind::NotConnected.into())
        }
    }

    fn set_option(&self, socket: Key, option: SocketOption) -> io::Result<()> {
        match Self::named(socket) {
            Named::Stream(socket) => self.0.with_network(|network| network.set_option(socket, option)),
            Named::Listener(number) => {
                self.0.with_network(|network| options::set(&mut network.fabric.listener(number).options, option))
            }
            Named::Nowhere => options::set(&mut Options::default(), option),
        }
    }

    fn take_error(&self, socket: Key) -> io::Result<Option<io::Error>> {
        Ok(match Self::named(socket) {
            Named::Stream(socket) => self.0.network.borrow_mut().fabric.take_error(socket),
            Named::Listener(_) | Named::Nowhere => None,
        })
    }

    fn close(&self, socket: Key) {
        self.0.with_network(|network| match Self::named(socket) {
            Named::Stream(socket) => network.fabric.close(socket),
            Named::Listener(number) => network.fabric.close_listener(number),
            Named::Nowhere => {}
        });
    }

    fn stray(&self, call: &'static str, remedy: &'static str) {
        self.0.shared.stray(call, remedy);
    }
}
