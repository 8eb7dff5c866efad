//! A simulated socket that neither listens nor is connected yet.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::handle::Handle;
use super::network::{SimulationHandle, unsupported};
use super::options::Options;
use crate::engine::SocketOption;
use crate::keepalive::Keepalive;
use crate::socket::TcpSocket;

/// Keeps what it is told until `listen` or `connect` makes a socket of it. There, too, the engine refuses what it cannot
/// honour: an address in use, an option.
pub(crate) struct Socket {
    network: SimulationHandle,
    family: Family,
    draft: Mutex<Draft>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

#[derive(Default)]
struct Draft {
    bound: Option<SocketAddr>,
    options: Options,
}

impl Socket {
    pub(crate) fn v4(network: SimulationHandle) -> TcpSocket {
        TcpSocket::simulated(Self { network, family: Family::V4, draft: Mutex::default() })
    }

    pub(crate) fn v6(network: SimulationHandle) -> TcpSocket {
        TcpSocket::simulated(Self { network, family: Family::V6, draft: Mutex::default() })
    }

    /// Notes the address.
    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.check_family("TcpSocket::bind", address)?;
        let mut draft = self.draft();
        if draft.bound.is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "TcpSocket::bind: the socket is bound already"));
        }
        draft.bound = Some(address);
        Ok(())
    }

    /// The noted address; before `bind` the unspecified one, as Linux answers.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.draft().bound {
            Some(address) if address.port() == 0 => {
                Err(unsupported("TcpSocket::local_addr on port 0 before `listen` or `connect`"))
            }
            Some(address) => Ok(address),
            None => Ok(self.family.unspecified()),
        }
    }

    pub(crate) async fn connect(self, to: SocketAddr) -> io::Result<Handle> {
        self.check_family("TcpSocket::connect", to)?;
        let network = self.network;
        let Draft { bound, options } = self.into_draft();
        network.connect_from(bound, to, options, "TcpSocket::connect").await
    }

    pub(crate) fn listen(self, backlog: u32) -> io::Result<Handle> {
        let engine = self.network.engine("TcpSocket::listen")?;
        let unspecified = self.family.unspecified();
        let Draft { bound, options } = self.into_draft();
        let address = bound.unwrap_or(unspecified);
        // No future, so it cannot wait as `TcpListener::bind` does on a host that has died.
        match engine.poll_bind(address, backlog, options.as_slice(), &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(key) => Ok(Handle::new(key?, options)),
            Poll::Pending => {
                Err(io::Error::new(io::ErrorKind::NetworkDown, "TcpSocket::listen: the simulated host is down"))
            }
        }
    }

    pub(crate) fn nodelay(&self) -> io::Result<bool> {
        Ok(self.draft().options.nodelay())
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::NoDelay(on))
    }

    pub(crate) fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.draft().options.linger())
    }

    pub(crate) fn set_linger(&self, wait: Option<Duration>) -> io::Result<()> {
        self.set(SocketOption::Linger(wait))
    }

    pub(crate) fn reuseaddr(&self) -> io::Result<bool> {
        Ok(self.draft().options.reuse_address())
    }

    pub(crate) fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::ReuseAddress(on))
    }

    pub(crate) fn reuseport(&self) -> io::Result<bool> {
        Ok(self.draft().options.reuse_port())
    }

    pub(crate) fn set_reuseport(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::ReusePort(on))
    }

    pub(crate) fn keepalive(&self) -> io::Result<bool> {
        Ok(self.draft().options.keepalive())
    }

    pub(crate) fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.set(SocketOption::KeepAlive(on.then(Keepalive::default)))
    }

    pub(crate) fn recv_buffer_size(&self) -> io::Result<u32> {
        self.draft()
            .options
            .receive_buffer()
            .ok_or_else(|| unsupported("TcpSocket::recv_buffer_size before it was set"))
    }

    pub(crate) fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.set(SocketOption::ReceiveBuffer(bytes))
    }

    pub(crate) fn send_buffer_size(&self) -> io::Result<u32> {
        self.draft().options.send_buffer().ok_or_else(|| unsupported("TcpSocket::send_buffer_size before it was set"))
    }

    pub(crate) fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.set(SocketOption::SendBuffer(bytes))
    }

    /// The error of an option that has no meaning here.
    pub(crate) fn unsupported(&self, call: &'static str) -> io::Error {
        unsupported(call)
    }

    fn check_family(&self, call: &'static str, address: SocketAddr) -> io::Result<()> {
        if Family::of(address) == self.family {
            return Ok(());
        }
        let reason = format!("{call}: {address} is of the other IP version than the socket");
        Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
    }

    fn set(&self, option: SocketOption) -> io::Result<()> {
        self.draft().options.set(option);
        Ok(())
    }

    fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_draft(self) -> Draft {
        self.draft.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated").field("bound", &self.draft().bound).finish()
    }
}

impl Family {
    fn of(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }

    /// Any address and port of this family.
    fn unspecified(self) -> SocketAddr {
        let any = match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        SocketAddr::new(any, 0)
    }
}
