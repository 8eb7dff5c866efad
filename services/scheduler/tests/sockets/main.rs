//! The scheduler and the node over real loopback sockets.

mod delivery;
mod gateway_worker;
mod port;
mod rig;
