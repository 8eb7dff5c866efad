//! Which endpoint is asked.

use hyper::Uri;
use hyper::header::HeaderValue;
use thiserror::Error;

/// Port of an `http://` URL that names none.
const DEFAULT_PORT: u16 = 80;

/// An endpoint over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    authority: String,
    authorization: Option<HeaderValue>,
}

impl Target {
    /// Reads a URL such as `http://10.0.0.7:8000/health`.
    ///
    /// # Errors
    /// When it is no `http://` URL with a host, or has a user in it.
    pub fn parse(url: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().map(ToString::to_string).ok_or_else(bad)?;
        if uri.scheme_str() != Some("http") || authority.contains('@') {
            return Err(bad());
        }
        Ok(Self { uri, authority, authorization: None })
    }

    /// Sends this `Authorization` with each attempt.
    #[must_use]
    pub fn with_authorization(self, authorization: Option<HeaderValue>) -> Self {
        Self { authorization, ..self }
    }

    /// What to connect to: the host, without the brackets of an IPv6 literal, and the port.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        let host = self.uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (host, self.uri.port_u16().unwrap_or(DEFAULT_PORT))
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
#[error("\"{0}\" must be http://host[:port][/path]")]
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
    }

    #[test]
    fn what_is_no_plain_http_url_is_refused_in_a_sentence() {
        for url in ["", "models:80", "/health", "https://models/health", "http://user:key@models/", "http://a b/"] {
            let bad = Target::parse(url).expect_err(url);
            assert_eq!(bad.to_string(), format!("\"{url}\" must be http://host[:port][/path]"));
        }
    }
}
