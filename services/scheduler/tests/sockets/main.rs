//! The scheduler and the node over real loopback sockets.

mod delivery;
mod gateway_worker;
mod node;
mod port;
mod rig;
