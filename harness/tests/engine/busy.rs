//! A run in which much happens: WebSocket sessions with tasks of their own, random waits and pauses, maps, a
//! process-wide lazy, a crash, a power loss, a partition and jitter.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use halfopen::{BoxError, Catalogue, FactKind, HostContext, Outcome, Plan, Scenario, Seed};
use halfopen_net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

const SCENARIO: &str = r#"
    proves = "much can happen in one run"
    settle = "5s"

    [host.echo]
    run = "echo"

    [actor.alice]
    run = "talker"

    [actor.bob]
    run = "talker"
    start = "70ms"

    [[fault]]
    host = "echo"
    when = { at = "9s" }
    do = "crash"
    restart_after = "2s"

    [[fault]]
    host = "echo"
    when = { at = "25s" }
    do = "power_loss"
    restart_after = "3s"

    [[fault]]
    between = ["alice", "echo"]
    when = { at = "40s" }
    do = "partition"
    heal_after = "4s"

    [[fault]]
    link = "bob -> echo"
    when = { message = 3, direction = "to_client" }
    do = "jitter"
    up_to = "30ms"
"#;

/// The run under a seed.
pub(crate) fn outcome(seed: u64) -> Outcome {
    let scenario = Scenario::from_toml(SCENARIO, Path::new("busy.toml")).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::draw(&scenario, Seed(seed));
    catalogue().run(&plan).unwrap_or_else(|error| panic!("{error}"))
}

fn catalogue() -> Catalogue {
    Catalogue::new("", "").host("echo", echo).actor("talker", talk)
}

async fn echo(cx: HostContext) -> Result<(), BoxError> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    let mut sessions = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = cx.stopped() => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        // By name: the module is another in each program that plays this.
        tracing::info!(target: "echo", %peer, "accepted");
        sessions.spawn(async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn talk(cx: HostContext) -> Result<(), BoxError> {
    let mut heard: HashMap<String, u32> = HashMap::new();
    let until = Instant::now() + Duration::from_secs(60);
    let mut session = 0;
    while Instant::now() < until {
        session += 1;
        let connected =
            timeout(Duration::from_secs(5), halfopen_net::tungstenite::connect_async("ws://echo:80/")).await;
        let Ok(Ok((mut socket, _))) = connected else {
            sleep(pause()).await;
            continue;
        };
        for n in 0..10 {
            let word = format!("{session}.{n} {:x}", rand::random::<u64>() ^ lazy());
            let sent = socket.send(Message::text(word)).await;
            let answer = timeout(Duration::from_secs(3), socket.next()).await;
            let (Ok(()), Ok(Some(Ok(answer)))) = (sent, answer) else { break };
            *heard.entry(answer.to_string()).or_default() += 1;
            sleep(pause()).await;
        }
    }
    // In the order of the map: seeded, like everything.
    for word in heard.keys() {
        cx.fact(FactKind::Gauge, "heard", word);
    }
    Ok(())
}

fn pause() -> Duration {
    Duration::from_millis(rand::random::<u64>() % 500)
}

/// Drawn by whichever run of the process comes first.
fn lazy() -> u64 {
    static LAZY: OnceLock<u64> = OnceLock::new();
    *LAZY.get_or_init(rand::random)
}
