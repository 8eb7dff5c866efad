//! What is random: seeded, and one stream for each life of each host.

use std::collections::{BTreeSet, HashMap};

use halfopen::HostContext;
use halfopen::fault::Crash;
use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn a_draw_more_of_one_host_shifts_no_other() {
    let few = drawers(1).run();
    let many = drawers(5).run();
    assert_eq!(few.words("left").len(), 10);
    assert_eq!(many.words("left").len(), 50);
    assert_eq!(few.words("right"), many.words("right"));
    assert_eq!(few.words("left")[0], many.words("left")[0]);
}

#[test]
fn a_fault_less_shifts_no_other_hosts_draws() {
    let calm = drawers(1).run();
    let struck = drawers(1).strike(ms(1500), "left", Crash { restart_after: Some(s(1)) }).run();
    assert_eq!(calm.words("right"), struck.words("right"));
    assert_ne!(calm.words("left"), struck.words("left"));
}

#[test]
fn each_life_and_each_host_has_a_stream_of_its_own() {
    let outcome = drawers(1).strike(ms(1500), "left", Crash { restart_after: Some(s(1)) }).run();
    let all: Vec<_> = ["left", "right"].into_iter().flat_map(|host| outcome.words(host)).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "no two draws are the same");
    // How much the first life drew does not matter to the second.
    let late = drawers(1).strike(ms(3500), "left", Crash { restart_after: Some(s(1)) }).run();
    assert_eq!(outcome.words("left")[2], late.words("left")[4]);
}

#[test]
fn every_source_of_randomness_follows_the_seed() {
    let draws = |seed| {
        let outcome = Stage::new("sources")
            .actor("client", async |cx| {
                tell(&cx, "getrandom", draw());
                tell(&cx, "rand", rand::random::<u64>());
                let map: HashMap<u32, ()> = (0..20).map(|n| (n, ())).collect();
                tell(&cx, "fastrand", fastrand::u64(..));
                tell(&cx, "map", format!("{:?}", map.keys().collect::<Vec<_>>()));
                tell(&cx, "select", choices().await);
                tell(&cx, "blocking", tokio::task::spawn_blocking(draw).await?);
                tell(&cx, "blocking fastrand", tokio::task::spawn_blocking(|| fastrand::u64(..)).await?);
                Ok(())
            })
            .seed(seed)
            .run();
        ["getrandom", "rand", "fastrand", "map", "select", "blocking", "blocking fastrand"]
            .map(|source| outcome.only(source).1)
    };
    let (first, again, other) = (draws(1), draws(1), draws(2));
    assert_eq!(first, again);
    for (one, two) in first.iter().zip(&other) {
        assert_ne!(one, two);
    }
}

#[test]
fn a_race_is_won_by_either_side_under_some_seed() {
    let winners: Vec<_> = (0..64)
        .map(|seed| {
            let outcome = Stage::new("race")
                .host("server", async |cx| {
                    let listener = TcpListener::bind("0.0.0.0:80").await?;
                    let mut streams = Vec::new();
                    loop {
                        let (mut stream, _) = tokio::select! {
                            () = cx.stopped() => return Ok(()),
                            accepted = listener.accept() => accepted?,
                        };
                        tell(&cx, "arrived", char::from(stream.read_u8().await?));
                        streams.push(stream);
                    }
                })
                .actor("left", async |_| say(b'l').await)
                .actor("right", async |_| say(b'r').await)
                .interleaved()
                .seed(seed)
                .run();
            let arrived = outcome.words("arrived");
            assert_eq!(arrived.len(), 2);
            arrived[0].clone()
        })
        .collect();
    for side in ["l", "r"] {
        let won = winners.iter().filter(|winner| *winner == side).count();
        assert!(won >= 8, "{side} won {won} of 64");
    }
}

/// Two hosts that draw once a second for 10 s, the left one the given number of numbers at a time.
fn drawers(at_a_time: usize) -> Stage {
    Stage::new(&format!("drawers_{at_a_time}"))
        .actor("left", move |cx| async move {
            draw_for_10_s(&cx, at_a_time).await;
            Ok(())
        })
        .actor("right", async |cx| {
            draw_for_10_s(&cx, 1).await;
            Ok(())
        })
}

async fn draw_for_10_s(cx: &HostContext, at_a_time: usize) {
    // A map is made in between: std draws its keys once for a thread, which must not be a draw of the run.
    let _map: HashMap<u32, u32> = HashMap::new();
    for _ in 0..10 {
        for _ in 0..at_a_time {
            tell(cx, cx.name().as_str(), draw());
        }
        sleep(s(1)).await;
    }
}

fn draw() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which of two ready branches `select!` takes, 64 times.
async fn choices() -> String {
    let mut choices = String::new();
    for _ in 0..64 {
        choices.push(tokio::select! {
            () = std::future::ready(()) => 'a',
            () = std::future::ready(()) => 'b',
        });
    }
    choices
}

async fn say(letter: u8) -> Result<(), halfopen::BoxError> {
    let mut stream = TcpStream::connect("server:80").await?;
    stream.write_u8(letter).await?;
    sleep(s(1)).await;
    Ok(())
}
