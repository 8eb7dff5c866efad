//! WebSocket clients with tokio-tungstenite: its `connect_async` over this crate's [`TcpStream`].
//!
//! Servers need no adapter: `tokio_tungstenite::accept_async` takes any stream.

use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error, UrlError};
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::TcpStream;

/// Port of a `ws://` address that names none (RFC 6455, section 3).
const DEFAULT_PORT: u16 = 80;

/// Connects to a `ws://` address and shakes hands.
///
/// Unlike the function of this name in tokio-tungstenite it sets `TCP_NODELAY`: a ping or a short message must not wait
/// for an acknowledgement. [`connect_async_with_config`] leaves the choice open.
///
/// # Errors
/// `Error::Url(TlsFeatureNotEnabled)` for `wss://`: make the TLS stream over a [`TcpStream`] and hand it to
/// `tokio_tungstenite::client_async`. Otherwise those of the request, of the connection and of the handshake.
pub async fn connect_async<R>(request: R) -> Result<(WebSocketStream<TcpStream>, Response), Error>
where
    R: IntoClientRequest + Unpin,
{
    connect_async_with_config(request, None, true).await
}

/// As [`connect_async`], with limits of one's own; `disable_nagle` sets `TCP_NODELAY`.
///
/// # Errors
/// As `connect_async`.
pub async fn connect_async_with_config<R>(
    request: R,
    config: Option<WebSocketConfig>,
    disable_nagle: bool,
) -> Result<(WebSocketStream<TcpStream>, Response), Error>
where
    R: IntoClientRequest + Unpin,
{
    let request = request.into_client_request()?;
    let stream = TcpStream::connect(target(&request)?).await?;
    if disable_nagle {
        stream.set_nodelay(true)?;
    }
    tokio_tungstenite::client_async_with_config(request, stream, config).await
}

/// The host, without the brackets of an IPv6 literal, and the port.
fn target(request: &Request) -> Result<(String, u16), UrlError> {
    let uri = request.uri();
    match uri.scheme_str() {
        Some("ws") => {}
        Some("wss") => return Err(UrlError::TlsFeatureNotEnabled),
        Some(_) | None => return Err(UrlError::UnsupportedUrlScheme),
    }
    let host = uri.host().ok_or(UrlError::NoHostName)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok((host.to_owned(), uri.port_u16().unwrap_or(DEFAULT_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_host_and_port_without_brackets() {
        assert_eq!(of("ws://chat").expect("plain"), ("chat".to_owned(), 80));
        assert_eq!(of("ws://chat:9000/room?x=1").expect("plain"), ("chat".to_owned(), 9000));
        assert_eq!(of("ws://[::1]:9000").expect("plain"), ("::1".to_owned(), 9000));
    }

    #[test]
    fn tls_and_other_schemes_are_told_apart() {
        assert!(matches!(of("wss://chat"), Err(UrlError::TlsFeatureNotEnabled)));
        assert!(matches!(of("http://chat"), Err(UrlError::UnsupportedUrlScheme)));
    }

    fn of(address: &str) -> Result<(String, u16), UrlError> {
        target(&Request::builder().uri(address).body(()).expect("a valid request"))
    }
}
