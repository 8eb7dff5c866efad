//! What a simulation sees of the types: each call with its arguments, and nothing from elsewhere.

mod borders;
mod calls;
mod fake;
