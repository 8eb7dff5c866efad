//! The halves of a stream, as `tokio::net::tcp`.
//!
//! - [`ReadHalf`] and [`WriteHalf`] borrow it: [`TcpStream::split`](crate::TcpStream::split).
//! - [`OwnedReadHalf`] and [`OwnedWriteHalf`] own it together: [`TcpStream::into_split`](crate::TcpStream::into_split).
//!
//! tokio's halves can be turned into a reference to their stream; these cannot, because a real half is tokio's own.

mod half;
mod owned;
mod split;

pub use owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use split::{ReadHalf, WriteHalf};
