//! Does nothing: Cargo accepts the `links` key only from a package with a build script.

fn main() {}
