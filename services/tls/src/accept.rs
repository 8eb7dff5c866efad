//! How a server makes a stream of a connection.

use std::io;
#[cfg(feature = "rustls")]
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

#[cfg(feature = "rustls")]
use rustls::ServerConfig;
use tokio::net::TcpStream;
#[cfg(feature = "rustls")]
use tokio::time::timeout;

#[cfg(feature = "rustls")]
use crate::pem::{self, HTTP_1_1, provider};
use crate::{Identity, Stream, TlsError};

/// Makes streams of the connections that a server has accepted. Clones share one identity.
#[derive(Clone, Debug, Default)]
pub struct Acceptor {
    #[cfg(feature = "rustls")]
    tls: Option<Arc<Served>>,
}

#[cfg(feature = "rustls")]
#[derive(Debug)]
struct Served {
    identity: Identity,
    /// Whole at any time: a reading that fails leaves the old one in its place.
    config: RwLock<Arc<ServerConfig>>,
}

impl Acceptor {
    /// Accepts plain streams without an identity, and TLS streams with one, which is read now.
    ///
    /// # Errors
    /// Files that cannot be read or do not belong together, and a build without TLS.
    pub fn new(identity: Option<&Identity>) -> Result<Self, TlsError> {
        let Some(identity) = identity else { return Ok(Self::default()) };
        Self::tls(identity)
    }

    #[cfg(not(feature = "rustls"))]
    fn tls(_identity: &Identity) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    #[cfg(feature = "rustls")]
    fn tls(identity: &Identity) -> Result<Self, TlsError> {
        let config = RwLock::new(server_config(identity)?);
        Ok(Self { tls: Some(Arc::new(Served { identity: identity.clone(), config })) })
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "rustls")]
        return self.tls.is_some();
        #[cfg(not(feature = "rustls"))]
        false
    }

    /// Reads certificate and key again. Connections that are open keep theirs; later ones have the new one.
    ///
    /// # Errors
    /// As [`Acceptor::new`]; the identity stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        #[cfg(feature = "rustls")]
        if let Some(served) = &self.tls {
            let config = server_config(&served.identity)?;
            *served.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        }
        Ok(())
    }

    /// The stream of a connection; under TLS, once the handshake is done, which may take as long as `bound`.
    ///
    /// # Errors
    /// A handshake that fails, or takes longer ([`io::ErrorKind::TimedOut`]). A peer that speaks no TLS is
    /// [`io::ErrorKind::InvalidData`].
    #[cfg_attr(
        not(feature = "rustls"),
        expect(clippy::unused_async, unused_variables, reason = "only TLS has a handshake")
    )]
    pub async fn accept(&self, stream: TcpStream, bound: Duration) -> io::Result<Stream> {
        #[cfg(feature = "rustls")]
        if let Some(served) = &self.tls {
            let config = Arc::clone(&served.config.read().unwrap_or_else(PoisonError::into_inner));
            let stream = timeout(bound, tokio_rustls::TlsAcceptor::from(config).accept(stream)).await??;
            return Ok(Stream::Tls(Box::new(stream.into())));
        }
        Ok(stream.into())
    }
}

#[cfg(feature = "rustls")]
fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let Identity { certificate, key } = identity;
    let (chain, key) = (pem::certificates(certificate)?, pem::key(key)?);
    let unfit = |error: rustls::Error| TlsError::Unfit { path: certificate.clone(), why: error.to_string() };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}
