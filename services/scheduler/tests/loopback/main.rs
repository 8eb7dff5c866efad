//! The scheduler and the node over real loopback sockets.

mod delivery;
mod fixture;
mod gateway_worker;
mod node;
mod port;
