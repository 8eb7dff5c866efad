//! Halves that borrow their stream.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::half::{half_addresses, reading_half, writing_half};
use crate::simulated::Borrowed;
use crate::variant::Variant;

/// The reading half of a borrowed stream.
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(crate) Variant<tokio::net::tcp::ReadHalf<'a>, Borrowed<'a>>);

/// The writing half of a borrowed stream. Dropping it shuts nothing down.
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(crate) Variant<tokio::net::tcp::WriteHalf<'a>, Borrowed<'a>>);

reading_half!(ReadHalf<'_>);
writing_half!(WriteHalf<'_>);
half_addresses!(ReadHalf<'_>);
half_addresses!(WriteHalf<'_>);
