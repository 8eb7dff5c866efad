//! Hops that keep a table of the connections through them, and forget those that are idle.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A middlebox: a NAT gateway, a load balancer or a firewall that remembers each connection through it for so long as it
/// carries something. Keepalive probes keep it alive; neither end is told when it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Middlebox {
    /// How long a connection carries nothing before it is forgotten; whole milliseconds. Five minutes are usual (350 s at
    /// AWS, 4 min at Azure), and so is one.
    pub idle_timeout: Duration,
    /// What becomes of the packets of a connection that it has forgotten.
    pub forgets: Forgetting,
}

/// What a middlebox does with the packets of a connection that it has forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgetting {
    /// They vanish, both ways.
    #[default]
    Blackhole,
    /// The end that sends one gets an RST; the other end hears nothing until it sends one itself.
    Reset,
}
