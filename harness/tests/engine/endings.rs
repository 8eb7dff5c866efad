//! RST, FIN and orphans: each call's answer is Linux's. The scripts are played in the simulation and on real sockets.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};

use halfopen_net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{LATENCY, Stage, Told, ms, pair, s, tell, word};

/// How a peer ends its connection, and a script of calls (`r`ead up to 3 bytes, `w`rite, `s`hutdown) with the answers.
struct Script {
    data: bool,
    ending: Ending,
    calls: &'static str,
    answers: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// A zero linger, then close.
    Rst,
    /// FIN, then RST because there is unread input.
    FinRst,
    /// Close with nothing unread; what is written to the orphan draws an RST.
    Orphan,
}

const SCRIPTS: [Script; 14] = [
    script(true, Ending::Rst, "rrrrw", "Ok(3) Ok(2) ConnectionReset Ok(0) BrokenPipe"),
    script(true, Ending::Rst, "rrwrr", "Ok(3) Ok(2) ConnectionReset Ok(0) Ok(0)"),
    script(true, Ending::Rst, "wrrrw", "ConnectionReset Ok(3) Ok(2) Ok(0) BrokenPipe"),
    script(false, Ending::Rst, "rrww", "ConnectionReset Ok(0) BrokenPipe BrokenPipe"),
    script(false, Ending::Rst, "wwrr", "ConnectionReset BrokenPipe Ok(0) Ok(0)"),
    script(true, Ending::FinRst, "rrrrw", "Ok(3) Ok(2) Ok(0) Ok(0) BrokenPipe"),
    script(true, Ending::FinRst, "wrrrw", "BrokenPipe Ok(3) Ok(2) Ok(0) BrokenPipe"),
    script(false, Ending::FinRst, "rrww", "Ok(0) Ok(0) BrokenPipe BrokenPipe"),
    script(false, Ending::FinRst, "wwrr", "BrokenPipe BrokenPipe Ok(0) Ok(0)"),
    script(false, Ending::Orphan, "rwwwr", "Ok(0) Ok(1) BrokenPipe BrokenPipe Ok(0)"),
    script(false, Ending::Orphan, "wrw", "Ok(1) Ok(0) BrokenPipe"),
    script(true, Ending::Orphan, "wrrrw", "Ok(1) Ok(3) Ok(2) Ok(0) BrokenPipe"),
    script(true, Ending::Orphan, "rrrwsw", "Ok(3) Ok(2) Ok(0) Ok(1) Ok(()) BrokenPipe"),
    script(true, Ending::Rst, "srrrw", "Ok(()) Ok(3) Ok(2) ConnectionReset BrokenPipe"),
];

#[test]
fn every_script_is_answered_as_the_table_says() {
    for (n, script) in SCRIPTS.iter().enumerate() {
        assert_eq!(simulated(n, script), script.answers, "script {n}: {}", script.calls);
    }
}

#[test]
fn the_table_is_what_this_machines_kernel_answers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (n, script) in SCRIPTS.iter().enumerate() {
        let answers = runtime.block_on(real(script)).unwrap();
        assert_eq!(answers, script.answers, "script {n}: {}", script.calls);
    }
}

#[test]
fn what_was_written_in_the_instant_of_a_hard_close_still_arrives() {
    let outcome = pair(
        "hard_close",
        async |_, mut stream| {
            stream.write_all(b"last words").await?;
            stream.set_zero_linger()?;
            Ok(())
        },
        async |cx, mut stream| {
            let mut heard = Vec::new();
            tell(&cx, "read", word(&stream.read_to_end(&mut heard).await));
            tell(&cx, "heard", String::from_utf8_lossy(&heard));
            Ok(())
        },
    )
    .run();
    assert_eq!(outcome.words("read"), ["ConnectionReset"]);
    assert_eq!(outcome.words("heard"), ["last words"]);
}

#[test]
fn bytes_that_arrive_in_the_instant_of_a_close_are_unread_and_the_last_words_leave_before_the_reset() {
    let outcome = pair(
        "late_arrival",
        async |_, mut stream| {
            sleep(s(1)).await;
            stream.write_all(b"bye").await?;
            Ok(())
        },
        async |cx, mut stream| {
            // The server's task has its connection half a round trip later: what is written now arrives at its close.
            sleep(s(1)).await;
            stream.write_all(b"crossing").await?;
            let mut heard = [0; 3];
            tell(&cx, "read", word(&stream.read_exact(&mut heard).await));
            tell(&cx, "then", word(&stream.read(&mut heard).await));
            Ok(())
        },
    )
    .run();
    assert_eq!(outcome.words("read"), ["Ok(3)"]);
    assert_eq!(outcome.words("then"), ["ConnectionReset"]);
}

#[test]
fn writing_to_an_orphan_fails_soon_and_never_hangs() {
    let outcome = pair(
        "orphan",
        async |_, _| Ok(()),
        async |cx, mut stream| {
            sleep(s(1)).await;
            let mut written = 0;
            let error = loop {
                match stream.write(&[0; 10_000]).await {
                    Ok(n) => written += n,
                    Err(error) => break error,
                }
                sleep(ms(1)).await;
            };
            tell(&cx, "error", format!("{:?}", error.kind()));
            tell(&cx, "written", written);
            Ok(())
        },
    )
    .run();
    assert_eq!(outcome.words("error"), ["BrokenPipe"]);
    // As many as were under way until the RST came back.
    assert_eq!(outcome.words("written"), ["200000"]);
}

#[test]
fn a_writer_that_waits_for_space_is_woken_by_a_reset() {
    let outcome = pair(
        "parked_writer",
        async |cx, stream| {
            sleep(s(5)).await;
            drop(stream);
            tell(&cx, "closed", "");
            Ok(())
        },
        async |cx, mut stream| {
            let error = stream.write_all(&vec![0; 10_000_000]).await.unwrap_err();
            tell(&cx, "error", format!("{:?}", error.kind()));
            Ok(())
        },
    )
    .run();
    let (closed, _) = outcome.only("closed");
    assert_eq!(outcome.only("error"), (closed + LATENCY, "ConnectionReset".to_owned()));
}

#[test]
fn a_parked_reader_is_woken_when_its_own_process_closes_the_socket() {
    let outcome = Stage::new("parked_reader")
        .host("server", async |cx| {
            let listener = TcpListener::bind("0.0.0.0:80").await?;
            let (_stream, _) = listener.accept().await?;
            cx.stopped().await;
            Ok(())
        })
        .actor("client", async |cx| {
            let stream = TcpStream::connect("server:80").await?;
            let bell = Arc::new(Bell(std::sync::atomic::AtomicU32::new(0)));
            let waker = Waker::from(Arc::clone(&bell));
            let mut context = std::task::Context::from_waker(&waker);
            assert!(stream.poll_read_ready(&mut context).is_pending());
            drop(stream);
            tell(&cx, "rung", bell.0.load(std::sync::atomic::Ordering::Relaxed));
            Ok(())
        })
        .run();
    assert_eq!(outcome.words("rung"), ["1"]);
}

const fn script(data: bool, ending: Ending, calls: &'static str, answers: &'static str) -> Script {
    Script { data, ending, calls, answers }
}

fn simulated(n: usize, script: &'static Script) -> String {
    let outcome = pair(
        &format!("script_{n}"),
        move |_, stream| async move { Ok(end(stream, script).await?) },
        move |cx, mut stream| async move {
            if script.ending == Ending::FinRst {
                stream.write_all(b"unread").await?;
            }
            sleep(s(1)).await;
            tell(&cx, "answers", play(&mut stream, script).await);
            Ok(())
        },
    )
    .run();
    outcome.only("answers").1
}

/// The same over loopback. Nothing here depends on how long the pauses are: loopback delivers within the call.
async fn real(script: &Script) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut stream = TcpStream::connect(listener.local_addr()?).await?;
    let (peer, _) = listener.accept().await?;
    if script.ending == Ending::FinRst {
        stream.write_all(b"unread").await?;
    }
    end(peer, script).await?;
    Ok(play(&mut stream, script).await)
}

async fn end(mut peer: TcpStream, script: &Script) -> io::Result<()> {
    sleep(ms(50)).await;
    if script.data {
        peer.write_all(b"hello").await?;
    }
    match script.ending {
        Ending::Rst => peer.set_zero_linger()?,
        Ending::FinRst => {
            peer.readable().await?;
            peer.shutdown().await?;
        }
        Ending::Orphan => {}
    }
    drop(peer);
    Ok(())
}

async fn play(stream: &mut TcpStream, script: &Script) -> String {
    let mut answers = Vec::new();
    for call in script.calls.chars() {
        answers.push(match call {
            'r' => word(&stream.read(&mut [0; 3]).await),
            'w' => word(&stream.write(b"x").await),
            _ => word(&stream.shutdown().await),
        });
        sleep(ms(50)).await;
    }
    answers.join(" ")
}

struct Bell(std::sync::atomic::AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}
