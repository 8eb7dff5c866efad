//! What can be connected to or bound: addresses, and names that are looked up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::simulated::SimulationHandle;
use sealed::{Destination, Target};

/// What the functions of this crate take as an address: everything that tokio's trait of this name takes.
///
/// A string is `host:port`. A host that is not an IP literal is looked up: by the simulation on this thread, else by
/// the operating system. The trait is sealed.
pub trait ToSocketAddrs: Target {}

/// Looks up the addresses of `host`, which names a port as well.
///
/// # Errors
/// `InvalidInput` when a string has no `:` or no valid port; otherwise what the resolver says.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await.map(Vec::into_iter)
}

/// The addresses behind `target`, in the resolver's order.
pub(crate) async fn resolve<T: ToSocketAddrs>(target: T) -> io::Result<Vec<SocketAddr>> {
    // Reduced to owned data before the first await, so that the future borrows nothing of the caller's type.
    let destination = { target }.destination()?;
    match destination {
        Destination::Addresses(addresses) => Ok(addresses),
        Destination::Name(host, port) => match SimulationHandle::current() {
            Some(network) => network.resolve(&host, port).await,
            None => tokio::net::lookup_host((host, port)).await.map(Iterator::collect),
        },
    }
}

/// The error of a connect or bind whose name has no address.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
}

pub(crate) mod sealed {
    use std::io;
    use std::net::SocketAddr;

    /// An address, taken apart as far as that is possible without asking anybody.
    #[derive(Debug, PartialEq, Eq)]
    pub enum Destination {
        /// No lookup needed.
        Addresses(Vec<SocketAddr>),
        /// A host name and a port.
        Name(String, u16),
    }

    /// Keeps [`super::ToSocketAddrs`] closed.
    pub trait Target {
        /// Takes the address apart.
        fn destination(&self) -> io::Result<Destination>;
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: Target + ?Sized> Target for &T {
    fn destination(&self) -> io::Result<Destination> {
        (**self).destination()
    }
}

/// Types that are one address already.
macro_rules! one_address {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {}

        impl Target for $type {
            fn destination(&self) -> io::Result<Destination> {
                Ok(Destination::Addresses(vec![SocketAddr::from(*self)]))
            }
        }
    )*};
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for &[SocketAddr] {}

impl Target for &[SocketAddr] {
    fn destination(&self) -> io::Result<Destination> {
        Ok(Destination::Addresses(self.to_vec()))
    }
}

impl ToSocketAddrs for str {}

impl Target for str {
    fn destination(&self) -> io::Result<Destination> {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return Ok(Destination::Addresses(vec![address]));
        }
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("invalid {what} in {self:?}"));
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("socket address"))?;
        let port = port.parse().map_err(|_| invalid("port value"))?;
        Ok(Destination::Name(host.to_owned(), port))
    }
}

impl ToSocketAddrs for String {}

impl Target for String {
    fn destination(&self) -> io::Result<Destination> {
        self.as_str().destination()
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl Target for (&str, u16) {
    fn destination(&self) -> io::Result<Destination> {
        let (host, port) = *self;
        Ok(match host.parse::<IpAddr>() {
            Ok(address) => Destination::Addresses(vec![SocketAddr::new(address, port)]),
            Err(_) => Destination::Name(host.to_owned(), port),
        })
    }
}

impl ToSocketAddrs for (String, u16) {}

impl Target for (String, u16) {
    fn destination(&self) -> io::Result<Destination> {
        (self.0.as_str(), self.1).destination()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_any_form_needs_no_lookup() {
        let v4: SocketAddr = "127.0.0.1:80".parse().expect("a valid address");
        let v6: SocketAddr = "[::1]:80".parse().expect("a valid address");
        assert_eq!(addresses("127.0.0.1:80"), [v4]);
        assert_eq!(addresses("[::1]:80"), [v6]);
        assert_eq!(addresses("127.0.0.1:80".to_owned()), [v4]);
        assert_eq!(addresses(v4), [v4]);
        let borrowed: &SocketAddr = &v6;
        assert_eq!(addresses(borrowed), [v6]);
        assert_eq!(addresses(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)), [v4]);
        assert_eq!(addresses(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 0)), [v6]);
        assert_eq!(addresses((IpAddr::V4(Ipv4Addr::LOCALHOST), 80)), [v4]);
        assert_eq!(addresses((Ipv4Addr::LOCALHOST, 80)), [v4]);
        assert_eq!(addresses((Ipv6Addr::LOCALHOST, 80)), [v6]);
        assert_eq!(addresses(("::1", 80)), [v6]);
        assert_eq!(addresses(("127.0.0.1".to_owned(), 80)), [v4]);
        assert_eq!(addresses(&[v4, v6][..]), [v4, v6]);
    }

    #[test]
    fn a_name_is_left_to_the_resolver() {
        let name = Destination::Name("chat".to_owned(), 80);
        assert_eq!("chat:80".destination().expect("well formed"), name);
        assert_eq!(("chat", 80).destination().expect("well formed"), name);
        assert_eq!(("chat".to_owned(), 80).destination().expect("well formed"), name);
    }

    #[test]
    fn a_string_without_a_port_is_refused_and_quoted() {
        for text in ["chat", "chat:", "chat:http", "chat:65536"] {
            let error = text.destination().expect_err("no port");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    fn addresses<T: ToSocketAddrs>(target: T) -> Vec<SocketAddr> {
        match target.destination().expect("well formed") {
            Destination::Addresses(addresses) => addresses,
            Destination::Name(host, port) => panic!("{host}:{port} was taken for a name"),
        }
    }
}
