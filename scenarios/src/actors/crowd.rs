//! Many connections at once, a share of them dropped abruptly (docs/failures.md, racing close): the load under which a server must stay
//! stable.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen::{BoxError, FactKind, HostContext};
use halfopen_link::LinkConfig;
use halfopen_link::codec::{decode, encode};
use halfopen_link::id;
use halfopen_link::message::{FromSession, Submit, ToSession};
use halfopen_machine::SplitMix64;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tracing::info;

/// What the crowd does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The scheduler's session endpoint.
    pub url: String,
    /// The number of connections.
    pub connections: u32,
    /// How many messages each sends.
    pub messages: u32,
    /// How many of a hundred connections are dropped abruptly, each at a moment of its own.
    pub dropped_percent: u32,
}

/// Over which all connections begin, and over which a dropped one is.
const SPREAD: Duration = Duration::from_secs(2);
/// Between two messages of a connection.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of one connection.
#[derive(Default)]
struct ConnectionCounts {
    sent: u32,
    received: u32,
    was_dropped: bool,
}

/// Plays the load, then one more connection, and says what came of it: as the event `stability` and as gauges.
///
/// # Errors
/// If the script cannot be read. What happens to a connection is counted.
pub async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: Script = cx.config()?;
    let mut draws = SplitMix64::new(id::seed());
    let mut crowd = JoinSet::new();
    for n in 0..script.connections {
        let begins = draws.duration_up_to(SPREAD);
        let is_dropped = draws.next_u64() % 100 < u64::from(script.dropped_percent);
        let drop_after = is_dropped.then(|| draws.duration_up_to(SPREAD));
        let (cx, script) = (cx.clone(), script.clone());
        crowd.spawn(async move {
            sleep(begins).await;
            member(&cx, &script, &format!("c{n}"), drop_after).await
        });
    }
    let (mut all, mut succeeded, mut dropped) = (ConnectionCounts::default(), 0, 0);
    while let Some(tally) = crowd.join_next().await {
        let tally = tally?;
        all.sent += tally.sent;
        all.received += tally.received;
        if tally.was_dropped {
            dropped += 1;
        } else if tally.received == script.messages {
            succeeded += 1;
        }
    }
    let afterwards = member(&cx, &script, "afterwards", None).await;
    let stayed = script.connections - dropped;
    info!(
        connections = script.connections,
        dropped,
        success_rate = format!("{succeeded}/{stayed}"),
        sent = all.sent,
        received = all.received,
        lost = all.sent - all.received,
        answered_afterwards = afterwards.received,
        "stability"
    );
    cx.fact(FactKind::Gauge, "connections", script.connections);
    cx.fact(FactKind::Gauge, "dropped", dropped);
    cx.fact(FactKind::Gauge, "succeeded", succeeded);
    cx.fact(FactKind::Gauge, "unanswered_afterwards", script.messages - afterwards.received);
    Ok(())
}

/// One connection: a session, its messages, and their answers. One that is dropped says so of what it leaves unanswered.
async fn member(cx: &HostContext, script: &Script, name: &str, drop_after: Option<Duration>) -> ConnectionCounts {
    let mut tally = ConnectionCounts { was_dropped: drop_after.is_some(), ..ConnectionCounts::default() };
    // Small buffers: there are hundreds of them, and a library that clears the default ones at each read.
    let config = Some(LinkConfig::default().websocket());
    let connecting = connect_async_with_config(&script.url, config, true);
    let Ok(Ok((mut socket, _))) = timeout(PATIENCE, connecting).await else { return tally };
    let mut waiting = BTreeSet::new();
    let talk = async {
        let hello = FromSession::SessionInit { client_version: "crowd".to_owned(), resume: None };
        socket.send(Message::text(encode(&hello))).await?;
        for index in 0..script.messages {
            let job_id = id::job();
            cx.offered(&job_id);
            waiting.insert(job_id.clone());
            socket.send(Message::text(encode(&submit(job_id, index, name)))).await?;
            tally.sent += 1;
            hear_for(PAUSE, &mut socket, cx, &mut waiting, &mut tally.received).await?;
        }
        while !waiting.is_empty() {
            hear_for(PAUSE, &mut socket, cx, &mut waiting, &mut tally.received).await?;
        }
        Ok::<_, BoxError>(())
    };
    // A member that is late or fails has unanswered messages; those are counted.
    let _ = timeout(drop_after.unwrap_or(PATIENCE), talk).await;
    for job_id in &waiting {
        cx.fact(FactKind::ClaimedFailed, job_id, "its connection is gone");
    }
    match socket.get_ref() {
        // A refused option would make the end an orderly one, which is no harm.
        MaybeTlsStream::Plain(stream) if drop_after.is_some() => drop(stream.set_zero_linger()),
        _ => goodbye(socket).await,
    }
    tally
}

/// Hears answers for a while.
async fn hear_for(
    time: Duration,
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    cx: &HostContext,
    waiting: &mut BTreeSet<String>,
    received: &mut u32,
) -> Result<(), BoxError> {
    let hear = async {
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message? else { continue };
            if let Ok(ToSession::Result { seq, job_id, .. }) = decode::<ToSession>(&text) {
                waiting.remove(&job_id);
                cx.received(&job_id);
                *received += 1;
                socket.send(Message::text(encode(&FromSession::Ack { upto_seq: seq }))).await?;
            }
        }
        Err::<(), BoxError>("the scheduler has closed".into())
    };
    // The time is over: that is how it ends well.
    timeout(time, hear).await.unwrap_or(Ok(()))
}

fn submit(job_id: String, index: u32, name: &str) -> FromSession {
    FromSession::Submit(Submit {
        job_id,
        utterance_index: u64::from(index),
        text: format!("{name} says {index}"),
        src_lang: "zh".to_owned(),
        tgt_lang: "en".to_owned(),
        trace_id: id::trace(),
    })
}

async fn goodbye(mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>) {
    let leaving = async {
        // A connection that is gone needs no goodbye.
        let _ = socket.send(Message::text(encode(&FromSession::SessionClose))).await;
        let _ = socket.close(None).await;
        while socket.next().await.is_some_and(|read| read.is_ok()) {}
    };
    let _ = timeout(Duration::from_secs(2), leaving).await;
}
