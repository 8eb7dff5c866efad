//! The two lives of every type in this crate.

/// A real tokio type, or its simulated counterpart. Without the feature `sim` the counterparts are uninhabited, so this
/// has the size of `R` and every match on it has one arm left.
#[derive(Debug)]
pub(crate) enum Variant<R, S> {
    /// The operating system's socket.
    Real(R),
    /// A socket of the simulation on this thread.
    Simulated(S),
}
