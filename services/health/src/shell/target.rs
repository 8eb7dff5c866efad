//! Which endpoint is asked.

use std::io;

use halfopen_tls::{Dialer, Scheme, Stream};
use hyper::Uri;
use hyper::header::HeaderValue;
use thiserror::Error;

/// An endpoint over HTTP.
#[derive(Clone, Debug)]
pub struct Target {
    scheme: Scheme,
    uri: Uri,
    authority: String,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl Target {
    /// Reads a URL such as `http://10.0.0.7:8000/health`. One of `https` needs a dialer with TLS ([`Target::with_dialer`]).
    ///
    /// # Errors
    /// When it is no `http://` or `https://` URL with a host, or has a user in it.
    pub fn parse(url: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().map(ToString::to_string).ok_or_else(bad)?;
        let scheme = uri.scheme_str().filter(|name| name.starts_with("http")).and_then(Scheme::of).ok_or_else(bad)?;
        if authority.contains('@') {
            return Err(bad());
        }
        Ok(Self { scheme, uri, authority, authorization: None, dialer: Dialer::plain() })
    }

    /// Sends this `Authorization` with each attempt.
    #[must_use]
    pub fn with_authorization(self, authorization: Option<HeaderValue>) -> Self {
        Self { authorization, ..self }
    }

    /// Opens its connections with this.
    #[must_use]
    pub fn with_dialer(self, dialer: Dialer) -> Self {
        Self { dialer, ..self }
    }

    /// A connection to it, TLS and all.
    pub(crate) async fn connect(&self) -> io::Result<Stream> {
        let (host, port) = self.host_and_port();
        self.dialer.open(self.scheme, host, port).await
    }

    /// What to connect to: the host, without the brackets of an IPv6 literal, and the port.
    fn host_and_port(&self) -> (&str, u16) {
        let host = self.uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (host, self.uri.port_u16().unwrap_or(self.scheme.default_port()))
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// What was given is no endpoint that could be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" must be http://host[:port][/path] or https://host[:port][/path]")]
pub struct BadTarget(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("http://[::1]:8000/health?deep=1").expect("good");
        assert_eq!((target.authority(), target.path()), ("[::1]:8000", "/health?deep=1"));
        assert_eq!(target.host_and_port(), ("::1", 8000));
        let target = Target::parse("http://models").expect("good");
        assert_eq!((target.host_and_port(), target.path()), (("models", 80), "/"));
        let target = Target::parse("https://models/health").expect("good");
        assert_eq!((target.host_and_port(), target.scheme), (("models", 443), Scheme::Tls));
    }

    #[test]
    fn what_is_no_http_url_is_refused_in_a_sentence() {
        for url in ["", "models:80", "/health", "wss://models/health", "http://user:key@models/", "http://a b/"] {
            let bad = Target::parse(url).expect_err(url);
            assert_eq!(
                bad.to_string(),
                format!("\"{url}\" must be http://host[:port][/path] or https://host[:port][/path]")
            );
        }
    }
}
