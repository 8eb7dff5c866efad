//! The state in which a run ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::FaultIndex;
use crate::name::{ConnectionId, HostName, Incarnation, Side};

/// The state of a run at quiescence. Sockets and pending waits are sampled before the hosts are stopped, tasks after.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct FinalState {
    /// The virtual time of the sample. What is recorded later belongs to the stopping of the hosts.
    pub at: Duration,
    /// Why the run ended.
    pub ended: RunEnd,
    /// The socket tables of all hosts.
    pub sockets: Vec<SocketRow>,
    /// How many tasks of each incarnation lived on after its host was stopped.
    pub tasks: Vec<(HostName, Incarnation, u32)>,
    /// Who was still waiting for what.
    pub pending: Vec<Pending>,
    /// The planned faults that had not fired.
    pub unfired: Vec<Unfired>,
    /// The ports that hosts tried and that no process listened on in the whole run.
    #[serde(default)]
    pub unreached: Vec<Unreached>,
}

/// A port that a host tried, and on which no process listened where that host could reach it, at any time of the run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unreached {
    /// The host that tried.
    pub host: HostName,
    /// The host whose port it is.
    pub server: HostName,
    /// The port.
    pub port: u16,
    /// How often it was tried.
    pub times: u32,
    /// The ports of the server on which a process listened for other hosts, in order.
    pub listens: Vec<u16>,
    /// Whether a process listened on this port for the server's own loopback address only.
    pub is_loopback: bool,
}

/// A fault that has not fired.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unfired {
    /// The fault, by its place in the plan.
    pub fault: FaultIndex,
    /// Why, as the rest of a sentence that begins "it never fired:", with what was counted of that for which it waited.
    pub why: String,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RunEnd {
    /// All that was to be done was done.
    Finished,
    /// The scenario's virtual time was used up.
    TimeLimit,
    /// Tasks were polled without end while time stood still.
    Livelock,
    /// The run's wall-clock budget was used up.
    Watchdog,
}

/// One socket that a process of a host holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SocketRow {
    /// The host that holds the socket.
    pub host: HostName,
    /// The incarnation of that host.
    pub incarnation: Incarnation,
    /// The socket's connection; `None` for a listener.
    pub connection: Option<ConnectionId>,
    /// Which end of it.
    pub side: Side,
    /// The TCP state in RFC 9293's words, lower case (`established`, `close_wait`, `listen`).
    pub state: String,
    /// Bytes received and not read.
    pub recv_q: u64,
    /// Bytes written and not acknowledged.
    pub send_q: u64,
}

impl SocketRow {
    /// Whether both directions are open.
    pub fn is_established(&self) -> bool {
        self.state.eq_ignore_ascii_case("established")
    }

    /// Whether the peer has finished and this end has not closed.
    pub fn is_close_wait(&self) -> bool {
        self.state.eq_ignore_ascii_case("close_wait")
    }

    /// Whether the connection is over (reset, for one) and the process holds on to it all the same.
    pub fn is_closed(&self) -> bool {
        self.state.eq_ignore_ascii_case("closed")
    }
}

/// Something that was still being waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pending {
    /// The host that waits.
    pub host: HostName,
    /// For what, in words (`received job-3`).
    pub on: String,
}
