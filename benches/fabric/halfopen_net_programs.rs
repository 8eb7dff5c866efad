//! The load over the sockets of `halfopen_net`, whichever network is behind them.

use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{Load, PERIOD, STAGGER};

/// Echoes what every connection brings, for ever.
pub(crate) async fn echo() -> std::io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(async move {
            let mut buffer = [0; 64];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Where `nth` is among all.
pub(crate) async fn client(load: Load, nth: usize) -> std::io::Result<()> {
    sleep(STAGGER * nth as u32).await;
    let mut stream = TcpStream::connect("server:80").await?;
    stream.set_nodelay(true)?;
    let (mut answer, mut next) = ([0; 4], Instant::now());
    for _ in 0..load.round_trips {
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await?;
        if !load.apart {
            next += PERIOD;
            sleep_until(next).await;
        }
    }
    Ok(())
}

/// All sessions from one host.
pub(crate) async fn clients(load: Load) -> std::io::Result<()> {
    let mut all = JoinSet::new();
    for nth in 0..load.sessions {
        all.spawn_local(client(load, nth));
    }
    while let Some(ended) = all.join_next().await {
        ended.map_err(std::io::Error::other)??;
    }
    Ok(())
}
