//! Who is speaking, where it is seen even when the process is no more.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::name::HostName;

/// As much of a host's name as is kept; longer ones are cut.
const NAME_BYTES: usize = 64;

/// Who is speaking in a run, and at what virtual time.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Beacon {
    now_nanos: AtomicU64,
    speaking: AtomicU32,
    length: AtomicU32,
    name: [AtomicU8; NAME_BYTES],
}

/// What a beacon says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Speaking {
    /// Who; `None` for the harness itself.
    pub(crate) host: Option<HostName>,
    /// Virtual time since the start of the run.
    pub(crate) at: Duration,
}

/// A name that is nowhere but on the stack.
pub(super) struct Name {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl Name {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// In a worker, the beacon that its supervisor sees; it plays one run at a time.
static SEEN: OnceLock<&'static Beacon> = OnceLock::new();

impl Beacon {
    const fn new() -> Self {
        Self {
            now_nanos: AtomicU64::new(0),
            speaking: AtomicU32::new(0),
            length: AtomicU32::new(0),
            name: [const { AtomicU8::new(0) }; NAME_BYTES],
        }
    }

    /// The beacon of a new run. It is leaked with the rest of what the run's threads share.
    pub(crate) fn of_run() -> &'static Self {
        let beacon = SEEN.get().copied().unwrap_or_else(|| Box::leak(Box::new(Self::new())));
        beacon.clear();
        beacon
    }

    /// The beacon of all runs of this process from now on.
    #[cfg(feature = "cli")]
    pub(super) fn show(beacon: &'static Self) {
        // A process becomes a worker once.
        let _ = SEEN.set(beacon);
    }

    /// Whether this process is a worker, whose end is seen.
    pub(super) fn is_shown() -> bool {
        SEEN.get().is_some()
    }

    pub(crate) fn clear(&self) {
        self.now_nanos.store(0, Ordering::Relaxed);
        self.speaking.store(0, Ordering::Relaxed);
        self.length.store(0, Ordering::Relaxed);
    }

    pub(crate) fn set_now(&self, nanos: u64) {
        self.now_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Whose turn the next ones are.
    pub(crate) fn set_name(&self, name: &str) {
        let bytes = &name.as_bytes()[..name.len().min(NAME_BYTES)];
        for (kept, byte) in self.name.iter().zip(bytes) {
            kept.store(*byte, Ordering::Relaxed);
        }
        self.length.store(bytes.len() as u32, Ordering::Relaxed);
    }

    /// A task of that host is polled, or is not any more.
    #[inline]
    pub(crate) fn set_speaking(&self, speaking: bool) {
        self.speaking.store(u32::from(speaking), Ordering::Relaxed);
    }

    /// The name of whoever is speaking; empty for the harness itself.
    pub(super) fn name(&self) -> Name {
        let spoken = self.speaking.load(Ordering::Relaxed) as usize;
        let length = (self.length.load(Ordering::Relaxed) as usize).min(NAME_BYTES) * spoken.min(1);
        let mut bytes = [0; NAME_BYTES];
        for (byte, kept) in bytes.iter_mut().zip(&self.name) {
            *byte = kept.load(Ordering::Relaxed);
        }
        Name { bytes, length }
    }

    pub(crate) fn read(&self) -> Speaking {
        let name = self.name();
        Speaking {
            host: (!name.is_empty()).then(|| HostName::from(&*String::from_utf8_lossy(name.as_bytes()))),
            at: Duration::from_nanos(self.now_nanos.load(Ordering::Relaxed)),
        }
    }
}
