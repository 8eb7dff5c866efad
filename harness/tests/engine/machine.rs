//! What a process asks of its machine: the run answers, or tells that it was asked.

use std::io::Read as _;

use halfopen::fault::Crash;
use tokio::time::sleep;

use crate::blocking::twice;
use crate::stage::{Stage, Told, ms, s, tell};

#[test]
fn each_life_is_a_process_with_a_number_of_its_own() {
    let outcome = Stage::new("process_numbers")
        .host("server", async |cx| {
            tell(&cx, "server", std::process::id());
            tell(&cx, "thread", tokio::task::spawn_blocking(std::process::id).await?);
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            tell(&cx, "client", std::process::id());
            sleep(s(3)).await;
            Ok(())
        })
        .strike(s(1), "server", Crash { restart_after: Some(ms(100)) })
        .run();
    let (server, client) = (outcome.words("server"), outcome.only("client").1);
    assert_eq!(outcome.words("thread"), server);
    assert!(server.len() == 2 && server[0] != server[1] && !server.contains(&client), "{server:?} {client}");
    // No kernel gives such a number to a real process.
    assert!(server.iter().all(|process| process.parse::<u32>().unwrap() > 1 << 22), "{server:?}");
}

#[test]
fn cores_names_and_randomness_are_the_runs() {
    let outcome = twice("machine", async |cx| {
        tell(&cx, "cores", std::thread::available_parallelism()?);
        let mut name = [0_u8; 64];
        // SAFETY: the buffer is as long as is said.
        unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
        tell(&cx, "name", std::ffi::CStr::from_bytes_until_nul(&name)?.to_string_lossy());
        let mut drawn = [0; 8];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut drawn)?;
        tell(&cx, "drawn", format!("{drawn:?}"));
        tell(&cx, "zone", std::fs::File::open("/etc/localtime").is_err());
        Ok(())
    });
    assert_eq!(outcome.words("cores"), ["4"]);
    assert_eq!(outcome.words("name"), ["client"]);
    assert_eq!(outcome.words("zone"), ["true"]);
}

#[test]
fn what_the_kernel_tells_of_the_machine_is_refused_and_told() {
    let outcome = Stage::new("kernel_files")
        .actor("client", async |cx| {
            tell(&cx, "refused", std::fs::read_to_string("/proc/self/stat").is_err());
            tell(&cx, "refused", std::fs::read_to_string("/proc/uptime").is_err());
            tell(&cx, "refused", std::fs::read_to_string("/sys/class/net/lo/address").is_err());
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("refused"), ["true"; 3]);
    let strays = outcome.violated("stray");
    assert_eq!(strays.len(), 3, "{strays:?}");
    assert!(strays[1].starts_with("open(\"/proc/uptime\")") && strays[1].contains("configuration"), "{strays:?}");
    assert_eq!(outcome.broken()[0], "integrity: stray @ client");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_processors_own_clock_is_the_runs() {
    fn count() -> u64 {
        // SAFETY: the processor has the instruction, as every one of this kind.
        unsafe { std::arch::x86_64::_rdtsc() }
    }
    let outcome = twice("counter", async |cx| {
        let begun = count();
        sleep(ms(50)).await;
        tell(&cx, "counted", count() - begun);
        let mut core = 7;
        // SAFETY: the place is valid.
        let there = unsafe { std::arch::x86_64::__rdtscp(&mut core) };
        tell(&cx, "core", format!("{core} {}", there < count()));
        // Libraries that draw from how far two looks are apart end the process when it is always the same.
        let apart: std::collections::BTreeSet<_> = (0..100).map(|_| count().abs_diff(count())).collect();
        tell(&cx, "apart", apart.len() > 50 && apart.iter().all(|apart| (1..=256).contains(apart)));
        Ok(())
    });
    let counted: u64 = outcome.only("counted").1.parse().unwrap();
    assert!((49_999_000..=50_000_000).contains(&counted), "{counted}");
    assert_eq!(outcome.words("core"), ["0 true"]);
    assert_eq!(outcome.words("apart"), ["true"]);
}
