//! The lines of standard error, written by a thread of their own: who logs never waits for who reads.
//!
//! The queue of lines is bounded. What finds no room in it is dropped and counted, and the first line that finds room
//! again says how many were dropped so far.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

use crate::log::LogFormat;

/// Lines that may wait for the reader. At some 300 bytes a line this is 10 MB, and a second of a busy scheduler's log.
const QUEUE: usize = 32_768;

/// How long the end of the process waits for the reader to take what is left. A reader that has stopped is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The count of the process's own log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines this process's log has dropped, because the reader of standard error was too slow. 0 without a log.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |count| count.dropped_lines() as u64)
}

/// The way to standard error. Clones share one queue.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    queue: NonBlocking,
    count: ErrorCounter,
    /// The count of dropped lines that was last told.
    told: Arc<AtomicUsize>,
    format: LogFormat,
}

/// Ends the thread that writes.
#[derive(Debug)]
pub(crate) struct Farewell {
    guard: WorkerGuard,
}

impl Lines {
    /// Starts the thread that writes to standard error.
    pub(crate) fn to_stderr(format: LogFormat) -> (Self, Farewell) {
        let (lines, farewell) = Self::to(io::stderr(), QUEUE, format);
        // A second log of one process keeps the first one's count.
        let _first = DROPPED.set(lines.count.clone());
        (lines, farewell)
    }

    fn to(writer: impl io::Write + Send + 'static, queue: usize, format: LogFormat) -> (Self, Farewell) {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(queue).thread_name("log");
        let (queue, guard) = builder.finish(writer);
        let count = queue.error_counter();
        (Self { queue, count, told: Arc::default(), format }, Farewell { guard })
    }

    /// Queues one line, which has its end. It never waits and never fails.
    pub(crate) fn queue(&self, line: &[u8]) {
        let dropped = self.count.dropped_lines();
        let mut queue = self.queue.clone();
        // The queue's answer is always that all was taken; its count tells what was not.
        if self.told.load(Ordering::Relaxed) == dropped {
            let _taken = io::Write::write(&mut queue, line);
            return;
        }
        let mut both = self.gap(dropped).into_bytes();
        both.extend_from_slice(line);
        let _taken = io::Write::write(&mut queue, &both);
        if self.count.dropped_lines() == dropped {
            self.told.store(dropped, Ordering::Relaxed);
        }
    }

    fn gap(&self, dropped: usize) -> String {
        match self.format {
            LogFormat::Text => {
                format!(" WARN halfopen_process: log lines were dropped, nobody read them dropped={dropped}\n")
            }
            LogFormat::Json => format!(
                "{{\"level\":\"WARN\",\"fields\":{{\"message\":\"log lines were dropped, nobody read them\",\
                 \"dropped\":{dropped}}},\"target\":\"halfopen_process\"}}\n"
            ),
        }
    }
}

/// tracing's formatter writes each event by one call.
impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.queue(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Farewell {
    /// Waits until the queue is written, for a second at most.
    pub(crate) fn wait(self) {
        let (done, written) = mpsc::channel();
        // The guard's own wait is bounded, but it complains on standard error, which may be what stands still.
        let waiting = std::thread::Builder::new().name("log-end".to_owned()).spawn(move || {
            drop(self.guard);
            let _nobody_waits = done.send(());
        });
        if waiting.is_ok() {
            let _too_long = written.recv_timeout(LAST_WORDS);
        }
    }
}

/// Appends `text` without anything that could end a line, move a cursor or turn what follows around: such characters stand
/// there as Rust would write them. What is data can so never look like a line of the log's own.
pub(crate) fn escape_into(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_harmless(c) {
            line.push(c);
        } else {
            // Writing into a string does not fail.
            let _never = write!(line, "{}", c.escape_default());
        }
    }
}

/// Whether a character stands where it is written, and nowhere else.
fn is_harmless(c: char) -> bool {
    // Line and paragraph separators, and the marks that change the direction of what follows (Unicode TR 9).
    let turns = matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};
    use std::time::Instant;

    use super::*;

    /// A reader that takes nothing until it is told to.
    #[derive(Clone, Default)]
    struct Pipe(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        reads: bool,
        taken: Vec<u8>,
    }

    impl Pipe {
        fn read_on(&self) {
            self.0.0.lock().expect("no panic").reads = true;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().expect("no panic").taken.clone()).expect("UTF-8")
        }
    }

    impl io::Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (state, told) = &*self.0;
            let mut state = told.wait_while(state.lock().expect("no panic"), |state| !state.reads).expect("no panic");
            state.taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_stopped_holds_up_nobody_and_what_it_missed_is_counted_and_told() {
        let pipe = Pipe::default();
        let (lines, farewell) = Lines::to(pipe.clone(), 10, LogFormat::Text);
        for number in 0..100 {
            lines.queue(format!("line {number}\n").as_bytes());
        }
        let dropped = lines.count.dropped_lines();
        assert!((85..=90).contains(&dropped), "ten wait, and a few are in the writer's hands: {dropped}");
        pipe.read_on();
        let patience = Instant::now() + Duration::from_secs(10);
        while !pipe.text().contains("line 9\n") && Instant::now() < patience {
            std::thread::yield_now();
        }
        lines.queue(b"again\n");
        lines.queue(b"and again\n");
        farewell.wait();
        let text = pipe.text();
        let told = format!("dropped={dropped}\nagain\nand again\n");
        assert!(text.ends_with(&told), "{text}");
        assert_eq!(text.matches("were dropped").count(), 1, "it is told once: {text}");
    }

    #[test]
    fn the_end_does_not_wait_for_a_reader_that_has_stopped() {
        let pipe = Pipe::default();
        let (lines, farewell) = Lines::to(pipe.clone(), 10, LogFormat::Json);
        lines.queue(b"never read\n");
        let begun = Instant::now();
        farewell.wait();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        pipe.read_on();
    }

    #[test]
    fn what_is_told_of_a_gap_among_json_is_an_object() {
        let (lines, _farewell) = Lines::to(io::sink(), 10, LogFormat::Json);
        let gap: serde_json::Value = serde_json::from_str(&lines.gap(7)).expect("an object");
        assert_eq!(gap["fields"]["dropped"], 7);
    }

    #[test]
    fn nothing_ends_a_line_or_moves_a_cursor() {
        let mut line = String::new();
        escape_into(&mut line, "a\nb\r\u{1b}[2Jc\u{85}d\u{2028}e\u{202e}f\tü");
        assert_eq!(line, "a\\nb\\r\\u{1b}[2Jc\\u{85}d\\u{2028}e\\u{202e}f\\tü");
    }
}
