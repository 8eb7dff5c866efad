//! `buffer`: a hop keeps what it is sent and passes it on in large pieces.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Holds, Key, Lacked, OnConnection, Verb, time, words};
use crate::name::Direction;
use crate::plane::Struck;

/// A hop keeps what it is sent and passes it on in large pieces: when that many bytes are there, when the HTTP message is
/// whole, when its sender has finished, or when nothing has been added for a while. It acknowledges at once, and keeps 1 MiB
/// at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// How many are passed on at once, at least 1.
    pub bytes: u32,
    /// Without anything new for so long it passes on what it has; without, it waits.
    #[serde(default, with = "time::option")]
    pub flush_after: Option<Duration>,
    /// Which way; both without.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// When it ends; never without.
    #[serde(default, with = "time::option")]
    pub lasting: Option<Duration>,
}

impl Verb for Buffer {
    type Place = OnConnection;
    const WORD: &'static str = "buffer";
    const DOES: &'static str = "a hop keeps what it is sent and passes it on in large pieces";
    const KEYS: &'static [Key] = &[
        Key::required("bytes", Holds::COUNT, "how many bytes are passed on at once"),
        Key::optional(
            "flush_after",
            Holds::Time,
            "it waits",
            "how long nothing must be added before it passes on what it has",
        ),
        Key::DIRECTION,
        Key::LASTING,
    ];

    fn arguments(&self) -> Vec<String> {
        let flush = self.flush_after.map(|time| format!("flushes after {}", words::written(time)));
        let way = self.direction.map(|direction| direction.to_string());
        let bytes = words::count(self.bytes, "byte");
        [Some(bytes), flush, way, words::for_time(self.lasting)].into_iter().flatten().collect()
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasting
    }
}

impl ConnectionVerb for Buffer {
    fn strike(&self, struck: &mut Struck<'_>) {
        words::ways(self.direction).for_each(|way| struck.keep(way, self.bytes, self.flush_after));
    }

    fn needs_messages(&self) -> bool {
        true
    }

    fn lacked(&self) -> Lacked {
        Lacked::Packets
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'buffer'\nbytes = 4096\nflush_after = '1s'", "buffer(4096 bytes, flushes after 1s)");
    }
}
