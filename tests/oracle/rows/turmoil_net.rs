//! Why turmoil-net differs where it does.

pub(super) const RESET_STAYS: &str =
    "a socket that was reset says ConnectionReset for ever; Linux says it once, then EPIPE and end of file";
pub(super) const RESET_DESTROYS: &str =
    "an RST destroys what was received and not yet read; Linux lets it be read first";
pub(super) const CLOSED_IS_SILENT: &str =
    "a closed socket does not answer data with RST, so an end that writes to it is never told";
pub(super) const SMALL_BUFFERS: &str = "its buffers are 64 KiB each; Linux's grow to some megabytes";
