//! Why there is no TLS.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why there is no TLS. Each text completes "failed to ...".
#[derive(Debug, Error)]
pub enum TlsError {
    /// The build has none.
    #[error("speak TLS: this program was built without it (feature `tls`)")]
    NotBuilt,
    /// A file with certificates.
    #[error("read the certificates in {path}")]
    Certificates {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A file with a private key.
    #[error("read the private key in {path}")]
    Key {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Neither the system nor the configuration names a certificate authority.
    #[error("find a certificate authority: the system has none, and no `ca_file` is configured")]
    NoRoots,
    /// Certificate and key do not belong together, or are of a kind that is not known here.
    #[error("use the certificate in {path}: {why}")]
    Unfit {
        /// The file with the certificate.
        path: PathBuf,
        /// In rustls's words.
        why: String,
    },
}

impl TlsError {
    /// The setting of an [`Identity`](crate::Identity) that it is about: `certificate` or `key`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        match self {
            Self::Key { .. } => "key",
            Self::NotBuilt | Self::Certificates { .. } | Self::NoRoots | Self::Unfit { .. } => "certificate",
        }
    }
}
