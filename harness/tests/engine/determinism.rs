//! The same plan gives the same run, bit for bit: twice, in parallel, in another process.
//!
//! That another build gives the same runs is tested beside the command, with the whole catalogue
//! (`scenarios/tests/command.rs`).

use std::process::Command;

use halfopen::Outcome;
use halfopen::trace::{ConnectionEvent, FaultEvent, RecordKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::busy;
use crate::stage::{Told, pair};

const SEED: u64 = 7;

#[test]
fn much_happens_in_the_run_that_these_tests_compare() {
    let outcome = busy::outcome(SEED);
    assert_eq!(outcome.fired(), 4, "{}", outcome.story());
    let bit = |what: &RecordKind| matches!(what, RecordKind::Fault { event: FaultEvent::FirstPacket { .. }, .. });
    assert_eq!(outcome.trace.records.iter().filter(|record| bit(&record.what)).count(), 4, "{}", outcome.story());
    assert!(outcome.words("heard").len() > 100, "{}", outcome.words("heard").len());
    assert!(outcome.count(&ConnectionEvent::Established) > 30);
}

#[test]
fn two_runs_of_a_plan_are_the_same() {
    for seed in 0..16 {
        assert_same(&busy::outcome(seed), &busy::outcome(seed));
    }
}

#[test]
fn runs_of_different_seeds_differ() {
    let hashes: std::collections::BTreeSet<_> = (0..16).map(|seed| busy::outcome(seed).hash).collect();
    assert_eq!(hashes.len(), 16);
}

#[test]
fn sixty_four_runs_in_parallel_are_the_same() {
    let alone = busy::outcome(SEED);
    let threads: Vec<_> = (0..64).map(|_| std::thread::spawn(|| busy::outcome(SEED))).collect();
    for thread in threads {
        assert_same(&alone, &thread.join().unwrap());
    }
}

#[test]
fn the_first_run_of_another_process_is_the_same_as_a_later_one_here() {
    for seed in 0..3 {
        busy::outcome(seed);
    }
    let here = busy::outcome(SEED).hash.to_string();
    for _ in 0..3 {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "determinism::a_process_of_its_own", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(&format!("hash {here}.")), "{here} here, there {said}");
    }
}

#[test]
#[ignore = "prints the hash of its process's first run; another test asks for it"]
#[expect(clippy::print_stdout, reason = "the answer to the other process")]
fn a_process_of_its_own() {
    println!("hash {}.", busy::outcome(SEED).hash);
}

#[test]
fn one_byte_one_poll_or_one_draw_changes_the_hash() {
    let plain = small("hash_plain", b"hello", 0, 0);
    assert_same(&plain, &small("hash_plain", b"hello", 0, 0));
    let others =
        [small("hash_byte", b"hellp", 0, 0), small("hash_poll", b"hello", 1, 0), small("hash_draw", b"hello", 0, 1)];
    for other in others {
        assert_eq!(other.trace, plain.trace, "the records show nothing of it");
        assert_ne!(other.hash, plain.hash);
        assert!(plain.difference(&other).is_some_and(|difference| difference.contains("hashes do not")));
    }
}

/// A short run that sends `payload`, and yields and draws the given numbers of times.
fn small(name: &str, payload: &'static [u8], yields: u32, draws: u32) -> Outcome {
    pair(
        name,
        async |_, mut stream| {
            stream.read_u8().await?;
            Ok(())
        },
        move |_, mut stream| async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            for _ in 0..draws {
                getrandom::fill(&mut [0; 8])?;
            }
            stream.write_all(payload).await?;
            // The server's FIN or RST.
            assert!(stream.read_u8().await.is_err());
            Ok(())
        },
    )
    .run()
}

#[track_caller]
fn assert_same(one: &Outcome, other: &Outcome) {
    assert_eq!(one.difference(other), None);
    assert_eq!(one, other);
}
