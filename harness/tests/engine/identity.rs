//! Which host a call belongs to: that of the task that spawned the task, however it was spawned.

use std::sync::{Arc, Mutex};

use halfopen::name::Side;
use halfopen::trace::{ConnectionEvent, RecordKind};
use halfopen::{BoxError, HostContext};
use halfopen_net::{TcpListener, TcpStream, lookup_host};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn a_task_speaks_as_the_host_that_spawned_it_however_it_was_spawned() {
    for seed in 1..=4 {
        let outcome =
            mirror("spawners").actor("left", every_way).actor("right", every_way).interleaved().seed(seed).run();
        let ways = ["spawn", "nested", "handle", "local", "join set", "tracker", "local set", "nested local", "hyper"];
        for way in ways {
            assert_eq!(outcome.words(way), ["true", "true"], "{way}");
        }
        assert!(outcome.passed(), "{:?}", outcome.broken());
    }
}

#[test]
fn a_listener_of_a_spawned_task_is_its_hosts() {
    let bind = async |cx: HostContext| {
        // No other socket can bind it.
        let own = lookup_host((cx.name().as_str(), 80)).await?.next().ok_or("no address")?;
        let bound = tokio::spawn(TcpListener::bind(own)).await?;
        tell(&cx, "own", bound.is_ok_and(|listener| listener.local_addr().is_ok_and(|address| address == own)));
        Ok(())
    };
    let outcome = Stage::new("listeners").actor("left", bind).actor("right", bind).run();
    assert_eq!(outcome.words("own"), ["true", "true"]);
}

#[test]
fn a_destructor_speaks_as_its_tasks_host_whoever_aborted_the_task() {
    let slot: Arc<Mutex<Option<tokio::task::AbortHandle>>> = Arc::default();
    let to_abort = Arc::clone(&slot);
    let outcome = Stage::new("aborts")
        .actor("left", move |_| {
            let slot = Arc::clone(&slot);
            async move {
                let polled = tokio::spawn(async {
                    let _crier = Crier("polled");
                    std::future::pending::<()>().await;
                });
                *slot.lock().unwrap() = Some(polled.abort_handle());
                let crier = Crier("never polled");
                tokio::spawn(async move {
                    let _crier = crier;
                    std::future::pending::<()>().await;
                })
                .abort();
                let mut set = JoinSet::new();
                set.spawn(async {
                    let _crier = Crier("set");
                    std::future::pending::<()>().await;
                });
                sleep(s(1)).await;
                drop(set);
                sleep(s(5)).await;
                Ok(())
            }
        })
        .actor("right", move |_| {
            let slot = Arc::clone(&to_abort);
            async move {
                sleep(s(2)).await;
                let handle = slot.lock().unwrap().take();
                handle.ok_or("left has not spawned")?.abort();
                sleep(s(1)).await;
                Ok(())
            }
        })
        .run();
    let cries = outcome.trace.records.iter().filter_map(|record| match &record.what {
        RecordKind::Event(event) => Some(format!("{}: {}", record.host.as_ref()?, event.message)),
        _ => None,
    });
    let cries = cries.collect::<Vec<_>>();
    assert_eq!(cries, ["left: dropped never polled", "left: dropped set", "left: dropped polled"]);
}

#[test]
fn a_socket_dropped_by_another_host_closes_its_own_connection() {
    let slot: Arc<Mutex<Option<TcpStream>>> = Arc::default();
    let taken = Arc::clone(&slot);
    let outcome = mirror("smuggled_socket")
        .actor("left", move |_| {
            let slot = Arc::clone(&slot);
            async move {
                let stream = TcpStream::connect("mirror:80").await?;
                *slot.lock().unwrap() = Some(stream);
                sleep(s(5)).await;
                Ok(())
            }
        })
        .actor("right", move |cx| {
            let slot = Arc::clone(&taken);
            async move {
                let mut own = TcpStream::connect("mirror:80").await?;
                sleep(s(1)).await;
                drop(slot.lock().unwrap().take());
                sleep(s(1)).await;
                let mut name = String::new();
                own.shutdown().await?;
                own.read_to_string(&mut name).await?;
                tell(&cx, "own goes on", name == own_address(&cx).await?);
                Ok(())
            }
        })
        .run();
    let fin = outcome.trace.records.iter().find_map(|record| match &record.what {
        RecordKind::Connection { id, event: ConnectionEvent::Closed { by: Side::Client } } => {
            Some((record.at, id.to_string()))
        }
        _ => None,
    });
    assert_eq!(fin, Some((s(1) + ms(20), "left->mirror#1".to_owned())));
    assert_eq!(outcome.words("own goes on"), ["true"]);
}

/// Asks the mirror through a task of every kind, and tells whether it saw this host.
async fn every_way(cx: HostContext) -> Result<(), BoxError> {
    let own = own_address(&cx).await?;
    let check = |way: &str, seen: std::io::Result<String>| {
        tell(&cx, way, seen.is_ok_and(|seen| seen == own));
    };
    check("spawn", tokio::spawn(ask()).await?);
    check("nested", tokio::spawn(async { tokio::spawn(ask()).await }).await??);
    check("handle", tokio::runtime::Handle::current().spawn(ask()).await?);
    check("local", tokio::task::spawn_local(ask()).await?);
    let mut set = JoinSet::new();
    set.spawn(ask());
    if let Some(seen) = set.join_next().await {
        check("join set", seen?);
    }
    check("tracker", TaskTracker::new().spawn(ask()).await?);
    let local = LocalSet::new();
    let task = local.spawn_local(ask());
    check("local set", local.run_until(task).await?);
    let local = LocalSet::new();
    check("nested local", local.run_until(async { tokio::task::spawn_local(ask()).await }).await?);
    let (sender, receiver) = oneshot::channel();
    hyper::rt::Executor::execute(&TokioExecutor::new(), async move {
        let _ = sender.send(ask().await);
    });
    check("hyper", receiver.await?);
    Ok(())
}

/// What the mirror sees.
async fn ask() -> std::io::Result<String> {
    let mut stream = TcpStream::connect("mirror:80").await?;
    stream.shutdown().await?;
    let mut seen = String::new();
    stream.read_to_string(&mut seen).await?;
    Ok(seen)
}

async fn own_address(cx: &HostContext) -> std::io::Result<String> {
    let mut own = lookup_host((cx.name().as_str(), 80)).await?;
    Ok(own.next().map(|address| address.ip().to_string()).unwrap_or_default())
}

/// A host that tells everybody from which address they come.
fn mirror(name: &str) -> Stage {
    Stage::new(name).host("mirror", async |cx| {
        let listener = TcpListener::bind("0.0.0.0:80").await?;
        let mut answers = JoinSet::new();
        loop {
            let (mut stream, peer) = tokio::select! {
                () = cx.stopped() => return Ok(()),
                accepted = listener.accept() => accepted?,
            };
            answers.spawn(async move {
                // Until the other side has finished.
                let _ = stream.read(&mut [0; 1]).await;
                let _ = stream.write_all(peer.ip().to_string().as_bytes()).await;
            });
        }
    })
}

/// Logs its end.
struct Crier(&'static str);

impl Drop for Crier {
    fn drop(&mut self) {
        tracing::info!("dropped {}", self.0);
    }
}

#[test]
fn an_event_is_heard_in_a_run_although_it_was_first_told_outside_of_every_run() {
    fn tell_it() {
        tracing::info!("told twice");
    }
    let silent = Stage::new("silent").actor("teller", |_| async { Ok(()) });
    silent.run();
    std::thread::spawn(tell_it).join().expect("telling does not panic");
    let told = Stage::new("told").actor("teller", |_| async {
        tell_it();
        Ok(())
    });
    let events = told.run().trace.records.into_iter().filter(|record| match &record.what {
        RecordKind::Event(event) => event.message == "told twice",
        _ => false,
    });
    assert_eq!(events.count(), 1);
}
