//! The built binaries as processes: flags, signals, exit codes, and a scheduler that is killed.

mod command_line;
mod fixture;
mod survival;
