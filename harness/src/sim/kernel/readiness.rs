//! Readiness: what the runtime is told when it waits, as `epoll_wait(2)` tells it.
//!
//! A run has one epoll, that of its runtime. What happens to a socket in the network puts its file on the list of the ready
//! ones, once; what is told of it is what is true when the runtime asks. An edge is therefore an event of the network, and
//! everything that has happened since the last time is one edge, as on Linux.

use super::{Call, Descriptor, Errno, Kernel, Kind};
use crate::fabric::Socket;
use crate::sim::wakers::FileIndex;

/// What was asked about a file through one of its descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interest {
    descriptor: Descriptor,
    events: u32,
    data: u64,
}

/// What `epoll_ctl(2)` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// `EPOLL_CTL_ADD`: the events, and what they are told with.
    Begin(u32, u64),
    /// `EPOLL_CTL_MOD`.
    Change(u32, u64),
    /// `EPOLL_CTL_DEL`.
    End,
}

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const ERROR: u32 = libc::EPOLLERR as u32;
const HANG_UP: u32 = libc::EPOLLHUP as u32;
const READ_HANG_UP: u32 = libc::EPOLLRDHUP as u32;
const EDGE: u32 = libc::EPOLLET as u32;
const ONCE: u32 = libc::EPOLLONESHOT as u32;

impl Call<'_> {
    /// `epoll_ctl(2)`.
    pub(crate) fn watch(&mut self, descriptor: Descriptor, watch: Watch) -> Result<(), Errno> {
        let (index, file) = self.file(descriptor)?;
        let known = file.interests.iter().position(|interest| interest.descriptor == descriptor);
        match (watch, known) {
            (Watch::Begin(events, data), None) => file.interests.push(Interest { descriptor, events, data }),
            (Watch::Begin(..), Some(_)) => return Err(Errno::EXISTS),
            (Watch::Change(events, data), Some(known)) => {
                file.interests[known] = Interest { descriptor, events, data };
            }
            (Watch::End, Some(known)) => {
                file.interests.remove(known);
                return Ok(());
            }
            (Watch::Change(..) | Watch::End, None) => return Err(Errno::NO_ENTRY),
        }
        // What is true already is told as well.
        self.network.waiting.ready_files.push(index);
        Ok(())
    }

    /// The same of what wakes the runtime from other threads.
    pub(crate) fn watch_waker(&mut self, descriptor: Descriptor, watch: Watch) {
        self.kernel.waker = match watch {
            Watch::Begin(events, data) | Watch::Change(events, data) => Some(Interest { descriptor, events, data }),
            Watch::End => None,
        };
    }

    /// `epoll_wait(2)` without the waiting: tells of up to `most` files, and of the waker first if it `is_woken`. How many
    /// that were.
    pub(crate) fn ready(&mut self, most: usize, is_woken: bool, mut tell: impl FnMut(u32, u64)) -> usize {
        let mut told = self.kernel.ready_waker(is_woken, &mut tell);
        let mut levels = Vec::new();
        while told < most
            && let Some(index) = self.network.waiting.ready_files.pop()
        {
            let Some(file) = self.kernel.files[index.0 as usize].as_deref_mut() else { continue };
            if file.interests.is_empty() {
                continue;
            }
            let roused = if std::mem::take(&mut file.is_roused) { IN | OUT } else { 0 };
            let events = self.network.events(file.kind, file.is_read_shut) | roused;
            let mut is_again = false;
            for interest in &mut file.interests {
                let news = events & (interest.events | ERROR | HANG_UP);
                // The bits above are about how to tell, and 0 is an interest that has been told once.
                if news == 0 || interest.events & !(EDGE | ONCE) == 0 {
                    continue;
                }
                if told == most {
                    is_again = true;
                    break;
                }
                file.is_closed_told |= news & (ERROR | HANG_UP | READ_HANG_UP) != 0;
                tell(news, interest.data);
                told += 1;
                is_again |= interest.events & (EDGE | ONCE) == 0;
                if interest.events & ONCE != 0 {
                    interest.events &= EDGE | ONCE;
                }
            }
            if is_again {
                levels.push(index);
            }
        }
        for index in levels {
            self.network.waiting.ready_files.push(index);
        }
        told
    }

    /// Wakes everybody who waits for a connection, although nothing has happened; whether there is anybody.
    pub(crate) fn rouse(&mut self) -> bool {
        let mut is_any = false;
        for (index, file) in self.kernel.files.iter_mut().enumerate() {
            if let Some(file) = file
                && let Kind::Stream(stream) = file.kind
                && !file.is_connecting
                && !self.network.is_dead(stream)
            {
                file.is_roused = true;
                is_any = true;
                self.network.waiting.ready_files.push(FileIndex(index as u32));
            }
        }
        is_any
    }

    /// `poll(2)` of one descriptor, without waiting: which of the events that were asked for are there.
    pub(crate) fn poll(&mut self, descriptor: Descriptor, wanted: u32) -> Result<u32, Errno> {
        let (_, file) = self.file(descriptor)?;
        let (kind, is_read_shut) = (file.kind, file.is_read_shut);
        Ok(self.network.events(kind, is_read_shut) & (wanted | ERROR | HANG_UP))
    }
}

impl Kernel {
    /// The same of the waker alone.
    pub(crate) fn ready_waker(&self, is_woken: bool, mut tell: impl FnMut(u32, u64)) -> usize {
        match self.waker.filter(|_| is_woken) {
            Some(waker) => {
                tell(waker.events & IN, waker.data);
                1
            }
            None => 0,
        }
    }
}

impl crate::sim::network::Network {
    /// What is true of a file.
    fn events(&mut self, kind: Kind, is_read_shut: bool) -> u32 {
        match kind {
            Kind::Unconnected { .. } => OUT | HANG_UP,
            Kind::Nowhere => 0,
            Kind::Listener(number) => {
                let life = self.fabric.listener(number).life;
                if self.fabric.listener(number).is_ready() && !self.hosts.life(life).state.is_over() { IN } else { 0 }
            }
            Kind::Stream(stream) => self.events_of(stream) | if is_read_shut { IN | READ_HANG_UP } else { 0 },
        }
    }

    /// As Linux's `tcp_poll`, but for a socket whose process is dead: that a direction is closed would be kept in mind for
    /// ever, and tried again for ever.
    fn events_of(&mut self, stream: Socket) -> u32 {
        use crate::tcp::EndState;

        let end = self.fabric.end(stream);
        let tcp = end.tcp();
        let is_connecting = tcp.state() == EndState::Connecting;
        if self.is_dead(stream) {
            return if is_connecting { 0 } else { IN | OUT };
        }
        if is_connecting && !tcp.is_reset() {
            return 0;
        }
        let is_at_end = tcp.fin_received_at().is_some() || tcp.is_reset();
        let mut events = 0;
        if tcp.is_readable() {
            events |= IN;
        }
        if is_at_end {
            events |= IN | READ_HANG_UP;
        }
        if tcp.is_reset() || (is_at_end && tcp.is_shut_down()) {
            events |= HANG_UP;
        }
        if tcp.has_error() {
            events |= ERROR;
        }
        if self.fabric.is_writable(stream) {
            events |= OUT;
        }
        events
    }
}
