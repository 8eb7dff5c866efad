//! Blocking work: it runs when the poll that gave it is over, to its end or to where it waits, and its sleeps are the run's.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use halfopen::{BoxError, HostContext};
use halfopen::{FactKind, Outcome};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::sleep;

use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn jobs_run_in_the_order_in_which_they_were_given_whatever_they_cost() {
    let outcome = twice("blocking_order", async |cx| {
        let (done, mut jobs) = mpsc::unbounded_channel();
        for n in 0..16_u64 {
            let done = done.clone();
            spawn_blocking(move || {
                let cost = 20_000 * (16 - n);
                std::hint::black_box((0..cost).fold(n, |sum, step| sum.wrapping_mul(31) ^ step));
                done.send(n)
            });
        }
        drop(done);
        while let Some(n) = jobs.recv().await {
            tell(&cx, "job", n);
            yield_now().await;
        }
        Ok(())
    });
    assert_eq!(outcome.words("job"), (0..16).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_job_is_done_when_the_poll_that_gave_it_is_over() {
    let outcome = twice("blocking_instant", async |cx| {
        let begun = Instant::now();
        let mut job = spawn_blocking(|| (0..3_000_000_u64).fold(1_u64, |sum, n| sum.wrapping_mul(31) ^ n));
        let mut ticks = 0;
        loop {
            tokio::select! {
                biased;
                done = &mut job => { std::hint::black_box(done?); break }
                () = yield_now() => ticks += 1,
            }
        }
        tell(&cx, "ticks", ticks);
        tell(&cx, "took", begun.elapsed().as_nanos());
        Ok(())
    });
    assert_eq!(outcome.words("ticks"), ["0"]);
    assert_eq!(outcome.words("took"), ["0"]);
}

#[test]
fn a_sleep_of_a_job_lets_time_go_on_for_everybody() {
    let outcome = twice("blocking_sleep", async |cx| {
        let begun = Instant::now();
        let job = spawn_blocking(|| std::thread::sleep(ms(300)));
        sleep(ms(100)).await;
        tell(&cx, "meanwhile", begun.elapsed().as_millis());
        job.await?;
        tell(&cx, "slept", begun.elapsed().as_millis());
        Ok(())
    });
    assert_eq!(outcome.words("meanwhile"), ["100"]);
    assert_eq!(outcome.words("slept"), ["300"]);
}

#[test]
fn a_sleep_on_the_runs_own_thread_lets_time_go_on() {
    let outcome = twice("sleep_in_poll", async |cx| {
        let (std, tokio) = (Instant::now(), tokio::time::Instant::now());
        std::thread::sleep(ms(700));
        tell(&cx, "slept", std.elapsed().as_millis());
        tell(&cx, "tokio", tokio.elapsed().as_millis());
        Ok(())
    });
    assert_eq!(outcome.words("slept"), ["700"]);
    assert_eq!(outcome.words("tokio"), ["700"]);
    assert_eq!(outcome.told("slept")[0].0, ms(700));
}

#[test]
fn timed_waits_come_to_their_end_in_virtual_time() {
    let outcome = twice("timed_waits", async |cx| {
        for place in ["own", "job"] {
            let wait = || {
                let begun = Instant::now();
                let (lock, signal) = (Mutex::new(()), Condvar::new());
                let guard = lock.lock().unwrap();
                let condvar = signal.wait_timeout(guard, ms(30)).unwrap().1.timed_out();
                let (_sender, receiver) = channel::<()>();
                let received = receiver.recv_timeout(ms(20));
                std::thread::park_timeout(ms(7));
                (condvar, received == Err(RecvTimeoutError::Timeout), begun.elapsed().as_millis())
            };
            let waited = if place == "own" { wait() } else { spawn_blocking(wait).await? };
            tell(&cx, "waited", format!("{waited:?}"));
        }
        Ok(())
    });
    assert_eq!(outcome.words("waited"), ["(true, true, 57)"; 2]);
}

#[test]
fn a_job_waits_for_the_runtime_and_the_runtime_for_a_job() {
    let outcome = twice("blocking_waits", async |cx| {
        let (sender, mut receiver) = mpsc::channel(1);
        let job = spawn_blocking(move || receiver.blocking_recv());
        sleep(s(5)).await;
        sender.send(7).await?;
        tell(&cx, "received", format!("{:?}", job.await?));
        let handle = Handle::current();
        let begun = Instant::now();
        let job = spawn_blocking(move || {
            handle.block_on(async {
                sleep(s(2)).await;
                5
            })
        });
        tell(&cx, "blocked", format!("{} {:?}", job.await?, begun.elapsed()));
        // Two threads: the second releases the first.
        let (sender, receiver) = channel();
        let first = spawn_blocking(move || receiver.recv());
        spawn_blocking(move || sender.send(3)).await??;
        tell(&cx, "released", first.await??);
        Ok(())
    });
    assert_eq!(outcome.words("received"), ["Some(7)"]);
    assert_eq!(outcome.words("blocked"), ["5 2s"]);
    assert_eq!(outcome.words("released"), ["3"]);
}

#[test]
fn what_a_job_tells_logs_draws_and_panics_with_is_its_hosts() {
    let outcome = Stage::new("blocking_tells")
        .host("server", async |cx| {
            let at = sleep(s(1));
            at.await;
            let teller = cx.clone();
            spawn_blocking(move || {
                tracing::warn!(answer = 42, "a job logs");
                tell(&teller, "told", rand::random::<u64>());
            })
            .await?;
            let ended = spawn_blocking(|| panic!("a job panics")).await;
            tell(&cx, "ended", ended.is_err_and(|error| error.is_panic()));
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |_| {
            sleep(s(2)).await;
            Ok(())
        })
        .run();
    let by_server = |word: &str| {
        let records = outcome.trace.records.iter();
        let found = records.filter(|record| format!("{:?}", record.what).contains(word));
        found.map(|record| (record.at, record.host.as_ref().map(ToString::to_string))).collect::<Vec<_>>()
    };
    for word in ["a job logs", "told", "a job panics"] {
        assert_eq!(by_server(word), [(s(1), Some("server".to_owned()))], "{word}");
    }
    assert_eq!(outcome.words("ended"), ["true"]);
    assert!(outcome.broken()[0].starts_with("survival"), "{:?}", outcome.broken());
}

#[test]
fn tokios_files_are_deterministic() {
    let outcome = twice("blocking_files", async |cx| {
        let path = std::env::temp_dir().join(format!("halfopen-{}-{:x}", std::process::id(), rand::random::<u64>()));
        tokio::fs::write(&path, "x".repeat(100_000)).await?;
        tell(&cx, "read", tokio::fs::read(&path).await?.len());
        tokio::fs::remove_file(&path).await?;
        Ok(())
    });
    assert_eq!(outcome.words("read"), ["100000"]);
}

#[test]
fn a_lock_that_nobody_will_release_is_a_broken_law_with_all_that_was_known() {
    let stage = Stage::new("own_deadlock").seed(9).actor("client", async |cx| {
        sleep(s(1)).await;
        tell(&cx, "before", 1);
        let lock = Mutex::new(());
        let _held = lock.lock().unwrap();
        let _again = lock.lock().unwrap();
        tell(&cx, "after", 1);
        Ok(())
    });
    let begun = Instant::now();
    let outcome = stage.run();
    assert!(begun.elapsed() < s(40), "{:?}", begun.elapsed());
    let stuck = outcome.violated("stuck");
    assert!(stuck.len() == 1 && stuck[0].starts_with("client waits for ever for a lock"), "{stuck:?}");
    assert_eq!(outcome.broken()[0], "integrity: stuck @ client");
    assert_eq!(outcome.only("before").0, s(1));
    assert_eq!(outcome.words("after"), [""; 0]);
    assert_eq!(outcome.difference(&stage.run()), None);
}

#[test]
fn two_threads_that_wait_for_each_other_are_a_broken_law() {
    let outcome = Stage::new("own_deadlock_of_two")
        .actor("client", async |_| {
            let (first, second) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
            let _held = first.lock().unwrap();
            let locks = (Arc::clone(&first), Arc::clone(&second));
            let thread = std::thread::spawn(move || {
                let _held = locks.1.lock().unwrap();
                let _again = locks.0.lock().unwrap();
            });
            std::thread::sleep(ms(1));
            let _again = second.lock().unwrap();
            drop(thread);
            Ok(())
        })
        .run();
    assert_eq!(outcome.broken()[0], "integrity: stuck @ client");
}

#[test]
fn a_job_that_never_ends_does_not_keep_the_run_from_ending() {
    let outcome = twice("endless_job", async |cx| {
        let (sender, receiver) = channel::<()>();
        spawn_blocking(move || receiver.recv());
        let (answer, answered) = oneshot::channel();
        spawn_blocking(move || answer.send(1));
        tell(&cx, "answer", answered.await?);
        std::mem::forget(sender);
        Ok(())
    });
    assert_eq!(outcome.words("answer"), ["1"]);
}

/// Plays it twice; the runs agree, and every law holds.
#[track_caller]
pub(crate) fn twice<F, R>(name: &str, actor: F) -> Outcome
where
    F: Fn(HostContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), BoxError>> + 'static,
{
    let stage = Stage::new(name).actor("client", actor);
    let (one, other) = (stage.run(), stage.run());
    assert_eq!(one.difference(&other), None);
    assert!(one.passed(), "{:?} {:?}", one.broken(), one.told_of(FactKind::Gauge));
    one
}

trait ToldOf {
    fn told_of(&self, kind: FactKind) -> Vec<String>;
}

impl ToldOf for Outcome {
    fn told_of(&self, kind: FactKind) -> Vec<String> {
        let told = self.trace.records.iter().filter_map(|record| match &record.what {
            halfopen::trace::RecordKind::Fact(fact) if fact.kind == kind => Some(format!("{fact:?}")),
            _ => None,
        });
        told.collect()
    }
}
