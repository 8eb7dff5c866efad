//! One end of a TCP connection (RFC 9293) as a Linux kernel keeps it: a core that is told what its process asks and what its peer sends.
//!
//! It knows no host, no task and no clock. Loss is delay: the network that carries segments keeps their order, and
//! delivers a lost one when the sender's kernel would have sent it again.
//!
//! - `endpoint`: its state, and what a process asks of it.
//! - `sending`: what leaves and when: window, send buffer, Nagle's algorithm.
//! - `receiving`: what a segment of the peer does to it.
//! - `timers`: keepalive, `TCP_USER_TIMEOUT`, retry budgets; `retransmission`: when Linux sends again.
//! - `options`: what a process sets in advance; `queue`: what waits.
//! - `machine`: the same under the contract of [`halfopen_machine::Machine`].

mod endpoint;
mod machine;
mod options;
mod queue;
mod receiving;
mod retransmission;
mod sending;
mod timers;

pub(crate) use endpoint::{Closing, EndState, Endpoint};
pub use machine::{Input, Output, Segment, Tcp};
pub use options::{Keepalive, Options};
pub(crate) use queue::Queue;
pub(crate) use receiving::{DataReceived, SynAckReceived};
pub(crate) use retransmission::{next_attempt, syn_gives_up, syn_wait};
pub(crate) use sending::{NextSegment, Written};
pub(crate) use timers::KeepaliveStep;

/// The payload of a full segment: an Ethernet frame less the headers of IP and TCP.
pub(crate) const SEGMENT_BYTES: usize = 1460;

/// The most that one packet carries, in whole segments: what a kernel with segmentation offload hands to its network card
/// at once, at most 64 KiB.
pub(crate) const LARGEST_PACKET_BYTES: usize = 44 * SEGMENT_BYTES;
