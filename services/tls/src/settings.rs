//! What configurations say of TLS.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Whether a URL asks for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, `ws`.
    Plain,
    /// `https`, `wss`.
    Tls,
}

/// Whom a client trusts: the authorities of the system, and those of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// Certificates of further authorities, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// The files that prove who a server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The server's certificate and those that lead to its authority, PEM, its own first.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

impl Scheme {
    /// Reads the scheme of a URL: `http` and `ws` are plain, `https` and `wss` ask for TLS; `None` for any other.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "http" | "ws" => Some(Self::Plain),
            "https" | "wss" => Some(Self::Tls),
            _ => None,
        }
    }

    /// The port of a URL that names none (RFC 9110, section 4.2).
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_says_whether_tls_is_spoken_and_where() {
        let of = |name| Scheme::of(name).map(|scheme| (scheme, scheme.default_port()));
        assert_eq!((of("ws"), of("http")), (Some((Scheme::Plain, 80)), Some((Scheme::Plain, 80))));
        assert_eq!((of("wss"), of("https")), (Some((Scheme::Tls, 443)), Some((Scheme::Tls, 443))));
        assert_eq!(of("ftp"), None);
    }
}
