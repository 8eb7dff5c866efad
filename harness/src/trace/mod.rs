//! The trace: every record of a run in order, its file of JSON lines, and the hash that says whether two runs were the
//! same to the last packet.
//!
//! - [`Record`] and [`RecordKind`]: one thing that happened.
//! - [`Trace`]: all of them, written to and read from JSON lines.
//! - [`Seconds`]: how sentences and stories write a time.
//! - [`FinalState`]: how a run ended, with what was open and who waited.
//! - [`TraceHash`]: 128 bits over what the engine did; most of that is in no record.

mod clock;
mod end;
mod hash;
mod lines;
mod record;

pub use clock::Seconds;
pub(crate) use clock::told_apart;
pub use end::{FinalState, Pending, RunEnd, SocketRow, Unfired, Unreached};
pub use hash::TraceHash;
pub(crate) use hash::words_of;
pub use lines::TraceError;
pub use record::{ConnectionEvent, FaultEvent, GaveUpOn, Level, LogEvent, ProcessEvent, Record, RecordKind, Unit};

/// Every record of one run, in the order in which things happened.
///
/// ```
/// use halfopen::trace::Trace;
///
/// let mut file = Vec::new();
/// Trace::default().write_lines(&mut file)?;
/// assert_eq!(Trace::read_lines(file.as_slice()).unwrap(), Trace::default());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The records; their place here is their number in stories and witnesses.
    pub records: Vec<Record>,
}
