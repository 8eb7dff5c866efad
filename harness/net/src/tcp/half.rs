//! What borrowed and owned halves have in common, written once for each direction.

/// The methods and `AsyncRead` of a reading half.
macro_rules! reading_half {
    ($half:ty) => {
        impl $half {
            /// Reads without removing and returns the length in bytes; 0 is the end of the stream.
            ///
            /// # Errors
            /// Those of a read.
            pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let mut buf = ReadBuf::new(buf);
                poll_fn(|cx| self.poll_peek(cx, &mut buf)).await
            }

            /// As [`peek`](Self::peek); only the last reader's waker is woken.
            ///
            /// # Errors
            /// Those of a read.
            pub fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
                match &mut self.0 {
                    Variant::Real(half) => half.poll_peek(cx, buf),
                    Variant::Simulated(handle) => handle.poll_peek(cx, buf),
                }
            }

            /// Waits until the stream is ready: see [`TcpStream::ready`](crate::TcpStream::ready).
            ///
            /// # Errors
            /// As there.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                match &self.0 {
                    Variant::Real(half) => half.ready(interest).await,
                    Variant::Simulated(handle) => poll_fn(|cx| handle.poll_interest(interest, cx)).await,
                }
            }

            /// Waits until a read would not wait.
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            pub async fn readable(&self) -> io::Result<()> {
                self.ready(Interest::READABLE).await.map(drop)
            }

            /// Reads what is there and returns its length in bytes; 0 is the end of the stream.
            ///
            /// # Errors
            /// `WouldBlock` when nothing is there; otherwise those of a read.
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                match &self.0 {
                    Variant::Real(half) => half.try_read(buf),
                    Variant::Simulated(handle) => handle.try_read(buf),
                }
            }

            /// As [`try_read`](Self::try_read), into several buffers.
            ///
            /// # Errors
            /// As `try_read`.
            pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
                match &self.0 {
                    Variant::Real(half) => half.try_read_vectored(bufs),
                    Variant::Simulated(handle) => handle.try_read_vectored(bufs),
                }
            }

            /// As [`try_read`](Self::try_read), into the spare room of `buf`.
            ///
            /// # Errors
            /// As `try_read`.
            #[cfg(feature = "bytes")]
            pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
                match &self.0 {
                    Variant::Real(half) => half.try_read_buf(buf),
                    Variant::Simulated(handle) => crate::stream::fill(buf, |bytes| handle.try_read(bytes)),
                }
            }
        }

        impl AsyncRead for $half {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match &mut self.0 {
                    Variant::Real(half) => Pin::new(half).poll_read(cx, buf),
                    Variant::Simulated(handle) => handle.poll_read(cx, buf),
                }
            }
        }
    };
}

/// The methods and `AsyncWrite` of a writing half.
macro_rules! writing_half {
    ($half:ty) => {
        impl $half {
            /// Waits until the stream is ready: see [`TcpStream::ready`](crate::TcpStream::ready).
            ///
            /// # Errors
            /// As there.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                match &self.0 {
                    Variant::Real(half) => half.ready(interest).await,
                    Variant::Simulated(handle) => poll_fn(|cx| handle.poll_interest(interest, cx)).await,
                }
            }

            /// Waits until a write would not wait.
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            pub async fn writable(&self) -> io::Result<()> {
                self.ready(Interest::WRITABLE).await.map(drop)
            }

            /// Writes what the send buffer takes and returns its length in bytes.
            ///
            /// # Errors
            /// `WouldBlock` when the send buffer is full; otherwise those of a write.
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                match &self.0 {
                    Variant::Real(half) => half.try_write(buf),
                    Variant::Simulated(handle) => handle.try_write(buf),
                }
            }

            /// As [`try_write`](Self::try_write), from several buffers.
            ///
            /// # Errors
            /// As `try_write`.
            pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
                match &self.0 {
                    Variant::Real(half) => half.try_write_vectored(bufs),
                    Variant::Simulated(handle) => handle.try_write_vectored(bufs),
                }
            }
        }

        /// Shutting down sends FIN; the other half can still read.
        impl AsyncWrite for $half {
            fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                match &mut self.0 {
                    Variant::Real(half) => Pin::new(half).poll_write(cx, buf),
                    Variant::Simulated(handle) => handle.poll_write(cx, buf),
                }
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match &mut self.0 {
                    Variant::Real(half) => Pin::new(half).poll_write_vectored(cx, bufs),
                    Variant::Simulated(handle) => handle.poll_write_vectored(cx, bufs),
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.0 {
                    Variant::Real(half) => Pin::new(half).poll_flush(cx),
                    Variant::Simulated(handle) => handle.poll_flush(cx),
                }
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.0 {
                    Variant::Real(half) => Pin::new(half).poll_shutdown(cx),
                    Variant::Simulated(handle) => handle.poll_shutdown(cx),
                }
            }
        }
    };
}

/// The addresses of either half.
macro_rules! half_addresses {
    ($half:ty) => {
        impl $half {
            /// The address on this side.
            ///
            /// # Errors
            /// Those of `getsockname(2)`.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                match &self.0 {
                    Variant::Real(half) => half.local_addr(),
                    Variant::Simulated(handle) => handle.local_addr(),
                }
            }

            /// The address on the other side.
            ///
            /// # Errors
            /// Those of `getpeername(2)`: `NotConnected` after a reset.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                match &self.0 {
                    Variant::Real(half) => half.peer_addr(),
                    Variant::Simulated(handle) => handle.peer_addr(),
                }
            }
        }
    };
}

pub(super) use {half_addresses, reading_half, writing_half};
