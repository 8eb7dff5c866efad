//! Where an `http://` address leads, for the connectors of either hyper.

use std::fmt::Display;
use std::io;

/// Port of an `http://` address that names none (RFC 9110, section 4.2.1).
const DEFAULT_PORT: u16 = 80;

/// The host, without the brackets of an IPv6 literal, and the port. `connector` is who says that it cannot do TLS.
pub(crate) fn http_target(
    connector: &str,
    uri: impl Display,
    scheme: Option<&str>,
    host: Option<&str>,
    port: Option<u16>,
) -> io::Result<(String, u16)> {
    if let Some(scheme) = scheme.filter(|scheme| *scheme != "http") {
        let reason = format!("{connector} speaks http:// only, not {scheme}://");
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    let no_host = || io::Error::new(io::ErrorKind::InvalidInput, format!("no host in {uri}"));
    let host = host.ok_or_else(no_host)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok((host.to_owned(), port.unwrap_or(DEFAULT_PORT)))
}
