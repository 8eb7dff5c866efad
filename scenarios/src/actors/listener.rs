//! Who listens in a room until everything is said, and comes back when the line is lost.

use std::io;
use std::time::Duration;

use halfopen::{BoxError, HostContext};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::room;

/// What is listened to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The room's address.
    pub room: String,
    /// How many lines are said.
    pub lines: u64,
    /// How long it stays for them.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
}

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens.
///
/// # Errors
/// If the script cannot be read.
pub async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let mut heard = 0;
    let listening = async {
        while heard < script.lines {
            // A line that is lost is asked for again.
            let _ = listen(&cx, &script, &mut heard).await;
            sleep(PAUSE).await;
        }
    };
    // What has not been heard by then is what the checks are about.
    let _ = timeout(script.patience, listening).await;
    Ok(())
}

async fn listen(cx: &HostContext, script: &Script, heard: &mut u64) -> io::Result<()> {
    let mut socket = BufReader::new(TcpStream::connect(script.room.as_str()).await?);
    socket.write_all(format!("after {heard}\n").as_bytes()).await?;
    let mut lines = socket.lines();
    while *heard < script.lines {
        let Some(line) = lines.next_line().await? else { return Ok(()) };
        let n = line.split(' ').next().and_then(|key| key.strip_prefix("line-")?.parse().ok());
        *heard = n.ok_or(io::ErrorKind::InvalidData)?;
        cx.received(room::key(*heard));
    }
    Ok(())
}
