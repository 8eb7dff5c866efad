//! What the head of an HTTP/1 message says about what follows it (RFC 9112, 6.3).

use super::exchange::Request;
use crate::trace::Unit;

/// The first line of a message.
#[derive(Debug, PartialEq)]
pub(super) enum FirstLine {
    Request { method: String, target: String },
    Response { status: u16 },
}

impl FirstLine {
    /// Reads a request line; `None` for what is not HTTP/1.
    pub(super) fn of_request(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let (method, rest) = line.split_once(' ')?;
        let (target, version) = rest.rsplit_once(' ')?;
        let legal = is_token(method.as_bytes()) && !target.is_empty() && version.starts_with("HTTP/1.");
        legal.then(|| Self::Request { method: method.to_owned(), target: target.to_owned() })
    }

    /// Reads a status line; `None` for what is not HTTP/1.
    pub(super) fn of_response(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"HTTP/1.")?;
        let (status, after) = rest.get(2..)?.split_at_checked(3)?;
        let legal = rest[0].is_ascii_digit() && rest[1] == b' ' && after.first().is_none_or(|byte| *byte == b' ');
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        (legal && status >= 100).then_some(Self::Response { status })
    }

    /// Whether this is an answer before the answer (RFC 9110, 15.2), as 100 and 103 are and 101 is not.
    pub(super) fn is_interim(&self) -> bool {
        matches!(self, Self::Response { status: 100 | 102..=199 })
    }

    /// How the trace tells of it.
    pub(super) fn unit(&self) -> Unit {
        match self {
            Self::Request { method, target } => Unit::HttpRequest { method: method.clone(), target: target.clone() },
            Self::Response { status } => Unit::HttpResponse { status: *status },
        }
    }
}

/// Whether these are letters of a method's name (RFC 9110, 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// The fields that decide.
#[derive(Debug, Default)]
pub(super) struct Fields {
    length: Option<u64>,
    contradictory: bool,
    encoding: Encoding,
    event_stream: bool,
    content_encoded: bool,
    websocket: bool,
}

#[derive(Debug, Default, PartialEq)]
enum Encoding {
    #[default]
    Absent,
    Chunked,
    Other,
}

impl Fields {
    /// Reads the lines after the first.
    pub(super) fn of(lines: &[u8]) -> Self {
        let mut fields = Self::default();
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let value = String::from_utf8_lossy(&line[colon + 1..]);
            fields.take(&line[..colon], value.trim());
        }
        fields
    }

    fn take(&mut self, name: &[u8], value: &str) {
        if name.eq_ignore_ascii_case(b"content-length") {
            for part in value.split(',') {
                let length = part.trim().parse().ok();
                self.contradictory |= length.is_none() || (self.length.is_some() && self.length != length);
                self.length = length;
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.rsplit(',').next().unwrap_or("").trim();
            self.encoding = if last.eq_ignore_ascii_case("chunked") { Encoding::Chunked } else { Encoding::Other };
        } else if name.eq_ignore_ascii_case(b"content-type") {
            let kind = value.split(';').next().unwrap_or("").trim();
            self.event_stream = kind.eq_ignore_ascii_case("text/event-stream");
        } else if name.eq_ignore_ascii_case(b"content-encoding") {
            self.content_encoded = !value.eq_ignore_ascii_case("identity");
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.websocket = value.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket"));
        }
    }

    /// Whether what the body carries is what its text is.
    pub(super) fn is_plain(&self) -> bool {
        !self.content_encoded
    }

    /// Whether the body can be read as SSE events.
    pub(super) fn has_events(&self) -> bool {
        self.event_stream && !self.content_encoded
    }
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The next head.
    Nothing,
    /// This many bytes, then the next head.
    Fixed(u64),
    /// Chunks, then the next head.
    Chunked,
    /// A body that ends with the connection.
    UntilClose,
    /// WebSocket frames, in both directions.
    WebSocket,
    /// A body whose head does not say how to read it.
    Opaque,
}

impl Framing {
    /// What follows a request's head.
    pub(super) fn after_request(fields: &Fields) -> Self {
        match (&fields.encoding, fields.length) {
            _ if fields.contradictory => Self::Opaque,
            (Encoding::Chunked, _) => Self::Chunked,
            (Encoding::Other, _) => Self::Opaque,
            (Encoding::Absent, Some(length)) => Self::fixed(length),
            (Encoding::Absent, None) => Self::Nothing,
        }
    }

    /// What follows a response's head; it depends on the request.
    pub(super) fn after_response(status: u16, fields: &Fields, request: Request) -> Self {
        match (&fields.encoding, fields.length) {
            _ if status == 101 => {
                if fields.websocket {
                    Self::WebSocket
                } else {
                    Self::Opaque
                }
            }
            _ if request == Request::Connect && (200..300).contains(&status) => Self::Opaque,
            _ if status < 200 || status == 204 || status == 304 || request == Request::Head => Self::Nothing,
            _ if fields.contradictory => Self::Opaque,
            (Encoding::Chunked, _) => Self::Chunked,
            (Encoding::Other, _) | (Encoding::Absent, None) => Self::UntilClose,
            (Encoding::Absent, Some(length)) => Self::fixed(length),
        }
    }

    fn fixed(length: u64) -> Self {
        if length == 0 { Self::Nothing } else { Self::Fixed(length) }
    }
}
