//! Certificates and keys in PEM, and what both sides of TLS have in common.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use crate::TlsError;

/// The only protocol that is spoken over TLS here (RFC 7301).
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

/// Its randomness comes through libc, which a simulation answers.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// # Errors
/// A file that cannot be read, or holds no certificate.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Certificates { path: path.to_path_buf(), source };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(failed(nothing("certificate"))),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(failed(of_pem(error, "certificate"))),
    }
}

/// # Errors
/// A file that cannot be read, or holds no private key.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let failed = |error| TlsError::Key { path: path.to_path_buf(), source: of_pem(error, "private key") };
    PrivateKeyDer::from_pem_file(path).map_err(failed)
}

fn of_pem(error: pem::Error, what: &str) -> io::Error {
    match error {
        pem::Error::Io(error) => error,
        pem::Error::NoItemsFound => nothing(what),
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

fn nothing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("there is no {what} in PEM form in it"))
}
