//! From `socket(2)` to `close(2)`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Call, Descriptor, Errno, File, Kind, Settings};
use crate::fabric::Socket;
use crate::sim::calls::Pause;

/// The most that a listener may ask for (`net.core.somaxconn`).
const LARGEST_BACKLOG: u32 = 4096;

/// The addresses that a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

impl Family {
    /// Any address and port.
    fn unspecified(self) -> SocketAddr {
        let any = match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        SocketAddr::new(any, 0)
    }

    fn check(self, address: SocketAddr) -> Result<(), Errno> {
        if address.is_ipv6() == (self == Self::V6) { Ok(()) } else { Err(Errno::OTHER_FAMILY) }
    }
}

/// What `shutdown(2)` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// `SHUT_RD`.
    Read,
    /// `SHUT_WR`.
    Write,
    /// `SHUT_RDWR`.
    Both,
}

impl Call<'_> {
    /// `socket(2)`, of TCP.
    pub(crate) fn socket(&mut self, family: Family, is_nonblocking: bool) -> Result<Descriptor, Errno> {
        self.life()?;
        let file = File::new(Kind::Unconnected { bound: None }, family, is_nonblocking, Settings::default());
        self.kernel.add(file).map(|(descriptor, _)| descriptor)
    }

    /// `bind(2)`.
    pub(crate) fn bind(&mut self, socket: Descriptor, address: SocketAddr) -> Result<(), Errno> {
        let (life, is_over) = self.life()?;
        let (_, file) = self.file(socket)?;
        if file.kind != (Kind::Unconnected { bound: None }) {
            return Err(Errno::INVALID);
        }
        file.family().check(address)?;
        let reuse = file.settings.tcp().reuse_address;
        if is_over {
            file.kind = Kind::Unconnected { bound: Some(address) };
            return Ok(());
        }
        let host = self.network.hosts.life(life).host;
        let bound = Some(self.network.fabric.bind(host, address, reuse)?);
        self.file(socket)?.1.kind = Kind::Unconnected { bound };
        Ok(())
    }

    /// `listen(2)`.
    pub(crate) fn listen(&mut self, socket: Descriptor, backlog: i32) -> Result<(), Errno> {
        let (life, is_over) = self.life()?;
        let (index, file) = self.file(socket)?;
        let Kind::Unconnected { bound } = file.kind else { return Err(Errno::INVALID) };
        let (address, options) = (bound.unwrap_or(file.family().unspecified()), file.settings.tcp());
        if is_over {
            // A dead process hears nothing.
            self.file(socket)?.1.kind = Kind::Nowhere;
            return Ok(());
        }
        // A negative number is a large one to Linux.
        let backlog = u32::try_from(backlog).unwrap_or(LARGEST_BACKLOG);
        let host = self.network.hosts.life(life).host;
        let number = self.network.fabric.listen(host, life, address, backlog, options)?;
        self.network.waiting.set_listener_file(number, Some(index));
        self.file(socket)?.1.kind = Kind::Listener(number);
        Ok(())
    }

    /// `accept4(2)`: the connection and its peer.
    pub(crate) fn accept(
        &mut self,
        socket: Descriptor,
        is_nonblocking: bool,
    ) -> Result<(Descriptor, SocketAddr), Errno> {
        let (_, file) = self.file(socket)?;
        let number = match file.kind {
            Kind::Listener(number) => number,
            Kind::Nowhere => return Err(Errno::AGAIN),
            Kind::Unconnected { .. } | Kind::Stream(_) => return Err(Errno::INVALID),
        };
        let (family, settings, waits) = (file.family(), file.settings, !file.is_nonblocking);
        let life = self.network.fabric.listener(number).life;
        let is_over = self.network.hosts.life(life).state.is_over();
        if !is_over && let Some(error) = self.network.fabric.armed_accept_error(number) {
            return Err(error.into());
        }
        let accepted = if is_over { None } else { self.network.fabric.accept(number) };
        let Some((stream, peer)) = accepted else {
            if waits {
                self.kernel.blocks("accept on a socket that blocks");
            }
            return Err(Errno::AGAIN);
        };
        let (descriptor, index) =
            self.kernel.add(File::new(Kind::Stream(stream), family, is_nonblocking, settings)).inspect_err(|_| {
                // As on Linux the connection is lost with the descriptor that it cannot have.
                self.network.fabric.close(stream);
            })?;
        self.network.waiting.set_file(stream, Some(index));
        Ok((descriptor, peer))
    }

    /// `connect(2)`.
    pub(crate) fn connect(&mut self, socket: Descriptor, to: SocketAddr) -> Result<(), Errno> {
        let (life, is_over) = self.life()?;
        let (index, file) = self.file(socket)?;
        let bound = match file.kind {
            Kind::Unconnected { bound } => bound,
            Kind::Stream(stream) if file.is_connecting => return self.connect_again(socket, stream),
            Kind::Stream(_) => return Err(Errno::IS_CONNECTED),
            Kind::Listener(_) => return Err(Errno::IS_CONNECTED),
            Kind::Nowhere => return Err(Errno::ALREADY),
        };
        file.family().check(to)?;
        let options = file.settings.tcp();
        if !file.is_nonblocking {
            self.kernel.blocks("connect on a socket that blocks");
            return Err(Errno::ACCESS);
        }
        if is_over {
            self.file(socket)?.1.kind = Kind::Nowhere;
            return Err(Errno::IN_PROGRESS);
        }
        let host = self.network.hosts.life(life).host;
        let stream = self.network.fabric.open(host, life, to, bound, options)?;
        self.network.waiting.set_file(stream, Some(index));
        self.network.fabric.await_connected(stream);
        let (_, file) = self.file(socket)?;
        file.kind = Kind::Stream(stream);
        file.is_connecting = true;
        Err(Errno::IN_PROGRESS)
    }

    fn connect_again(&mut self, socket: Descriptor, stream: Socket) -> Result<(), Errno> {
        if self.network.is_dead(stream) {
            return Err(Errno::ALREADY);
        }
        let ended = self.network.fabric.connected(stream).ok_or(Errno::ALREADY)?;
        self.file(socket)?.1.is_connecting = false;
        Ok(ended?)
    }

    /// `shutdown(2)`.
    pub(crate) fn shutdown(&mut self, socket: Descriptor, half: Half) -> Result<(), Errno> {
        let (index, file) = self.file(socket)?;
        let Kind::Stream(stream) = file.kind else { return Err(Errno::NOT_CONNECTED) };
        if half != Half::Write {
            file.is_read_shut = true;
        }
        if half != Half::Read {
            let is_connected = self.network.fabric.is_connected(stream);
            match self.network.shutdown_now(stream) {
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(())) if !is_connected => return Err(Errno::NOT_CONNECTED),
                Ok(Ok(())) | Err(Pause::Blocked | Pause::Yield | Pause::Silence) => {}
            }
            self.network.fabric.end_call(stream);
        }
        self.network.waiting.ready_files.push(index);
        Ok(())
    }

    /// `close(2)`. With its last descriptor the socket is closed.
    pub(crate) fn close(&mut self, descriptor: Descriptor) -> Result<(), Errno> {
        let index = match self.kernel.descriptors.remove(descriptor) {
            Ok(index) => index,
            Err(super::Unknown::Closed) => return Err(Errno::BAD_DESCRIPTOR),
            // What is left of an earlier run may be dropped anywhere.
            Err(super::Unknown::Foreign) => return Ok(()),
        };
        let slot = &mut self.kernel.files[index.0 as usize];
        let Some(file) = slot else { return Err(Errno::BAD_DESCRIPTOR) };
        file.descriptors -= 1;
        if file.descriptors > 0 {
            return Ok(());
        }
        let kind = file.kind;
        *slot = None;
        self.kernel.open -= 1;
        match kind {
            Kind::Stream(stream) => {
                self.network.waiting.set_file(stream, None);
                self.network.fabric.close(stream);
            }
            Kind::Listener(number) => {
                self.network.waiting.set_listener_file(number, None);
                self.network.fabric.close_listener(number);
            }
            Kind::Unconnected { .. } | Kind::Nowhere => {}
        }
        Ok(())
    }

    /// `dup(2)`.
    pub(crate) fn duplicate(&mut self, descriptor: Descriptor) -> Result<Descriptor, Errno> {
        let (index, _) = self.file(descriptor)?;
        let second = self.kernel.descriptors.insert(index)?;
        self.file(descriptor)?.1.descriptors += 1;
        Ok(second)
    }

    /// Whether its calls wait (`O_NONBLOCK`).
    pub(crate) fn is_nonblocking(&mut self, socket: Descriptor) -> Result<bool, Errno> {
        Ok(self.file(socket)?.1.is_nonblocking)
    }

    /// Its calls wait from now on, or do not.
    pub(crate) fn set_nonblocking(&mut self, socket: Descriptor, on: bool) -> Result<(), Errno> {
        self.file(socket)?.1.is_nonblocking = on;
        Ok(())
    }

    /// `getsockname(2)`.
    pub(crate) fn local_address(&mut self, socket: Descriptor) -> Result<SocketAddr, Errno> {
        let (_, file) = self.file(socket)?;
        let unspecified = file.family().unspecified();
        Ok(match file.kind {
            Kind::Unconnected { bound } => bound.unwrap_or(unspecified),
            Kind::Listener(number) => self.network.fabric.listener(number).address,
            Kind::Stream(stream) => self.network.fabric.addresses(stream).0,
            Kind::Nowhere => unspecified,
        })
    }

    /// `getpeername(2)`.
    pub(crate) fn peer_address(&mut self, socket: Descriptor) -> Result<SocketAddr, Errno> {
        let (_, file) = self.file(socket)?;
        let kind = file.kind;
        match kind {
            Kind::Stream(stream) if self.network.fabric.is_connected(stream) => {
                Ok(self.network.fabric.addresses(stream).1)
            }
            Kind::Stream(_) | Kind::Unconnected { .. } | Kind::Listener(_) | Kind::Nowhere => Err(Errno::NOT_CONNECTED),
        }
    }
}
