//! Who may ask, and what a request must be before it is looked at.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING};
use hyper::{Method, Request, Version};

use crate::core::api_error::ApiError;
use crate::shell::config::Config;

/// Browsers say with it that a page sends the request, also where they send no origin.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not looked at, if it is not.
pub(crate) fn refused<B>(
    request: &Request<B>,
    config: &Config,
    opens: impl Fn(Option<&str>) -> bool,
) -> Option<ApiError> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter().map(text);
    let (host, another) = (hosts.next(), hosts.next());
    let is_old = request.version() < Version::HTTP_11;
    let Some(host) = host.filter(|_| another.is_none()).or(is_old.then_some("localhost")) else {
        return Some(ApiError::bad_request("bad_host", None, "a request has exactly one Host"));
    };
    if headers.get_all(TRANSFER_ENCODING).iter().any(|value| !text(value).trim().eq_ignore_ascii_case("chunked")) {
        let message = "no transfer encoding but chunked is known here";
        return Some(ApiError::bad_request("unknown_transfer_encoding", None, message));
    }
    let site = &config.access.site;
    if !site.answers_for(host) {
        return Some(ApiError::forbidden("host"));
    }
    let may_call =
        |origin: &str| config.cors_origin.as_deref() == Some(origin) || site.may_be_called_from(origin, host);
    // A browser that asks first is answered with what is allowed: nothing, to a page that may not call.
    let is_preflight = request.method() == Method::OPTIONS;
    if !is_preflight && headers.get(ORIGIN).is_some_and(|origin| !may_call(text(origin))) {
        return Some(ApiError::forbidden("origin"));
    }
    let is_api = request.uri().path().starts_with("/v1/");
    let authorization = headers.get(AUTHORIZATION).map(text);
    if is_api && !is_preflight && !opens(authorization) {
        return Some(ApiError::wrong_key());
    }
    let has_body = request.method() == Method::POST;
    (has_body && !is_json(headers)).then(ApiError::wrong_content_type)
}

/// A page may send any other type without asking first. Who is no page and does not name a type means JSON.
fn is_json(headers: &HeaderMap) -> bool {
    match headers.get(CONTENT_TYPE) {
        Some(kind) => {
            let kind = text(kind).split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        }
        None => !headers.contains_key(ORIGIN) && !headers.contains_key(SEC_FETCH_SITE),
    }
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// A part of a path with its percent-encoded bytes as they are meant; what cannot be decoded stays.
pub(crate) fn decoded(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(meant) => {
                plain.push(meant);
                at += 3;
            }
            None => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_door::Keys;

    fn ask(method: Method, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        ask_of(&Config::default(), None, method, path, headers)
    }

    fn ask_of(
        config: &Config,
        keys: Option<&Keys>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Option<u16> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        refused(&request, config, |shown| keys.is_none_or(|keys| keys.open_for(shown)))
            .map(|error| error.status().as_u16())
    }

    const CHAT: &str = "/v1/chat/completions";

    #[test]
    fn a_page_spends_no_key_by_a_simple_request() {
        let simple = [
            "text/plain;charset=UTF-8",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonx",
        ];
        for kind in simple {
            assert_eq!(ask(Method::POST, CHAT, &[("host", "x"), ("content-type", kind)]), Some(415), "{kind}");
        }
        for page in [("origin", "http://localhost:3000"), ("sec-fetch-site", "cross-site")] {
            assert_eq!(ask(Method::POST, CHAT, &[("host", "x"), page]), Some(415), "{page:?}");
        }
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(ask(Method::POST, CHAT, &[("host", "x"), ("content-type", kind)]), None, "{kind}");
        }
        assert_eq!(ask(Method::POST, CHAT, &[("host", "x")]), None, "no page, and no type");
        let evil = [("host", "x"), ("content-type", "application/json"), ("origin", "https://evil.example")];
        assert_eq!(ask(Method::POST, CHAT, &evil), Some(403));
    }

    #[test]
    fn a_request_has_one_host_and_it_is_this_one() {
        for path in [CHAT, "/v1/models", "/health"] {
            assert_eq!(ask(Method::GET, path, &[]), Some(400));
            assert_eq!(ask(Method::GET, path, &[("host", "x"), ("host", "x")]), Some(400));
            assert_eq!(ask(Method::GET, path, &[("host", "evil.example:8080")]), Some(403));
            assert_eq!(ask(Method::GET, path, &[("host", "127.0.0.1:8080")]), None);
        }
        let te = [("host", "x"), ("transfer-encoding", "gzip, chunked")];
        assert_eq!(ask(Method::POST, CHAT, &te), Some(400));
    }

    #[test]
    fn the_api_needs_a_key_where_there_are_keys_and_health_does_not() {
        let keys = Keys::new(vec!["0123456789abcdef".to_owned()]).expect("a key");
        let of = |path, key| {
            let headers = [("host", "x"), ("authorization", key)];
            ask_of(&Config::default(), Some(&keys), Method::GET, path, &headers)
        };
        assert_eq!(of("/v1/models", "Bearer 0123456789abcdef"), None);
        assert_eq!(of("/v1/models", "Bearer x"), Some(401));
        assert_eq!((of("/health", ""), of("/ready", "")), (None, None));
    }

    #[test]
    fn the_configured_origin_may_call() {
        let config = Config { cors_origin: Some("https://desk.example".to_owned()), ..Config::default() };
        let of = |origin| ask_of(&config, None, Method::GET, "/v1/models", &[("host", "x"), ("origin", origin)]);
        assert_eq!((of("https://desk.example"), of("https://evil.example")), (None, Some(403)));
    }

    #[test]
    fn a_models_name_in_a_path_is_decoded() {
        assert_eq!(decoded("meta-llama%2FLlama-3%2e1"), "meta-llama/Llama-3.1");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
