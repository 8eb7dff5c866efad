//! Threads that a service starts: they are of the run, and take turns with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::blocking::twice;
use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn a_thread_sleeps_draws_and_answers_as_part_of_the_run() {
    let outcome = twice("thread_answers", async |cx| {
        let begun = Instant::now();
        let (answer, answered) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(ms(5));
            answer.send(HashMap::from([(1, 2), (3, 4), (5, 6), (7, 8)]).into_keys().collect::<Vec<_>>())
        });
        tell(&cx, "answer", format!("{:?}", timeout(s(5), answered).await??));
        tell(&cx, "after", begun.elapsed().as_millis());
        thread.join().map_err(|_| "the thread panicked")?.map_err(|_| "nobody listens")?;
        Ok(())
    });
    assert_eq!(outcome.words("after"), ["5"]);
}

#[test]
fn the_order_of_many_threads_is_the_runs() {
    let outcome = twice("thread_order", async |cx| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8_u32)
            .map(|n| {
                let (order, gate) = (Arc::clone(&order), Arc::clone(&gate));
                std::thread::spawn(move || {
                    for round in 0..5 {
                        order.lock().unwrap().push((n, round));
                        gate.wait();
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")?;
        }
        let counter = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for n in 0..4 {
                let counter = &counter;
                scope.spawn(move || {
                    std::thread::sleep(ms(10 * u64::from(n)));
                    counter.fetch_add(n, Ordering::Relaxed);
                });
            }
        });
        tell(&cx, "order", format!("{:?}", order.lock().unwrap()));
        tell(&cx, "sum", counter.into_inner());
        Ok(())
    });
    assert_eq!(outcome.words("sum"), ["6"]);
    assert_eq!(outcome.told("sum")[0].0, ms(30));
}

#[test]
fn what_a_threads_locals_do_at_its_end_is_done_in_its_turn() {
    struct Last(Option<oneshot::Sender<u32>>);
    impl Drop for Last {
        fn drop(&mut self) {
            std::thread::sleep(ms(3));
            let _ = self.0.take().unwrap().send(rand::random::<u16>().into());
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    let outcome = twice("thread_locals", async |cx| {
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || LAST.with(|last| *last.borrow_mut() = Some(Last(Some(sender)))));
        tell(&cx, "last", receiver.await?);
        Ok(())
    });
    assert_eq!(outcome.told("last")[0].0, ms(3));
}

#[test]
fn a_thread_that_one_run_has_made_for_the_whole_process_is_told() {
    static WORKER: OnceLock<Sender<oneshot::Sender<u32>>> = OnceLock::new();
    let outcome = Stage::new("lazy_thread")
        .actor("client", async |cx| {
            let worker = WORKER.get_or_init(|| {
                let (sender, jobs) = channel::<oneshot::Sender<u32>>();
                std::thread::spawn(move || {
                    for job in jobs {
                        let _ = job.send(3);
                    }
                });
                sender
            });
            let (answer, answered) = oneshot::channel();
            worker.send(answer)?;
            tell(&cx, "answer", format!("{:?}", timeout(s(5), answered).await.map_err(|_| "nothing")));
            Ok(())
        })
        .run();
    let strays = outcome.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("work for a thread that an earlier run"), "{strays:?}");
    let left = outcome.violated("threads");
    assert!(left.len() == 1 && left[0].contains("left behind (1)"), "{left:?}");
    assert_eq!(outcome.broken()[0], "integrity: stray @ client");
}

#[test]
fn blocking_on_a_thread_of_the_whole_process_ends_the_run_at_once_and_is_told() {
    static WORKER: OnceLock<Sender<Sender<u32>>> = OnceLock::new();
    let stage = Stage::new("lazy_blocking").actor("client", async |_| {
        let worker = WORKER.get_or_init(|| {
            let (sender, jobs) = channel::<Sender<u32>>();
            std::thread::spawn(move || {
                for job in jobs {
                    let _ = job.send(3);
                }
            });
            sender
        });
        let (answer, answered) = channel();
        worker.send(answer)?;
        answered.recv()?;
        Ok(())
    });
    let begun = Instant::now();
    let outcome = stage.run();
    let stuck = outcome.violated("stuck");
    assert!(
        stuck.len() == 1 && stuck[0].starts_with("client waits for ever for a thread that an earlier run"),
        "{stuck:?}"
    );
    assert!(outcome.broken()[0].starts_with("integrity"), "{:?}", outcome.broken());
    assert!(begun.elapsed() < s(5), "{:?}", begun.elapsed());
}

#[test]
fn a_wake_by_a_thread_that_is_not_of_the_run_is_told() {
    type Job = (oneshot::Sender<u32>, Arc<[AtomicBool; 2]>);
    static WORKER: OnceLock<Sender<Job>> = OnceLock::new();
    // Before any run, on a thread that is in none.
    let _ = WORKER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (answer, steps) in jobs {
                while !steps[0].load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
                let _ = answer.send(3);
                steps[1].store(true, Ordering::SeqCst);
            }
        });
        sender
    });
    let outcome = Stage::new("foreign_wake")
        .actor("client", async |cx| {
            let steps = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let (answer, answered) = oneshot::channel();
            WORKER.get().unwrap().send((answer, Arc::clone(&steps)))?;
            tokio::spawn(async move {
                // The machine's own time passes here, until the other thread has woken the one who waits.
                steps[0].store(true, Ordering::SeqCst);
                while !steps[1].load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            });
            answered.await?;
            tell(&cx, "answered", 1);
            Ok(())
        })
        .run();
    let strays = outcome.violated("stray");
    assert!(strays.len() == 1 && strays[0].starts_with("a wake by a thread that is not of the run"), "{strays:?}");
    assert_eq!(outcome.words("answered"), ["1"]);
}

#[test]
fn a_thread_that_never_ends_belongs_to_its_own_run() {
    let outcome = twice("ticking_thread", async |cx| {
        let ticks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&ticks);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(ms(100));
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        sleep(ms(1050)).await;
        tell(&cx, "ticks", ticks.load(Ordering::Relaxed));
        Ok(())
    });
    assert_eq!(outcome.words("ticks"), ["10"]);
}
