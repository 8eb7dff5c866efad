//! Request bodies: read as a whole, or refused without destroying the refusal.
//!
//! The body is always read before the answer goes out. hyper notices a departing client only once the body is read, and
//! closing a socket on unread input sends a reset that can overtake the answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::EXPECT;

use crate::core::api_error::ApiError;
use crate::shell::config::Config;
use crate::shell::in_flight::HeldBody;

/// A refusal, and whether the connection can serve another request after it.
pub(crate) struct Refused {
    pub(crate) error: ApiError,
    pub(crate) close: bool,
}

/// Reads the body of `request` into the room that `held` takes for it.
pub(crate) async fn read(request: Request<Incoming>, config: &Config, held: &mut HeldBody) -> Result<Bytes, Refused> {
    let limit = config.limits.body_bytes;
    if request.body().size_hint().lower() > limit as u64 {
        let close = !discard(request, config).await;
        return Err(Refused { error: ApiError::too_large(limit), close });
    }
    let mut body = request.into_body();
    let read = tokio::time::timeout(config.timings.body_read, collect(&mut body, limit, held)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Broken::TooLarge)) => {
            let close = !drain(body, config.limits.discard_bytes, config.timings.body_read).await;
            Err(Refused { error: ApiError::too_large(limit), close })
        }
        Ok(Err(Broken::NoRoom)) => {
            let close = !drain(body, config.limits.discard_bytes, config.timings.body_read).await;
            Err(Refused { error: ApiError::overloaded(config.timings.retry_after), close })
        }
        Ok(Err(Broken::Transport)) => {
            let error = ApiError::bad_request("malformed_body", None, "the request body could not be read");
            Err(Refused { error, close: true })
        }
        Err(_) => Err(Refused { error: ApiError::slow_body(), close: true }),
    }
}

/// Reads and forgets the body of a request that will be refused. Whether all of it was read.
pub(crate) async fn discard(request: Request<Incoming>, config: &Config) -> bool {
    // A client that asked for permission has sent nothing yet, and a refusal is the answer it waits for.
    if request.headers().contains_key(EXPECT) && !request.body().is_end_stream() {
        return false;
    }
    if request.body().size_hint().lower() > config.limits.discard_bytes as u64 {
        return false;
    }
    drain(request.into_body(), config.limits.discard_bytes, config.timings.body_read).await
}

enum Broken {
    TooLarge,
    NoRoom,
    Transport,
}

async fn collect(body: &mut Incoming, limit: usize, held: &mut HeldBody) -> Result<Bytes, Broken> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are no part of the body.
        let Ok(data) = frame.map_err(|_| Broken::Transport)?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(Broken::TooLarge);
        }
        if !held.grow(data.len()) {
            return Err(Broken::NoRoom);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

async fn drain(mut body: Incoming, limit: usize, within: Duration) -> bool {
    let draining = async {
        let mut taken = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            taken += frame.data_ref().map_or(0, Bytes::len);
            if taken > limit {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(within, draining).await.unwrap_or(false)
}
