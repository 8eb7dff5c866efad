//! A room in which everybody hears every line: each listener is told from where it says it has heard up to, by a task
//! that does not wait for the others.
//!
//! The protocol is one of lines. A listener says `after N`; the room says `line-N` and something to fill the line, for each
//! N from the next on.

use std::io;
use std::time::Duration;

use halfopen::{BoxError, HostContext};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What is said in the room.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub listen: String,
    /// How many lines are said.
    pub lines: u64,
    /// Between two of them.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How long a line is, bytes.
    pub line_bytes: usize,
}

/// Serves until the host is asked to stop.
///
/// # Errors
/// If the configuration is wrong or the port is taken.
pub async fn run(cx: HostContext) -> Result<(), BoxError> {
    serve(cx, tell).await
}

/// Serves; `tell` is how one listener is told.
pub(crate) async fn serve<T, F>(cx: HostContext, tell: T) -> Result<(), BoxError>
where
    T: Fn(BufReader<TcpStream>, u64, watch::Receiver<u64>, usize) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let config: Config = cx.config()?;
    let listener = TcpListener::bind(config.listen.as_str()).await?;
    let (said, hears) = watch::channel(0);
    let mut arriving = JoinSet::new();
    let mut listeners = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => return Ok(()),
            accepted = listener.accept() => {
                arriving.spawn(heard_up_to(accepted?.0));
            }
            // A client that says nothing intelligible is told nothing.
            Some(arrived) = arriving.join_next() => if let Ok(Ok((socket, upto))) = arrived {
                listeners.spawn(tell(socket, upto, hears.clone(), config.line_bytes));
            },
            Some(_) = listeners.join_next() => {}
            () = sleep(config.every), if *said.borrow() < config.lines => {
                said.send_modify(|said| *said += 1);
                cx.offered(key(*said.borrow()));
            }
        }
    }
}

async fn heard_up_to(socket: TcpStream) -> io::Result<(BufReader<TcpStream>, u64)> {
    let mut socket = BufReader::new(socket);
    let mut hello = String::new();
    socket.read_line(&mut hello).await?;
    let upto = hello.trim_end().strip_prefix("after ").and_then(|upto| upto.parse().ok());
    upto.map(|upto| (socket, upto)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Tells one listener every line, however long it takes to hear them.
async fn tell(
    mut socket: BufReader<TcpStream>,
    mut told: u64,
    mut said: watch::Receiver<u64>,
    line_bytes: usize,
) -> io::Result<()> {
    loop {
        let upto = *said.borrow_and_update();
        while told < upto {
            told += 1;
            socket.write_all(line(told, line_bytes).as_bytes()).await?;
        }
        tokio::select! {
            biased;
            changed = said.changed() => if changed.is_err() {
                return Ok(());
            },
            // A listener says nothing more: this is its end.
            left = socket.fill_buf() => return left.map(|_| ()),
        }
    }
}

/// By what the facts know a line.
pub(crate) fn key(n: u64) -> String {
    format!("line-{n}")
}

/// A line as it is sent.
pub(crate) fn line(n: u64, bytes: usize) -> String {
    format!("{:.<bytes$}\n", format!("{} ", key(n)))
}
