//! Panics: of a task, of a root, of the harness itself; and of other runs, which must change nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt as _;
use halfopen::SimError;
use halfopen::trace::{ProcessEvent, RecordKind};
use halfopen::{BoxError, Outcome};
use halfopen_net::TcpListener;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::stage::{Stage, Told, pair, s, tell};

#[test]
fn a_panic_in_a_task_is_told_by_survival_and_nobody_else_ends() {
    let outcome = Stage::new("task_panic")
        .actor("client", async |_| {
            tokio::spawn(async { panic!("the task's own fault") });
            sleep(s(1)).await;
            Ok(())
        })
        .run();
    let (message, root) = &panicked(&outcome)[0];
    assert!(message.starts_with("the task's own fault at panics.rs:") && !root, "{message}");
    assert_eq!(outcome.broken(), ["survival: panic @ client"]);
}

#[test]
fn a_configuration_that_no_service_can_read_is_the_inputs_fault_and_no_law_is_broken() {
    #[derive(Debug, serde::Deserialize)]
    struct Wants {
        port: u16,
    }
    let refused = Stage::new("no_configuration")
        .actor("client", async |cx| {
            let Wants { port } = cx.config()?;
            Err(format!("there is no port {port}").into())
        })
        .try_run();
    let Err(SimError::Config { host, sentence, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((host.as_str(), sentence.as_str()), ("client", "`port` is missing"));
}

#[test]
fn a_panic_in_a_root_ends_its_host_and_is_told() {
    let outcome = pair(
        "root_panic",
        async |_, _| panic!("the root's own fault"),
        async |_, mut stream| {
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 8]).await;
            sleep(s(5)).await;
            Ok(())
        },
    )
    .run();
    assert!(panicked(&outcome)[0].1, "it was the root");
    let ended = |what: &RecordKind| matches!(what, RecordKind::Process(ProcessEvent::Exited { error: Some(error) }) if error == "panicked");
    assert!(outcome.trace.records.iter().any(|record| ended(&record.what)));
    assert_eq!(outcome.broken(), ["survival: panic @ server"]);
}

/// A root that serves one request after the other and catches what a request's panic throws is a usual kind of isolation.
#[test]
fn a_panic_that_a_root_catches_is_told_and_the_host_goes_on() {
    let outcome = Stage::new("caught_in_root")
        .host("server", async |cx| {
            let caught = std::panic::catch_unwind(|| panic!("the request's own fault"));
            tell(&cx, "caught", caught.is_err());
            let later = AssertUnwindSafe(async { panic!("the second request's own fault") }).catch_unwind();
            sleep(s(1)).await;
            tell(&cx, "caught", later.await.map_err(drop).err() == Some(()));
            cx.stopped().await;
            tell(&cx, "served", "to the end");
            Ok(())
        })
        .actor("client", async |_| {
            sleep(s(3)).await;
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("caught"), ["true", "true"]);
    assert_eq!(outcome.words("served"), ["to the end"]);
    let told: Vec<_> = panicked(&outcome).into_iter().map(|(_, root)| root).collect();
    assert_eq!(told, [false, false]);
    assert_eq!(outcome.broken(), ["survival: panic @ server"]);
}

#[test]
fn a_hook_that_a_service_sets_is_told_and_the_next_run_hears_panics_again() {
    // In a process of its own: a hook is everybody's.
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panics::a_service_that_sets_a_hook", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "sets a panic hook; another test starts it in a process of its own"]
fn a_service_that_sets_a_hook() {
    let deaf = Stage::new("own_hook").actor("client", async |_| {
        std::panic::set_hook(Box::new(|_| {}));
        assert!(tokio::spawn(async { panic!("unheard") }).await.is_err());
        Ok(())
    });
    let strays = deaf.run().violated("stray");
    assert!(strays.len() == 1 && strays[0].contains("std::panic::set_hook"), "{strays:?}");
    let outcome = Stage::new("hook_again").actor("client", task_panics).run();
    assert_eq!(panicked(&outcome).len(), 1);
}

#[test]
fn a_destructor_that_panics_when_everything_is_over_is_told() {
    struct Late(&'static str);
    impl Drop for Late {
        fn drop(&mut self) {
            panic!("{}", self.0);
        }
    }
    let outcome = Stage::new("late_panics")
        .actor("client", async |_| {
            for word in ["one", "other", "one"] {
                tokio::spawn(async move {
                    let _late = Late(word);
                    std::future::pending::<()>().await;
                });
            }
            sleep(s(1)).await;
            Ok(())
        })
        .run();
    let told = outcome.violated("panic");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("dropped: one at panics.rs") && told[1].contains("dropped: other at"), "{told:?}");
    assert_eq!(outcome.broken()[0], "integrity: panic");
}

/// A waker is called by the network itself; a panic there is not a task's, and tokio would keep it to itself.
#[test]
fn a_panic_inside_the_harness_fails_the_run() {
    let result = pair(
        "harness_panic",
        async |_, mut stream| {
            sleep(s(1)).await;
            stream.write_u8(1).await?;
            Ok(())
        },
        async |_, stream| {
            let waker = Waker::from(Arc::new(Grenade));
            let armed: Poll<_> = stream.poll_read_ready(&mut Context::from_waker(&waker));
            assert!(armed.is_pending());
            sleep(s(10)).await;
            Ok(())
        },
    )
    .try_run();
    match result {
        Err(SimError::Defect { message }) => assert!(message.contains("the pin was pulled"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn runs_that_panic_beside_others_change_nothing_in_them() {
    let alone = calm().run();
    let threads: Vec<_> = (0..400)
        .map(|n| {
            std::thread::spawn(move || match n % 4 {
                0 => Stage::new("panicking_root").actor("client", async |_| panic!("root")).run(),
                1 => Stage::new("panicking_task").actor("client", task_panics).run(),
                _ => calm().run(),
            })
        })
        .collect();
    for (n, thread) in threads.into_iter().enumerate() {
        let outcome = thread.join().unwrap();
        if n % 4 < 2 {
            assert_eq!(outcome.broken(), ["survival: panic @ client"]);
        } else {
            assert_eq!(outcome.difference(&alone), None);
        }
    }
}

async fn task_panics(_: halfopen::HostContext) -> Result<(), BoxError> {
    let task = tokio::spawn(async { panic!("task") });
    assert!(task.await.is_err());
    Ok(())
}

/// A run without a fault.
fn calm() -> Stage {
    Stage::new("calm_beside_panics")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            while let Some(accepted) = tokio::select! {
                () = cx.stopped() => None,
                accepted = listener.accept() => Some(accepted),
            } {
                let (mut stream, _) = accepted?;
                tokio::io::copy(&mut &[7; 5000][..], &mut stream).await?;
            }
            Ok(())
        })
        .actor("client", async |cx| {
            for _ in 0..5 {
                let mut stream = halfopen_net::TcpStream::connect("server:80").await?;
                let mut all = Vec::new();
                tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all).await?;
                tell(&cx, "bytes", all.len() as u64 ^ rand::random::<u64>());
            }
            Ok(())
        })
        .interleaved()
}

fn panicked(outcome: &Outcome) -> Vec<(String, bool)> {
    let panics = outcome.trace.records.iter().filter_map(|record| match &record.what {
        RecordKind::Process(ProcessEvent::Panicked { message, root }) => Some((message.clone(), *root)),
        _ => None,
    });
    panics.collect()
}

struct Grenade;

impl Wake for Grenade {
    fn wake(self: Arc<Self>) {
        panic!("the pin was pulled");
    }
}
