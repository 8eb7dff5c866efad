//! The simulated kernel: what Linux does between the socket calls of a process and the network.
//!
//! A service that imports `tokio::net` calls libc, and libc's functions of sockets are answered from here on the run's own
//! thread (`overrides/sockets.rs`). The kernel and the seam of `halfopen_net` are two fronts of one network: a connection
//! may have either at each of its ends.
//!
//! Nothing here knows libc's functions, a pointer or a waker: calls take numbers and give results, with an [`Errno`] where
//! Linux would give one.
//!
//! - this file: files and what they stand for; `descriptors`: the numbers; `errno`: errors;
//! - `sockets`: from `socket(2)` to `close(2)`; `transfer`: bytes; `options`: what sockets are told in advance;
//! - `readiness`: what the runtime is told when it waits.

mod descriptors;
mod errno;
mod options;
mod readiness;
mod sockets;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::BTreeSet;
use std::net::SocketAddr;

pub(crate) use self::descriptors::{Descriptor, FIRST, FIRST_OF_RUNTIMES};
use self::descriptors::{Descriptors, Unknown};
pub(crate) use self::errno::Errno;
use self::options::Settings;
pub(crate) use self::options::Value;
use self::readiness::Interest;
pub(crate) use self::readiness::Watch;
pub(crate) use self::sockets::{Family, Half};
use super::network::Network;
use super::wakers::FileIndex;
use crate::fabric::{LifeId, Socket};

/// The kernel's state in one run.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    descriptors: Descriptors,
    /// Every file that there ever was, by its index.
    files: Vec<Option<Box<File>>>,
    /// How many of them there are now.
    open: usize,
    /// What wakes the runtime from other threads.
    waker: Option<Interest>,
    /// A call that leaves the simulation, and what to do instead.
    stray: Option<(&'static str, &'static str)>,
}

/// An open file: a socket, behind one descriptor or several.
#[derive(Debug)]
struct File {
    kind: Kind,
    /// How many descriptors stand for it.
    descriptors: u32,
    is_v6: bool,
    is_nonblocking: bool,
    /// Its `connect` has begun, and no call has told yet how it ended.
    is_connecting: bool,
    /// The process reads no more.
    is_read_shut: bool,
    /// Somebody was told that a direction is closed. tokio never forgets that, and tries again for ever where a call would
    /// have to wait.
    is_closed_told: bool,
    /// Who waits for it is woken although nothing has happened.
    is_roused: bool,
    settings: Settings,
    interests: Vec<Interest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Neither listens nor connects.
    Unconnected { bound: Option<SocketAddr> },
    /// A listener of the network.
    Listener(u32),
    /// An end of a connection.
    Stream(Socket),
    /// An attempt of a dead incarnation, or its listener: no SYN is sent, nothing is ever heard.
    Nowhere,
}

impl File {
    fn new(kind: Kind, family: Family, is_nonblocking: bool, settings: Settings) -> Self {
        Self {
            kind,
            descriptors: 0,
            is_v6: family == Family::V6,
            is_nonblocking,
            is_connecting: false,
            is_read_shut: false,
            is_closed_told: false,
            is_roused: false,
            settings,
            interests: Vec::new(),
        }
    }

    fn family(&self) -> Family {
        if self.is_v6 { Family::V6 } else { Family::V4 }
    }
}

impl Kernel {
    /// That of a run of a plan; numbers carry a tag that is made of `plan`, and none of `taken` is given out.
    pub(crate) fn new(plan: u64, taken: BTreeSet<Descriptor>) -> Self {
        Self { descriptors: Descriptors::new(plan, taken), ..Self::default() }
    }

    /// The numbers that are open.
    pub(crate) fn open(&self) -> impl Iterator<Item = Descriptor> + '_ {
        self.descriptors.open()
    }

    /// Whether there is a socket.
    #[inline]
    pub(crate) fn has_sockets(&self) -> bool {
        self.open > 0
    }

    /// The call that the last one was as well, if it leaves the simulation; and what to do instead.
    pub(crate) fn take_stray(&mut self) -> Option<(&'static str, &'static str)> {
        self.stray.take()
    }

    fn add(&mut self, file: File) -> Result<(Descriptor, FileIndex), Errno> {
        let index = FileIndex(self.files.len() as u32);
        let descriptor = self.descriptors.insert(index)?;
        self.files.push(Some(Box::new(File { descriptors: 1, ..file })));
        self.open += 1;
        Ok((descriptor, index))
    }

    /// The file that a number stands for.
    fn file(&mut self, descriptor: Descriptor) -> Result<(FileIndex, &mut File), Errno> {
        let index = self.descriptors.get(descriptor).map_err(|unknown| self.unknown(unknown))?;
        let file = self.files.get_mut(index.0 as usize).and_then(Option::as_deref_mut);
        Ok((index, file.ok_or(Errno::BAD_DESCRIPTOR)?))
    }

    /// What a number that stands for nothing is answered.
    fn unknown(&mut self, unknown: Unknown) -> Errno {
        match unknown {
            Unknown::Closed => Errno::BAD_DESCRIPTOR,
            Unknown::Foreign => {
                self.stray = Some((
                    "a socket of another run",
                    "it was kept in a `static`, or given to another run: make sockets in the service's `run`, and keep them \
                     there",
                ));
                // Not EBADF: std takes that for a descriptor that was closed twice, and aborts.
                Errno::NOT_CONNECTED
            }
        }
    }

    /// A call on a socket that blocks would have to wait.
    fn blocks(&mut self, call: &'static str) {
        self.stray = Some((
            call,
            "a socket that blocks stops every host of the run: use tokio::net, or `set_nonblocking(true)` before its first \
             call",
        ));
    }
}

/// One call: the kernel, the network behind it, and whose call it is.
pub(crate) struct Call<'a> {
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) network: &'a mut Network,
    /// The life that speaks, if one does.
    pub(crate) speaker: Option<LifeId>,
}

impl Call<'_> {
    fn file(&mut self, descriptor: Descriptor) -> Result<(FileIndex, &mut File), Errno> {
        self.kernel.file(descriptor)
    }

    /// The speaker, and whether its process is gone.
    fn life(&self) -> Result<(LifeId, bool), Errno> {
        let life = self.speaker.ok_or(Errno::ACCESS)?;
        Ok((life, self.network.hosts.life(life).state.is_over()))
    }
}
