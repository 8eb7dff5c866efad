//! A backend behind HTTP/1.1: one connection per call, owned by the call.
//!
//! The connection is driven from inside the answer's stream, by the task that polls it. There is no task to forget: dropping
//! the stream closes the socket, which is the cancellation that backends understand.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt, stream};
use halfopen_health::Target;
use halfopen_machine::Bug;
use halfopen_tls::{Dialer, Stream};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::core::chat::ChatRequest;
use crate::core::confidential::Confidential;
use crate::core::fault::Fault;
use crate::core::said::Said;
use crate::shell::backend::transport::{connect_fault, exchange_fault, status_fault};
use crate::shell::backend::{Backend, Signal, Upstream};
use crate::shell::config::{ConfigError, HttpConfig, Origin};

/// How much of a backend's error body is read for its message, bytes.
const ERROR_BODY_BYTES: usize = 16 << 10;

/// The limits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// How long connecting may take.
    pub connect: Duration,
    /// The connection's read buffer, bytes; at least 8 KiB.
    pub buffer_bytes: usize,
}

/// An OpenAI-compatible server.
#[derive(Clone, Debug)]
pub struct Http {
    origin: Origin,
    authorization: Option<HeaderValue>,
    health: Target,
    confidential: Confidential,
    dialer: Dialer,
    limits: HttpLimits,
}

impl Http {
    /// A backend as configured; its key is read from the environment now.
    ///
    /// # Errors
    /// A base URL that cannot be called, or a key that is missing or unfit.
    pub fn new(config: &HttpConfig, limits: HttpLimits) -> Result<Self, ConfigError> {
        let (origin, authorization) = (config.origin()?, config.authorization()?);
        let key =
            authorization.as_ref().and_then(|value| value.to_str().ok()).and_then(|it| it.strip_prefix("Bearer "));
        let confidential = Confidential::new(key, &origin.host);
        let dialer = config.dialer()?;
        let health = config.health_target(&dialer)?;
        Ok(Self { origin, authorization, health, confidential, dialer, limits })
    }

    fn request(&self, request: &ChatRequest) -> Option<Request<Full<Bytes>>> {
        let accept = if request.stream { "text/event-stream" } else { "application/json" };
        let mut builder = Request::post(self.origin.path.as_str())
            .header(HOST, self.origin.authority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, request.body.len())
            .header(ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        builder.body(Full::new(request.body.clone())).ok()
    }
}

impl Backend for Http {
    fn open(&self, request: &ChatRequest) -> Upstream {
        let stage = match self.request(request) {
            Some(message) => {
                let (origin, dialer) = (self.origin.clone(), self.dialer.clone());
                Stage::Connect { origin, dialer, limits: self.limits, message }
            }
            None => {
                let bug = Bug::new("the origin of a configured backend makes an HTTP request");
                tracing::error!(target: "halfopen_gateway", %bug, "a bug of this gateway");
                Stage::Broken
            }
        };
        let stream_expected = request.stream;
        let confidential = self.confidential.clone();
        let answer = stream::unfold(stage, move |stage| stage.advance(stream_expected));
        Box::pin(answer.map_err(move |fault| fault.hiding(&confidential)))
    }

    fn health(&self) -> Option<&Target> {
        Some(&self.health)
    }

    fn confidential(&self) -> Confidential {
        self.confidential.clone()
    }
}

/// Where a call stands. Each stage yields one item and the next stage.
enum Stage {
    Connect {
        origin: Origin,
        dialer: Dialer,
        limits: HttpLimits,
        message: Request<Full<Bytes>>,
    },
    Ask {
        link: BackendConnection,
        message: Request<Full<Bytes>>,
    },
    Read {
        link: BackendConnection,
        body: Incoming,
    },
    /// The origin makes no HTTP request: a bug of ours, which costs the call.
    Broken,
    Over,
}

type Step = Option<(Result<Signal, Fault>, Stage)>;

impl Stage {
    async fn advance(self, stream_expected: bool) -> Step {
        match self {
            Self::Connect { origin, dialer, limits, message } => {
                match BackendConnection::open(&origin, &dialer, limits).await {
                    Ok(link) => Some((Ok(Signal::Opened), Self::Ask { link, message })),
                    Err(fault) => Some((Err(fault), Self::Over)),
                }
            }
            Self::Ask { mut link, message } => match link.head(message).await {
                Ok(response) => Self::read_answer(link, response, stream_expected).await,
                Err(fault) => Some((Err(fault), Self::Over)),
            },
            Self::Read { mut link, mut body } => match link.next_bytes(&mut body).await {
                Some(Ok(bytes)) => Some((Ok(Signal::Bytes(bytes)), Self::Read { link, body })),
                Some(Err(fault)) => Some((Err(fault), Self::Over)),
                None => None,
            },
            Self::Broken => Some((Err(Fault::Unreachable), Self::Over)),
            Self::Over => None,
        }
    }

    async fn read_answer(mut link: BackendConnection, response: Response<Incoming>, stream_expected: bool) -> Step {
        let status = response.status();
        let is_stream = is_event_stream(&response);
        let (head, mut body) = response.into_parts();
        if !status.is_success() {
            let message = link.error_body(&mut body).await;
            return Some((Err(status_fault(status, &head.headers, &message)), Self::Over));
        }
        if stream_expected && !is_stream {
            // Some servers refuse so, with a status that says the opposite.
            let said = Said::read_body(&link.error_body(&mut body).await);
            return Some((Err(said.map_or(Fault::Malformed, |said| Fault::Reported(Box::new(said)))), Self::Over));
        }
        match link.next_bytes(&mut body).await {
            Some(Ok(bytes)) => Some((Ok(Signal::Bytes(bytes)), Self::Read { link, body })),
            Some(Err(fault)) => Some((Err(fault), Self::Over)),
            None => None,
        }
    }
}

fn is_event_stream(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Some servers send no type at all; their bytes are judged by the event parser.
    kind.is_none_or(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

/// A connection that works only while it is polled.
type Driven = Pin<Box<Connection<TokioIo<Stream>, Full<Bytes>>>>;

/// A connection to a backend together with the sender that keeps it open.
struct BackendConnection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Driven>,
}

impl BackendConnection {
    /// TLS is part of connecting, and of its time.
    async fn open(origin: &Origin, dialer: &Dialer, limits: HttpLimits) -> Result<Self, Fault> {
        let Origin { scheme, host, port, .. } = origin;
        let stream = tokio::time::timeout(limits.connect, dialer.open(*scheme, host, *port))
            .await
            .map_err(|_| Fault::ConnectTimeout)?
            .map_err(|error| {
                if error.kind() == std::io::ErrorKind::InvalidData {
                    tracing::warn!(target: "halfopen_gateway", host, %error, "a backend's certificate proves nothing");
                }
                connect_fault(&error)
            })?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(limits.buffer_bytes)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| exchange_fault(&error))?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    async fn head(&mut self, message: Request<Full<Bytes>>) -> Result<Response<Incoming>, Fault> {
        let mut response = std::pin::pin!(self.sender.send_request(message));
        let connection = &mut self.connection;
        poll_fn(|cx| {
            drive(connection, cx);
            response.as_mut().poll(cx)
        })
        .await
        .map_err(|error| exchange_fault(&error))
    }

    async fn next_bytes(&mut self, body: &mut Incoming) -> Option<Result<Bytes, Fault>> {
        loop {
            let frame = poll_fn(|cx| {
                drive(&mut self.connection, cx);
                Pin::new(&mut *body).poll_frame(cx)
            })
            .await?;
            match frame {
                // Trailers are no bytes of the answer.
                Ok(frame) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Some(Ok(bytes)),
                    Ok(_) | Err(_) => {}
                },
                Err(error) => return Some(Err(exchange_fault(&error))),
            }
        }
    }

    async fn error_body(&mut self, body: &mut Incoming) -> Bytes {
        let mut message = BytesMut::new();
        while message.len() < ERROR_BODY_BYTES
            && let Some(Ok(bytes)) = self.next_bytes(body).await
        {
            message.extend_from_slice(&bytes);
        }
        message.freeze()
    }
}

/// Lets the connection work. Its own failure reaches the caller through the response or its body.
fn drive(connection: &mut Option<Driven>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && let Poll::Ready(_) = running.as_mut().poll(cx)
    {
        *connection = None;
    }
}
