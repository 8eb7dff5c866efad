//! How a client opens a stream.

use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;

#[cfg(feature = "rustls")]
use crate::pem::{self, HTTP_1_1, provider};
use crate::{Scheme, Stream, TlsError, Trust};

/// Opens streams to servers, plain ones always. Clones share what was read.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    #[cfg(feature = "rustls")]
    tls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl Dialer {
    /// Opens plain streams only.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// Opens streams of a scheme. For TLS the authorities are read now.
    ///
    /// # Errors
    /// Authorities that cannot be read or are none, and a build without TLS.
    pub fn new(scheme: Scheme, trust: &Trust) -> Result<Self, TlsError> {
        match scheme {
            Scheme::Plain => Ok(Self::plain()),
            Scheme::Tls => Self::tls(trust),
        }
    }

    #[cfg(not(feature = "rustls"))]
    fn tls(_trust: &Trust) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    #[cfg(feature = "rustls")]
    fn tls(trust: &Trust) -> Result<Self, TlsError> {
        Ok(Self { tls: Some(client_config(trust)?) })
    }

    /// Opens a stream to a host (a name, or an address without brackets) and port, without Nagle's delay: a Close frame that
    /// waits for an acknowledgement may be overtaken by a reset. Under TLS the handshake is done, and the certificate is the
    /// host's.
    ///
    /// # Errors
    /// As those of connecting; [`io::ErrorKind::InvalidData`] for a certificate that does not prove the host, with the reason;
    /// [`io::ErrorKind::Unsupported`] for TLS of a dialer that was made without.
    pub async fn open(&self, scheme: Scheme, host: &str, port: u16) -> io::Result<Stream> {
        let stream = match host.parse::<IpAddr>() {
            Ok(address) => TcpStream::connect((address, port)).await?,
            Err(_) => TcpStream::connect((host, port)).await?,
        };
        stream.set_nodelay(true)?;
        match scheme {
            Scheme::Plain => Ok(stream.into()),
            Scheme::Tls => self.secured(host, stream).await,
        }
    }

    #[cfg(not(feature = "rustls"))]
    async fn secured(&self, _host: &str, _stream: TcpStream) -> io::Result<Stream> {
        Err(io::Error::new(io::ErrorKind::Unsupported, TlsError::NotBuilt))
    }

    #[cfg(feature = "rustls")]
    async fn secured(&self, host: &str, stream: TcpStream) -> io::Result<Stream> {
        let Some(config) = self.tls.clone() else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this client was made without TLS"));
        };
        let name = rustls::pki_types::ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no certificate can name this host"))?;
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

/// Why a stream could not be opened, in words: the kind of the error, and of a certificate that proves nothing what is wrong with
/// it.
#[must_use]
pub fn failure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => error.to_string(),
        kind => kind.to_string(),
    }
}

/// What a client of this trust says and believes.
#[cfg(feature = "rustls")]
fn client_config(trust: &Trust) -> Result<std::sync::Arc<rustls::ClientConfig>, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    // Of the system's authorities those that can be read count; that there is none at all is told below.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &trust.ca_file {
        for certificate in pem::certificates(path)? {
            let unfit = |error: rustls::Error| TlsError::Unfit { path: path.clone(), why: error.to_string() };
            roots.add(certificate).map_err(unfit)?;
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let unfit = |error: rustls::Error| TlsError::Unfit { path: std::path::PathBuf::new(), why: error.to_string() };
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(std::sync::Arc::new(config))
}

#[cfg(all(test, not(feature = "rustls")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_tls_says_so() {
        let error = Dialer::new(Scheme::Tls, &Trust::default()).expect_err("none is there");
        assert_eq!(error.to_string(), "speak TLS: this program was built without it (feature `tls`)");
    }
}
