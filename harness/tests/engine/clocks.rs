//! What time it is: every clock of a run is the run's own, and they agree.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use halfopen::FactKind;
use halfopen::fault::{ClockJump, Crash};
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{Stage, Told, ms, pair, s, tell};

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
    assert_eq!(outcome.words("begin"), ["1798761600000000000"]);
    assert_eq!(outcome.words("agree"), ["true"; 4]);
    assert_eq!(outcome.words("elapsed"), ["86400354"]);
    assert_eq!(outcome.words("same"), ["true"]);
    assert_eq!(outcome.words("blocking"), ["true"]);
}

#[test]
fn the_wall_clock_starts_at_the_scenarios_date() {
    let mut stage = Stage::new("starts_at").actor("client", async |cx| {
        sleep(ms(1500)).await;
        tell(&cx, "now", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
        Ok(())
    });
    stage.starts_at(s(1_795_955_696));
    assert_eq!(stage.run().words("now"), ["1795955697500"]);
}

#[test]
fn records_carry_the_same_time() {
    let outcome = Stage::new("record_clock")
        .actor("client", async |cx| {
            for _ in 0..5 {
                sleep(ms(1234)).await;
                let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
                tell(&cx, "now", (since - s(1_798_761_600)).as_nanos());
            }
            Ok(())
        })
        .run();
    let told = outcome.told("now");
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|(at, now)| at.as_nanos().to_string() == *now), "{told:?}");
}

#[test]
fn every_way_to_ask_for_the_time_has_the_same_answer() {
    let outcome = Stage::new("other_clocks")
        .actor("client", async |cx| {
            sleep(ms(1500)).await;
            let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
            // SAFETY: the place is valid, and there is no zone.
            let seconds = unsafe {
                libc::gettimeofday(&mut time, std::ptr::null_mut());
                libc::time(std::ptr::null_mut())
            };
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            tell(&cx, "seconds", seconds as u64 == now.as_secs());
            tell(&cx, "micros", time.tv_sec as u64 == now.as_secs() && time.tv_usec as u32 == now.subsec_micros());
            let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: the place is valid.
            unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut spent) };
            tell(&cx, "processor", format!("{}.{:09}", spent.tv_sec, spent.tv_nsec));
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("seconds"), ["true"]);
    assert_eq!(outcome.words("micros"), ["true"]);
    assert_eq!(outcome.words("processor"), ["1.500000000"]);
}

#[test]
fn who_waits_by_looking_at_the_clock_gets_there() {
    let outcome = Stage::new("spinning")
        .actor("client", async |cx| {
            let begun = Instant::now();
            while begun.elapsed() < ms(10) {
                std::hint::spin_loop();
            }
            tell(&cx, "spun", begun.elapsed() < ms(11));
            let begun = Instant::now();
            while begun.elapsed() < ms(10) {
                tokio::task::yield_now().await;
            }
            tell(&cx, "yielded", begun.elapsed() < ms(11));
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("spun"), ["true"]);
    assert_eq!(outcome.words("yielded"), ["true"]);
    assert!(outcome.passed(), "{:?}", outcome.broken());
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

#[test]
fn a_wall_clock_jumps_alone_on_its_machine_and_for_the_process_after_this_one() {
    let looks = async |cx: halfopen::HostContext| {
        let _listener = TcpListener::bind("0.0.0.0:80").await?;
        let (wall, steady) = (SystemTime::now(), Instant::now());
        for _ in 0..3 {
            sleep(s(2)).await;
            let ahead = |later: SystemTime| match later.duration_since(wall) {
                Ok(ahead) => i128::try_from(ahead.as_millis()).unwrap_or_default(),
                Err(behind) => -i128::try_from(behind.duration().as_millis()).unwrap_or_default(),
            };
            let key = format!("{} {}", cx.name(), cx.incarnation().0);
            tell(
                &cx,
                &key,
                ahead(SystemTime::now()) - i128::try_from(steady.elapsed().as_millis()).unwrap_or_default(),
            );
        }
        tell(&cx, "since", SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
        cx.stopped().await;
        Ok(())
    };
    let outcome = Stage::new("clock_jumps")
        .host("one", looks)
        .host("other", looks)
        .actor("client", async |_| {
            let _stream = TcpStream::connect("one:80").await?;
            sleep(s(30)).await;
            Ok(())
        })
        .strike(s(1), "one", ClockJump::Forward(s(3600)))
        .strike(s(3), "one", ClockJump::Back(s(7200)))
        .strike(s(10), "one", Crash { restart_after: Some(s(1)) })
        .run();
    assert_eq!(outcome.words("one 0"), ["3600000", "-3600000", "-3600000"]);
    assert_eq!(outcome.words("other 0"), ["0"; 3]);
    // The second process reads a clock that was wrong when it began.
    assert_eq!(outcome.words("one 1"), ["0"; 3]);
    let since: Vec<_> = outcome.words("since").iter().filter_map(|seconds| seconds.parse::<i64>().ok()).collect();
    assert_eq!(since, [1_798_761_606 - 3600, 1_798_761_606, 1_798_761_617 - 3600]);
    assert_eq!(outcome.broken(), [""; 0]);
}

#[test]
fn a_session_that_lives_by_the_wall_clock_is_convicted_and_one_that_lives_by_the_steady_one_is_not() {
    let run = |name: &str, by_wall: bool| {
        pair(
            name,
            move |_, mut stream| async move {
                let (wall, steady) = (SystemTime::now(), Instant::now());
                stream.read_exact(&mut [0; 1]).await?;
                let age = if by_wall { wall.elapsed()? } else { steady.elapsed() };
                if age < s(60) {
                    stream.write_all(b"!").await?;
                }
                // A look that changes nothing: the fault is seen by either.
                tell_nothing(SystemTime::now());
                Ok(())
            },
            async |cx, mut stream| {
                sleep(s(10)).await;
                cx.offered("question");
                stream.write_all(b"?").await?;
                if stream.read_exact(&mut [0; 1]).await.is_ok() {
                    cx.received("question");
                }
                Ok(())
            },
        )
        .tells("client", &[FactKind::Offered, FactKind::Received])
        .checks("[delivery]\nlaw = \"exactly_once\"")
        .strike(s(5), "server", ClockJump::Forward(s(3600)))
        .run()
        .broken()
    };
    assert_eq!(run("session_by_steady_clock", false), [""; 0]);
    assert_eq!(run("session_by_wall_clock", true), ["delivery: silent loss @ client"]);
}

fn tell_nothing(_: SystemTime) {}
