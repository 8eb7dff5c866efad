//! Drop-in for the part of `tokio::net` that services use: write `halfopen_net` where `tokio::net` stood.
//!
//! # Map
//!
//! - [`TcpListener`], [`TcpStream`], [`TcpSocket`]: the sockets; [`tcp`]: the halves of a stream.
//! - [`lookup_host`] and [`ToSocketAddrs`]: addresses and names.
//! - [`Keepalive`]: how a kernel finds out that a silent peer is gone.
//! - [`SIM`]: what a service says of itself with `--version`.
//! - `tungstenite`, `hyper`, `hyper014`, `axum`: adapters, each behind the feature of its name.
//! - `engine` (feature `sim`): what a simulation offers to these types. Services never need it.
//!
//! # One set of types
//!
//! Without the feature `sim` every type here is tokio's, in a wrapper of the same size. With it, a socket that is opened
//! on a thread on which a simulation runs belongs to that simulation; on any other thread it is tokio's again. So the
//! same build serves and is tested, and production binaries, built without the feature, cannot be simulated at all.
//!
//! ```
//! use halfopen_net::{TcpListener, TcpStream};
//! use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//!
//! let server = async {
//!     let (stream, _) = listener.accept().await?;
//!     let (read, mut write) = stream.into_split();
//!     let mut lines = BufReader::new(read).lines();
//!     while let Some(line) = lines.next_line().await? {
//!         write.write_all(format!("{}\n", line.to_uppercase()).as_bytes()).await?;
//!     }
//!     std::io::Result::Ok(())
//! };
//! let client = async {
//!     let mut stream = TcpStream::connect(address).await?;
//!     stream.set_nodelay(true)?;
//!     stream.write_all(b"who is there\n").await?;
//!     let mut answer = String::new();
//!     BufReader::new(&mut stream).read_line(&mut answer).await?;
//!     std::io::Result::Ok(answer)
//! };
//!
//! let (served, answer) = tokio::join!(server, client);
//! served?;
//! assert_eq!(answer?, "WHO IS THERE\n");
//! # Ok(())
//! # }
//! ```
//!
//! # What plugs in how
//!
//! | crate | how | feature |
//! |---|---|---|
//! | tokio-tungstenite, client | `halfopen_net::tungstenite::connect_async` | `tungstenite` |
//! | tokio-tungstenite, server | `accept_async(stream)`, as before | none |
//! | hyper, client | `hyper::client::conn` over `TokioIo::new(stream)`, or `halfopen_net::hyper::Connector` | none, `hyper` |
//! | hyper-util's pooling client | `Client::builder(..).build(halfopen_net::hyper::Connector::new())` | `hyper` |
//! | hyper, server | `serve_connection(TokioIo::new(stream), ..)`, as before | none |
//! | hyper 0.14, client and server | `halfopen_net::hyper014::Connector` and `Incoming`, where its own stood | `hyper014` |
//! | axum | `axum::serve(halfopen_net::TcpListener, ..)`; `PeerAddress` where `ConnectInfo<SocketAddr>` stood | `axum` |
//! | tonic, client | `Endpoint::connect_with_connector(halfopen_net::hyper::Connector::new())` | `hyper` |
//! | tonic, server | `serve_with_incoming`, each stream in a newtype of yours that implements tonic's `Connected` | none |
//! | tokio-postgres | `Config::connect_raw(stream, NoTls)` | none |
//! | redis | `MultiplexedConnection::new(&info, stream)` | none |
//! | anything else generic over `AsyncRead + AsyncWrite` | hand it the stream | none |
//! | reqwest, sqlx | not: they open their own sockets. Test those over real ones | |
//!
//! # What a simulation refuses
//!
//! Leaving it (`into_std`, `from_std`, conversion to tokio's types) and options without meaning there fail with
//! `ErrorKind::Unsupported` and the name of the call. There is no `as_raw_fd`: a simulated socket has no descriptor. A
//! simulated socket that is used on another thread fails with `ErrorKind::NotConnected` and says why; dropped there, it
//! does nothing.

mod address;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "sim")]
pub mod engine;
#[cfg(any(feature = "hyper", feature = "hyper014"))]
mod http_target;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "hyper014")]
pub mod hyper014;
mod keepalive;
mod listener;
mod simulated;
mod socket;
mod stream;
pub mod tcp;
#[cfg(feature = "tungstenite")]
pub mod tungstenite;
mod variant;
mod version;

pub use address::{ToSocketAddrs, lookup_host};
pub use keepalive::Keepalive;
pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use stream::TcpStream;
pub use version::SIM;
