//! A room that is right but for one defect: a listener that is too slow misses what its queue had no room for, and is
//! not told.

use std::io;

use halfopen::{BoxError, HostContext};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};

use crate::room::{line, serve};

/// How many lines wait for a listener.
const WAITING: usize = 8;

/// Serves until the host is asked to stop.
///
/// # Errors
/// If the configuration is wrong or the port is taken.
pub async fn run(cx: HostContext) -> Result<(), BoxError> {
    serve(cx, tell).await
}

async fn tell(
    mut socket: BufReader<TcpStream>,
    told: u64,
    mut said: watch::Receiver<u64>,
    line_bytes: usize,
) -> io::Result<()> {
    let (live, mut waiting) = broadcast::channel(WAITING);
    let relay = async move {
        let mut relayed = told;
        loop {
            let upto = *said.borrow_and_update();
            for n in relayed + 1..=upto {
                // The other half has ended, so no task hears it.
                let _ = live.send(n);
            }
            relayed = relayed.max(upto);
            if said.changed().await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        loop {
            let heard = tokio::select! {
                biased;
                heard = waiting.recv() => heard,
                left = socket.fill_buf() => return left.map(|_| ()),
            };
            match heard {
                Ok(n) => socket.write_all(line(n, line_bytes).as_bytes()).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
    };
    tokio::select! {
        ended = relay => ended,
        ended = write => ended,
    }
}
