//! The simulated types of a build that cannot be simulated: none has a value, so no method has a body to run.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Deref;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{Interest, ReadBuf, Ready};

#[cfg(feature = "socket2")]
use crate::keepalive::Keepalive;
use crate::socket::TcpSocket;
use crate::stream::TcpStream;
use crate::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// No simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SimulationHandle {}

/// No socket.
#[derive(Debug)]
pub(crate) enum Handle {}

/// No shared socket.
#[derive(Clone, Debug)]
pub(crate) enum Shared {}

/// No borrowed socket.
#[derive(Debug)]
pub(crate) struct Borrowed<'a>(Infallible, PhantomData<&'a Handle>);

/// No unconnected socket.
#[derive(Debug)]
pub(crate) enum Socket {}

/// Methods of a type that has no value.
macro_rules! never {
    ($type:ident: $($name:ident(&$self:ident $(, $argument:ty)*) $(-> $answer:ty)?;)*) => {
        impl $type {$(
            pub(crate) fn $name(&$self $(, _: $argument)*) $(-> $answer)? {
                match *$self {}
            }
        )*}
    };
}

never! { SimulationHandle:
    refuse(&self, &'static str, &'static str) -> io::Error;
    report(&self, &'static str, &'static str);
}

impl SimulationHandle {
    pub(crate) async fn resolve(self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        match self {}
    }
}

never! { Handle:
    borrow(&self) -> Borrowed<'_>;
    poll_accept(&self, &mut Context<'_>) -> Poll<io::Result<(Handle, SocketAddr)>>;
    poll_read(&self, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
    poll_peek(&self, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<usize>>;
    poll_write(&self, &mut Context<'_>, &[u8]) -> Poll<io::Result<usize>>;
    poll_write_vectored(&self, &mut Context<'_>, &[io::IoSlice<'_>]) -> Poll<io::Result<usize>>;
    poll_flush(&self, &mut Context<'_>) -> Poll<io::Result<()>>;
    poll_shutdown(&self, &mut Context<'_>) -> Poll<io::Result<()>>;
    begin_shutdown(&self);
    poll_read_ready(&self, &mut Context<'_>) -> Poll<io::Result<()>>;
    poll_write_ready(&self, &mut Context<'_>) -> Poll<io::Result<()>>;
    poll_interest(&self, Interest, &mut Context<'_>) -> Poll<io::Result<Ready>>;
    try_read(&self, &mut [u8]) -> io::Result<usize>;
    try_read_vectored(&self, &mut [io::IoSliceMut<'_>]) -> io::Result<usize>;
    try_write(&self, &[u8]) -> io::Result<usize>;
    try_write_vectored(&self, &[io::IoSlice<'_>]) -> io::Result<usize>;
    local_addr(&self) -> io::Result<SocketAddr>;
    peer_addr(&self) -> io::Result<SocketAddr>;
    take_error(&self) -> io::Result<Option<io::Error>>;
    nodelay(&self) -> io::Result<bool>;
    set_nodelay(&self, bool) -> io::Result<()>;
    linger(&self) -> io::Result<Option<Duration>>;
    set_linger(&self, Option<Duration>) -> io::Result<()>;
    ttl(&self) -> io::Result<u32>;
    set_ttl(&self, u32) -> io::Result<()>;
    refuse(&self, &'static str, &'static str) -> io::Error;
    unsupported(&self, &'static str) -> io::Error;
}

#[cfg(feature = "socket2")]
never! { Handle:
    set_keepalive(&self, Option<Keepalive>) -> io::Result<()>;
    set_user_timeout(&self, Option<Duration>) -> io::Result<()>;
}

never! { Socket:
    bind(&self, SocketAddr) -> io::Result<()>;
    local_addr(&self) -> io::Result<SocketAddr>;
    nodelay(&self) -> io::Result<bool>;
    set_nodelay(&self, bool) -> io::Result<()>;
    linger(&self) -> io::Result<Option<Duration>>;
    set_linger(&self, Option<Duration>) -> io::Result<()>;
    reuseaddr(&self) -> io::Result<bool>;
    set_reuseaddr(&self, bool) -> io::Result<()>;
    reuseport(&self) -> io::Result<bool>;
    set_reuseport(&self, bool) -> io::Result<()>;
    keepalive(&self) -> io::Result<bool>;
    set_keepalive(&self, bool) -> io::Result<()>;
    recv_buffer_size(&self) -> io::Result<u32>;
    set_recv_buffer_size(&self, u32) -> io::Result<()>;
    send_buffer_size(&self) -> io::Result<u32>;
    set_send_buffer_size(&self, u32) -> io::Result<()>;
    unsupported(&self, &'static str) -> io::Error;
}

impl SimulationHandle {
    /// Always `None`: the branch for `Some` is removed.
    pub(crate) fn current() -> Option<Self> {
        None
    }

    pub(crate) async fn bind(self, _: SocketAddr) -> io::Result<Handle> {
        match self {}
    }

    pub(crate) async fn connect(self, _: SocketAddr) -> io::Result<Handle> {
        match self {}
    }
}

impl Handle {
    pub(crate) fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self {}
    }
}

impl Shared {
    pub(crate) fn is_same(&self, _: &Self) -> bool {
        match *self {}
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        match self {}
    }
}

impl Deref for Shared {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        match *self {}
    }
}

impl Deref for Borrowed<'_> {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        match self.0 {}
    }
}

impl Socket {
    pub(crate) fn v4(network: SimulationHandle) -> TcpSocket {
        match network {}
    }

    pub(crate) fn v6(network: SimulationHandle) -> TcpSocket {
        match network {}
    }

    pub(crate) async fn connect(self, _: SocketAddr) -> io::Result<Handle> {
        match self {}
    }

    pub(crate) fn listen(self, _: u32) -> io::Result<Handle> {
        match self {}
    }
}
