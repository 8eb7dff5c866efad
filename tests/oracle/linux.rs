//! What only Linux's sockets can do: hear nothing, by a filter that lets no packet in.

use std::io;
use std::sync::OnceLock;

use halfopen_net::TcpStream;
use socket2::{SockFilter, Socket};

/// The classic BPF instruction that returns a constant: how much of a packet is let in.
const RETURN: u16 = 0x06;

/// A second handle of a real stream, through which it is made deaf: what arrives is neither acknowledged nor read. The
/// stream is closed when both handles are gone.
pub(crate) struct Ears(Socket);

impl Ears {
    /// A real stream and its ears.
    pub(crate) fn of(stream: TcpStream) -> (TcpStream, Self) {
        let stream = stream.into_std().expect("the stream is real");
        let ears = Self(Socket::from(stream.try_clone().expect("a descriptor is free")));
        (TcpStream::from_std(stream).expect("the runtime takes it back"), ears)
    }

    /// From now on nothing is heard.
    ///
    /// # Errors
    /// If it is not allowed.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.0.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
    }

    /// Hears again.
    ///
    /// # Errors
    /// If there is nothing to end.
    pub(crate) fn open(&self) -> io::Result<()> {
        self.0.detach_filter()
    }
}

/// Whether this machine lets a process make its own sockets deaf; why not, if not.
pub(crate) fn are_filters_allowed() -> Result<(), String> {
    static ALLOWED: OnceLock<Result<(), String>> = OnceLock::new();
    let try_it = || {
        let socket = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        Ears(socket).close()
    };
    ALLOWED.get_or_init(|| try_it().map_err(|error| error.to_string())).clone()
}
