//! Whether this build can be simulated, for `--version`.

/// Whether this crate was built with the feature `sim`. Production binaries print `sim: off`.
pub const SIM: bool = cfg!(feature = "sim");

/// The line that a service prints for `--version`: its name, its version and whether the build can be simulated.
///
/// ```
/// let line = halfopen_net::version_line("halfopen-client", "0.1.0");
/// let sim = if halfopen_net::SIM { "on" } else { "off" };
/// assert_eq!(line, format!("halfopen-client 0.1.0 (sim: {sim})"));
/// ```
pub fn version_line(name: &str, version: &str) -> String {
    let sim = if SIM { "on" } else { "off" };
    format!("{name} {version} (sim: {sim})")
}
