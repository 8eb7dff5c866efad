//! The command over services that treat their process badly, for the test that looks at what it prints. `ROGUES` in the
//! environment is the folder with the scenarios; a scenario's `kind` says what is done.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use halfopen::{BoxError, Catalogue, HostContext};
use serde::Deserialize;

#[derive(Deserialize)]
struct Part {
    kind: String,
}

fn main() -> ExitCode {
    // A worker is told what to play, and has no such variable.
    let folder = std::env::var("ROGUES").unwrap_or_default();
    halfopen::cli::main(
        Catalogue::new(&folder, "")
            .actor("rogue", async |cx| {
                let Part { kind } = cx.config()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
                act(&cx, &kind).await
            })
            .host("bystander", async |cx| {
                cx.stopped().await;
                Ok(())
            }),
    )
}

/// Which kind was first in this process.
static FIRST: OnceLock<String> = OnceLock::new();

async fn act(cx: &HostContext, kind: &str) -> Result<(), BoxError> {
    match kind {
        "calm" => {}
        "remember_one" | "remember_two" => cx.received(FIRST.get_or_init(|| kind.to_owned())),
        "look_around" => {
            let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| "nothing".to_owned());
            let folder = std::env::current_dir()?;
            return Err(format!("{}, {}, {}", variable("TZ"), variable("ROGUES"), folder.display()).into());
        }
        "exit" => std::process::exit(0),
        "exit_with_code" => std::process::exit(3),
        "abort" => std::process::abort(),
        "panic_twice" => {
            let _grenade = Grenade;
            return Err(bad_luck());
        }
        "overflow" => {
            cx.received(deeper(0));
        }
        "eat_memory" => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(Vec::<u8>::with_capacity(1 << 30));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "close_everything" => return Err(close_everything()),
        unknown => return Err(format!("there is no kind `{unknown}`").into()),
    }
    Ok(())
}

/// Panics, and while that unwinds the grenade goes off.
fn bad_luck() -> BoxError {
    panic!("the first of two")
}

struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("the second of two");
    }
}

fn deeper(depth: u64) -> u64 {
    let ballast = [depth; 128];
    let below = if depth == u64::MAX { 0 } else { deeper(std::hint::black_box(depth + 1)) };
    below + std::hint::black_box(ballast)[3]
}

/// What a daemon does when it begins; everything else in its process suffers from it.
fn close_everything() -> BoxError {
    for descriptor in 3..1024 {
        // Reading the name keeps this free of unsafe code: a descriptor that is none has no such file.
        if std::fs::read_link(format!("/proc/self/fd/{descriptor}")).is_ok() {
            close(descriptor);
        }
    }
    "everything is closed".into()
}

#[expect(unsafe_code, reason = "a descriptor that is somebody else's is closed on purpose")]
fn close(descriptor: i32) {
    // SAFETY: none; that is the point. The process is a worker's, and is replaced.
    drop(unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(descriptor) });
}
