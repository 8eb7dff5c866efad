//! What is asked of a worker, and what it answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::HostName;
use crate::seed::Seed;
use crate::sweep::{Depth, Loss, Played};

/// A line to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// How long a run may take of the wall's time. Not answered.
    Watchdog(Duration),
    /// What a series plays: a scenario, from which each seed draws a plan, or one plan. Not answered.
    Open { series: usize, capsule: String, drawn: bool },
    /// One run.
    Play { series: usize, seed: Seed, depth: Depth },
    /// One run of a series that plays one plan, with these faults instead of the plan's: `[[fault]]` tables.
    PlayWith { series: usize, faults: String, depth: Depth },
}

/// A line of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// It has begun.
    Ready,
    /// The run came to its end.
    Played(Box<Played>),
    /// The run did not, and the process cannot play any more.
    Lost(Loss),
    /// The harness or its input is at fault.
    Faulty(String),
    /// The configuration of a host is: what [`SimError::Config`](crate::sim::SimError) says.
    Misfit { host: HostName, path: String, sentence: String, suggestion: Option<String> },
}
