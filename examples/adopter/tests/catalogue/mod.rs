//! What the scenarios may name: the service, the client, and the client's old defect.

use std::time::Duration;

use echo_line::{Client, Config, GaveUp, Note, SloppyClient, server};
use halfopen::{Catalogue, HostContext};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

/// The service and its clients.
pub fn catalogue() -> Catalogue {
    Catalogue::new(env!("CARGO_MANIFEST_DIR"), "scenarios")
        .command("cargo halfopen")
        .host("server", async |cx| Ok(server::run(cx.config()?, cx.shutdown()).await?))
        .actor("client", async |cx| {
            let script: Script = cx.config()?;
            let mut client = Client::new(script.client);
            speak(&cx, &script.notes, async |note| client.deliver(note).await).await;
            client.close().await;
            Ok(())
        })
        .actor("sloppy_client", async |cx| {
            let script: Script = cx.config()?;
            let mut client = SloppyClient::new(script.client);
            speak(&cx, &script.notes, async |note| client.deliver(note).await).await;
            client.close().await;
            Ok(())
        })
        .specimen("send-counts-as-delivered", "alice", "sloppy_client")
}

/// What is delivered, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    client: Config,
    notes: Vec<Saying>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saying {
    /// Since the start; never before the note before is done.
    #[serde(with = "humantime_serde")]
    at: Duration,
    text: String,
}

/// Offers the notes, each at its time.
async fn speak(cx: &HostContext, notes: &[Saying], mut deliver: impl AsyncFnMut(&Note) -> Result<(), GaveUp>) {
    let started = Instant::now();
    for (n, saying) in notes.iter().enumerate() {
        sleep_until(started + saying.at).await;
        let note = Note::new(format!("note-{}", n + 1), &saying.text);
        cx.offered(&note.id);
        // A client that gives up says so with an event, and whether it may is for the laws to say.
        let _ = deliver(&note).await;
    }
}
