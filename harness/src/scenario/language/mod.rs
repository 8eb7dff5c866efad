//! The language of scenario files as data: every table with its keys.
//!
//! The parser accepts what stands here and nothing else, and `docs/scenarios.md` and the JSON schemas are made from it, so
//! none of the three can differ from the others.
//!
//! - [`key`]: a key, a table, and what a value looks like; [`values`]: what each type of the harness looks like.
//! - [`tables`]: the tables of a scenario; [`triggers`]: `when`; [`verbs`]: `do`; [`facts`]: `[[facts]]`;
//!   [`checks`]: `[checks.NAME]`; [`timing`]: `[checks.timing.NAME]`.
//! - `reference` writes the page, `schema` the schemas.

pub(crate) mod checks;
pub(crate) mod facts;
pub(crate) mod key;
pub(crate) mod tables;
pub(crate) mod timing;
pub(crate) mod triggers;
pub(crate) mod values;
pub(crate) mod verbs;

mod reference;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use key::{Form, Key, Presence, Table};
pub use reference::reference;
pub use schema::{base_schema, schema};
