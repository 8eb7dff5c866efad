//! (map to be written)
pub mod fact;
pub mod fault;
pub mod name;
pub mod plane;
pub mod trace;
pub mod check;
pub mod mapping;
pub mod outcome;
pub mod story;
