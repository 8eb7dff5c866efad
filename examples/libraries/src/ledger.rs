//! Entries in a Redis: a server that knows `SET`, and two ways to use it.

use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::{Client, RedisResult};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// Serves at Redis' port; `set` is told each key that is set.
///
/// # Errors
/// If the port is taken.
pub async fn run(set: impl Fn(&str) + Clone + Send + 'static) -> std::io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:6379").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let set = set.clone();
        tokio::spawn(async move {
            // A user who leaves is no error of the server's.
            let _ = serve(stream, set).await;
        });
    }
}

async fn serve(stream: TcpStream, set: impl Fn(&str)) -> std::io::Result<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let mut words = Vec::new();
        for _ in 0..number(&mut stream, '*').await? {
            let mut word = vec![0; number(&mut stream, '$').await? + 2];
            stream.read_exact(&mut word).await?;
            words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
        }
        if let [command, key, ..] = &words[..]
            && command.eq_ignore_ascii_case("set")
        {
            set(key);
        }
        stream.write_all(b"+OK\r\n").await?;
        stream.flush().await?;
    }
}

/// A line that is a number behind a sign.
async fn number(stream: &mut BufStream<TcpStream>, sign: char) -> std::io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.trim().strip_prefix(sign).and_then(|n| n.parse().ok()).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// A connection that is made again when it is lost.
///
/// # Errors
/// If there is no server.
pub async fn managed() -> RedisResult<ConnectionManager> {
    ConnectionManager::new(Client::open("redis://ledger/")?).await
}

/// One connection, which is never made again.
///
/// # Errors
/// If there is no server.
pub async fn single() -> RedisResult<MultiplexedConnection> {
    Client::open("redis://ledger/")?.get_multiplexed_async_connection().await
}

/// Sets a key, and sets it again when that fails.
///
/// # Errors
/// That of the last attempt.
pub async fn enter(connection: &mut impl ConnectionLike, key: &str) -> RedisResult<()> {
    crate::again(async || redis::cmd("SET").arg(key).arg("entered").query_async(&mut *connection).await).await
}
