//! The trace: every record of a run in order.

mod record;

pub use record::{ConnectionEvent, Event, FaultEvent, Level, ProcessEvent, Record, Unit, What};
