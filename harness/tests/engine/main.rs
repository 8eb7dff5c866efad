//! The simulated engine, from outside: services and actors are closures, and what they see is what Linux shows.
//!
//! - `stage`: how a test puts a run together and reads what was told;
//! - `incarnations`, `outages`, `lines`: how hosts and networks fail and come back;
//! - `sockets`, `endings`, `windows`: what socket calls answer; `options`: and what they are told in advance;
//! - `calls`, `hops`: lookups and connect calls that fail, and what stands between two hosts;
//! - `excuses`: which losses a connection's end explains; `tables`: what sockets hold;
//! - `between`: packets that arrive in the middle of a poll; `arrivals`: when units arrive;
//! - `plain`: a service's own sockets, which no seam is in front of; `libraries`: those of libraries;
//! - `contents`: faults that strike by what a message says; `withheld`: what the plane keeps for one that does not fire;
//! - `unreachable`: faults that could not strike, and what is said of them;
//! - `identity`: which host a call belongs to;
//! - `strays`: what would leave the simulation; `machine`: what a process asks of the machine it runs on;
//! - `blocking`, `threads`: blocking work, and threads of a service's own;
//! - `entropy`, `clocks`: what is random, and what time it is;
//! - `determinism` (with `busy`, a run in which much happens): the same plan gives the same run;
//! - `budgets`, `panics`: runs that end badly;
//! - `ten_lines`: tests that are built in Rust, and faults that strike anywhere;
//! - `own_check`: a check that a catalogue brings itself.

#![expect(clippy::disallowed_types, reason = "services may use hash maps, and their order is the run's own")]

mod arrivals;
mod between;
mod blocking;
mod budgets;
mod busy;
mod calls;
mod clocks;
mod contents;
mod determinism;
mod endings;
mod entropy;
mod excuses;
mod hops;
mod identity;
mod incarnations;
mod libraries;
mod lines;
mod machine;
mod options;
mod outages;
mod own_check;
mod own_fault;
mod panics;
mod plain;
mod sockets;
mod stage;
mod strays;
mod tables;
mod ten_lines;
mod threads;
mod unreachable;
mod windows;
mod withheld;
