//! Who is speaking, where it is seen even when the process is no more.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::name::HostName;

/// As much of a host's name as is kept; longer ones are cut.
const NAME_BYTES: usize = 64;

/// How many names are kept at a time.
const SLOTS: usize = 32;

/// Who is speaking in a run, and at what virtual time.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Beacon {
    now_nanos: AtomicU64,
    /// One more than the slot of the host that is running; 0 for the harness itself.
    speaking: AtomicU32,
    slots: [Slot; SLOTS],
}

/// A name. It is written once, so that a change of who speaks is one number.
#[derive(Debug)]
#[repr(C)]
struct Slot {
    length: AtomicU32,
    name: [AtomicU8; NAME_BYTES],
}

impl Slot {
    const fn empty() -> Self {
        Self { length: AtomicU32::new(0), name: [const { AtomicU8::new(0) }; NAME_BYTES] }
    }
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
    /// The slot of all who have none of their own.
    pub(crate) const LAST: usize = SLOTS - 1;

    const fn new() -> Self {
        Self { now_nanos: AtomicU64::new(0), speaking: AtomicU32::new(0), slots: [const { Slot::empty() }; SLOTS] }
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
    }

    pub(crate) fn set_now(&self, nanos: u64) {
        self.now_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Whose slot this is from now on.
    pub(crate) fn set_name(&self, slot: usize, name: &str) {
        let slot = &self.slots[slot.min(Self::LAST)];
        let bytes = &name.as_bytes()[..name.len().min(NAME_BYTES)];
        for (kept, byte) in slot.name.iter().zip(bytes) {
            kept.store(*byte, Ordering::Relaxed);
        }
        slot.length.store(bytes.len() as u32, Ordering::Relaxed);
    }

    /// A task of the slot's host is polled, or (`None`) is not any more.
    #[inline]
    pub(crate) fn set_speaking(&self, slot: Option<usize>) {
        self.speaking.store(slot.map_or(0, |slot| slot as u32 + 1), Ordering::Relaxed);
    }

    /// The name of the host that is running; empty for the harness itself.
    pub(super) fn name(&self) -> Name {
        let mut bytes = [0; NAME_BYTES];
        let Some(slot) = (self.speaking.load(Ordering::Relaxed) as usize).checked_sub(1) else {
            return Name { bytes, length: 0 };
        };
        // A service that scribbles over the page must not send its supervisor out of bounds.
        let slot = &self.slots[slot.min(Self::LAST)];
        for (byte, kept) in bytes.iter_mut().zip(&slot.name) {
            *byte = kept.load(Ordering::Relaxed);
        }
        Name { bytes, length: (slot.length.load(Ordering::Relaxed) as usize).min(NAME_BYTES) }
    }

    pub(crate) fn read(&self) -> Speaking {
        let name = self.name();
        Speaking {
            host: (!name.is_empty()).then(|| HostName::from(&*String::from_utf8_lossy(name.as_bytes()))),
            at: Duration::from_nanos(self.now_nanos.load(Ordering::Relaxed)),
        }
    }
}
