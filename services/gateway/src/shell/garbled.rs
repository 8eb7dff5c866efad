//! A stream in which the answer to what is no request has the error envelope.
//!
//! hyper answers what it cannot read by itself, before any service is asked, with a bare status. SDKs and people look for the
//! envelope, so that answer is exchanged below hyper, where it is written. Answers of the gateway's own have a body and pass.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::core::api_error::ApiError;

/// See the module's own words.
pub(crate) struct Garbled<S> {
    stream: S,
    /// What is left to be written of an answer in the place of hyper's.
    instead: Vec<u8>,
    written: usize,
}

impl<S> Garbled<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, instead: Vec::new(), written: 0 }
    }
}

impl<S: AsyncWrite + Unpin> Garbled<S> {
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.instead.len() {
            let taken = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.instead[self.written..]))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += taken;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Garbled<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Garbled<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        match bare_refusal(buf) {
            Some(status) => {
                (self.instead, self.written) = (answer(status), 0);
                // What is left of it goes out with the next write or flush.
                let _later = self.poll_instead(cx)?;
                Poll::Ready(Ok(buf.len()))
            }
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        if let Some(first) = first
            && (self.written < self.instead.len() || bare_refusal(first).is_some())
        {
            return self.poll_write(cx, first);
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The status of an answer of hyper's own: one of three, and nothing in its body.
fn bare_refusal(bytes: &[u8]) -> Option<StatusCode> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    let status = StatusCode::from_bytes(rest.get(..3)?).ok()?;
    let is_hypers = [400, 414, 431].contains(&status.as_u16()) && bytes.ends_with(b"\r\n\r\n");
    let is_bare = || bytes.to_ascii_lowercase().windows(EMPTY.len()).any(|window| window == EMPTY);
    (is_hypers && is_bare()).then_some(status)
}

const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";

fn answer(status: StatusCode) -> Vec<u8> {
    let body = ApiError::unreadable(status).envelope();
    let reason = status.canonical_reason().unwrap_or("Bad Request");
    let status = status.as_u16();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn written(pieces: &[&[u8]], room: usize) -> String {
        let (near, mut far) = tokio::io::duplex(room);
        let mut near = Garbled::new(near);
        let writing = async {
            for piece in pieces {
                near.write_all(piece).await.expect("a reader");
            }
            near.shutdown().await.expect("a reader");
        };
        let mut text = String::new();
        let (read, ()) = tokio::join!(far.read_to_string(&mut text), writing);
        read.expect("text");
        text
    }

    #[tokio::test]
    async fn hypers_own_refusal_has_an_envelope_instead_however_little_room_there_is() {
        for (status, code) in
            [("400 Bad Request", "malformed_request"), ("431 Request Header Fields Too Large", "head_too_large")]
        {
            let bare = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            for room in [1, 7, 4096] {
                let text = written(&[bare.as_bytes()], room).await;
                let (head, body) = text.split_once("\r\n\r\n").expect("a head");
                assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{text}");
                assert!(head.contains(&format!("content-length: {}", body.len())), "{text}");
                let envelope: serde_json::Value = serde_json::from_str(body).expect("an envelope");
                assert_eq!(envelope["error"]["code"], code);
            }
        }
    }

    #[tokio::test]
    async fn everything_else_passes_as_it_is() {
        let own = "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}";
        let empty = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(written(&[own.as_bytes(), b"", empty.as_bytes()], 16).await, format!("{own}{empty}"));
    }
}
