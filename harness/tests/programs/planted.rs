//! The command over a store with planted defects, for the test that looks for them. `PLANTED` in the environment is the
//! folder with the scenarios below `scenarios`.
//!
//! A writer puts numbers into a store over one connection, and connects again when it is lost. The store notes how its
//! connections end, and has two defects if its configuration says so: behind a reset and, later, an orderly end it answers the
//! next put and forgets it; at the third reset it complains in its log.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use halfopen::{BoxError, Catalogue, HostContext};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

fn main() -> ExitCode {
    // A worker is told what to play, and has no such variable.
    let folder = std::env::var("PLANTED").unwrap_or_default();
    halfopen::cli::main(
        Catalogue::new(&folder, "scenarios")
            .host("store", async |cx| serve(cx).await)
            .actor("writer", async |cx| write(&cx).await),
    )
}

#[derive(Deserialize)]
struct Defects {
    #[serde(default)]
    forgets: bool,
}

/// What the writer does.
#[derive(Deserialize)]
struct Script {
    puts: u32,
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Orderly,
    Reset,
}

/// What the store knows; its connections share it.
struct Store {
    forgets: bool,
    has: BTreeSet<String>,
    ends: Vec<End>,
    /// The next put is answered and forgotten.
    is_confused: bool,
}

async fn serve(cx: HostContext) -> Result<(), BoxError> {
    let Defects { forgets } = cx.config()?;
    let store = Store { forgets, has: BTreeSet::new(), ends: Vec::new(), is_confused: false };
    let store = Arc::new(Mutex::new(store));
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, cx.clone(), Arc::clone(&store)));
                }
                // Without descriptors the next call would fail at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            () = cx.stopped() => return Ok(()),
        }
    }
}

async fn connection(mut stream: TcpStream, cx: HostContext, store: Arc<Mutex<Store>>) {
    let end = match answer(&mut stream, &cx, &store).await {
        Ok(()) => End::Orderly,
        Err(_) => End::Reset,
    };
    locked(&store).note(end);
}

async fn answer(stream: &mut TcpStream, cx: &HostContext, store: &Mutex<Store>) -> Result<(), BoxError> {
    let mut head = Vec::new();
    loop {
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            n => head.extend_from_slice(&bytes[..n]),
        }
        while let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let request: Vec<u8> = head.drain(..end + 4).collect();
            let number = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
            locked(store).put(number, cx);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        }
    }
}

fn locked(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().expect("nobody panics with the store in hand")
}

impl Store {
    fn put(&mut self, number: String, cx: &HostContext) {
        if std::mem::take(&mut self.is_confused) && self.forgets {
            return;
        }
        if std::env::var_os("CHATTY").is_some() {
            tracing::info!(number, "stored");
        }
        if self.has.insert(number.clone()) {
            cx.received(number);
        }
    }

    fn note(&mut self, end: End) {
        self.is_confused |= end == End::Orderly && self.ends.contains(&End::Reset);
        self.ends.push(end);
        let resets = self.ends.iter().filter(|end| **end == End::Reset).count();
        if resets == 3 && self.forgets {
            tracing::error!("too many resets");
        }
    }
}

async fn write(cx: &HostContext) -> Result<(), BoxError> {
    let Script { puts } = cx.config()?;
    let puts = std::env::var("PUTS").map_or(Ok(puts), |puts| puts.parse())?;
    let mut open = None;
    for number in 0..puts {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cx.offered(format!("/{number}"));
        while put(&mut open, number).await.is_err() {
            open = None;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    // What ends after the last put ends nothing.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// Puts a number and waits for the answer, five seconds at most.
async fn put(open: &mut Option<TcpStream>, number: u32) -> Result<(), BoxError> {
    let talk = async {
        let stream = match open {
            Some(stream) => stream,
            None => open.insert(TcpStream::connect("store:80").await?),
        };
        stream.write_all(format!("PUT /{number} HTTP/1.1\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
        let (mut answer, mut bytes) = (Vec::new(), [0; 256]);
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read(&mut bytes).await? {
                0 => return Err("the store has left".into()),
                n => answer.extend_from_slice(&bytes[..n]),
            }
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(5), talk).await?
}
