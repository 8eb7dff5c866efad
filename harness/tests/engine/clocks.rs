//! What time it is: every clock of a run is the run's own, and they agree.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn all_clocks_of_a_run_agree() {
    let outcome = Stage::new("clocks")
        .actor("client", async |cx| {
            tell(&cx, "begin", SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos());
            let (std, tokio, wall) = (Instant::now(), tokio::time::Instant::now(), SystemTime::now());
            for step in [1, 20, 333, 86_400_000] {
                sleep(ms(step)).await;
                tell(&cx, "agree", std.elapsed() == tokio.elapsed() && wall.elapsed()? == std.elapsed());
            }
            tell(&cx, "elapsed", std.elapsed().as_millis());
            tell(&cx, "same", tokio::time::Instant::now().into_std() == Instant::now());
            let here = std.elapsed();
            let there = tokio::task::spawn_blocking(move || std.elapsed()).await?;
            tell(&cx, "blocking", here == there);
            Ok(())
        })
        .time_limit(s(100_000))
        .run();
    assert_eq!(outcome.words("begin"), ["1700000000000000000"]);
    assert_eq!(outcome.words("agree"), ["true"; 4]);
    assert_eq!(outcome.words("elapsed"), ["86400354"]);
    assert_eq!(outcome.words("same"), ["true"]);
    assert_eq!(outcome.words("blocking"), ["true"]);
}

#[test]
fn records_carry_the_same_time() {
    let outcome = Stage::new("record_clock")
        .actor("client", async |cx| {
            for _ in 0..5 {
                sleep(ms(1234)).await;
                let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
                tell(&cx, "now", (since - s(1_700_000_000)).as_nanos());
            }
            Ok(())
        })
        .run();
    let told = outcome.told("now");
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|(at, now)| at.as_nanos().to_string() == *now), "{told:?}");
}

#[test]
fn a_timed_wait_of_a_blocking_thread_comes_to_its_end() {
    let outcome = Stage::new("blocking_wait")
        .actor("client", async |cx| {
            let waited = tokio::task::spawn_blocking(|| {
                let lock = std::sync::Mutex::new(());
                let guard = lock.lock().unwrap();
                std::sync::Condvar::new().wait_timeout(guard, ms(5)).unwrap().1.timed_out()
            });
            tell(&cx, "timed out", waited.await?);
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("timed out"), ["true"]);
}

#[test]
fn idle_time_costs_nothing() {
    let outcome = Stage::new("idle_year")
        .actor("client", async |_| {
            sleep(s(300 * 24 * 3600)).await;
            Ok(())
        })
        .time_limit(s(301 * 24 * 3600))
        .run();
    assert!(outcome.simulated > s(300 * 24 * 3600));
    assert!(outcome.polls < 50, "{} polls", outcome.polls);
}
