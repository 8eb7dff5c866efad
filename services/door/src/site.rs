//! Which hosts a request may be meant for, and which pages may send one.
//!
//! A browser lets any page open WebSockets to, and send simple requests at, whatever its user can reach; it says in `Origin`
//! which page it was. A page can also have its own name lead here (DNS rebinding); then `Host` says that name. So a
//! request is answered whose host is a literal address, `localhost`, a name without a dot, which no stranger can register, or one
//! that was configured, and whose page, if there is one, is of the same host, of this machine, or configured.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What is answered beside what always is. `"*"` in a list stands for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    /// Names under which this service is called, such as `scheduler.example`.
    pub hosts: Vec<String>,
    /// Origins of pages that may call, such as `https://desk.example`.
    pub origins: Vec<String>,
}

impl Site {
    /// Whether a request for this `Host` is answered.
    ///
    /// ```
    /// use halfopen_door::Site;
    ///
    /// let site = Site { hosts: vec!["api.example".to_owned()], ..Site::default() };
    /// for host in ["127.0.0.1:8080", "[::1]:8080", "localhost", "gateway:8080", "API.example:443"] {
    ///     assert!(site.answers_for(host), "{host}");
    /// }
    /// assert!(!site.answers_for("evil.example:8080"));
    /// ```
    #[must_use]
    pub fn answers_for(&self, host: &str) -> bool {
        let name = without_port(host.trim());
        is_literal(name)
            || is_local_name(name)
            || !name.contains('.') && is_name(name)
            || listed(&self.hosts, name)
            || listed(&self.hosts, host)
    }

    /// Whether a page of this origin may send a request for this host.
    #[must_use]
    pub fn may_be_called_from(&self, origin: &str, host: &str) -> bool {
        let origin = origin.trim();
        if listed(&self.origins, origin) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        if !["http", "https"].contains(&scheme) || authority.is_empty() {
            return false;
        }
        let (name, wanted) = (without_port(authority), host.trim());
        let is_here =
            is_local_name(name) || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        is_here
            || authority.eq_ignore_ascii_case(wanted)
            || authority.eq_ignore_ascii_case(without_default_port(scheme, wanted))
    }
}

fn listed(list: &[String], text: &str) -> bool {
    list.iter().any(|allowed| allowed == "*" || allowed.trim_end_matches('/').eq_ignore_ascii_case(text))
}

/// A browser leaves out of an origin the port that its scheme has anyway.
fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let port = if scheme == "https" { ":443" } else { ":80" };
    host.strip_suffix(port).unwrap_or(host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && (name.starts_with('[') || !name.contains(':')) => name,
        _ => host,
    }
}

fn is_literal(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_could_have_registered_is_not_this_host() {
        let site = Site::default();
        for host in [
            "127.0.0.1",
            "10.0.0.7:5010",
            "[::1]",
            "[fd00::1]:80",
            "localhost:1",
            "app.localhost",
            "LOCALHOST.",
            "x",
            "node-1:80",
        ] {
            assert!(site.answers_for(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "",
            ":80",
            "1.2.3",
            "a b",
            "evil.example.",
            "[::1",
            "x/y",
        ] {
            assert!(!site.answers_for(host), "{host}");
        }
        let any = Site { hosts: vec!["*".to_owned()], ..Site::default() };
        assert!(any.answers_for("evil.example"));
    }

    #[test]
    fn pages_of_the_same_host_and_of_this_machine_may_call_and_no_others() {
        let site = Site { origins: vec!["https://desk.example".to_owned()], ..Site::default() };
        let from = |origin: &str| site.may_be_called_from(origin, "api.example:8080");
        for origin in [
            "http://api.example:8080",
            "https://API.example:8080",
            "http://localhost:3000",
            "http://127.0.0.1",
            "https://[::1]:9",
            "https://desk.example",
        ] {
            assert!(from(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://api.example",
            "https://desk.example.evil.example",
            "http://localhost.evil.example",
            "file://",
            "chrome-extension://abc",
            "https://127.0.0.1.evil.example",
        ] {
            assert!(!from(origin), "{origin}");
        }
        assert!(Site::default().may_be_called_from("https://api.example", "api.example:443"));
        assert!(!Site::default().may_be_called_from("http://api.example", "api.example:443"));
    }
}
