//! Who waits for the network, because the network knows no task: tasks at the sockets of the seam, and files of the
//! simulated kernel, which the runtime asks for when it waits.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use crate::fabric::{ConnectionIndex, Ready, Socket};
use crate::name::Side;

/// Tasks that wait for one thing.
#[derive(Default)]
pub(crate) struct Wakers {
    first: Option<Waker>,
    /// Empty whenever `first` is. Boxed because it is rare: who waits is mostly one.
    #[expect(clippy::box_collection, reason = "a pointer in what every packet touches, instead of three")]
    others: Option<Box<Vec<Waker>>>,
}

impl Wakers {
    #[inline]
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        match &self.first {
            None => self.first = Some(cx.waker().clone()),
            Some(first) if first.will_wake(cx.waker()) => {}
            Some(_) => self.register_beside(cx),
        }
    }

    #[cold]
    fn register_beside(&mut self, cx: &Context<'_>) {
        let others = self.others.get_or_insert_default();
        if !others.iter().any(|waker| waker.will_wake(cx.waker())) {
            others.push(cx.waker().clone());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Moves every waker to `out`; they are woken when nothing is borrowed any more.
    #[inline]
    fn drain_into(&mut self, out: &mut Vec<Waker>) {
        if let Some(first) = self.first.take() {
            out.push(first);
            if let Some(others) = self.others.take() {
                out.extend(*others);
            }
        }
    }
}

/// Who waits on one socket.
#[derive(Default)]
pub(crate) struct Waiters {
    pub(crate) readers: Wakers,
    pub(crate) writers: Wakers,
    /// The kernel's file, where the socket is behind one.
    file: Option<FileIndex>,
    /// Whether the file's last read, and its last write, would have had to wait.
    pub(crate) read_blocked: bool,
    pub(crate) write_blocked: bool,
    /// Whether a call on a dead incarnation's socket has failed once already.
    pub(crate) told_dead: bool,
}

/// A file of the simulated kernel: a socket that a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileIndex(pub(crate) u32);

/// Files that something has happened to, in the order in which it has, each once.
#[derive(Default)]
pub(crate) struct ReadyFiles {
    order: VecDeque<FileIndex>,
    is_queued: Vec<bool>,
}

impl ReadyFiles {
    #[inline]
    pub(crate) fn push(&mut self, file: FileIndex) {
        let at = file.0 as usize;
        if self.is_queued.len() <= at {
            self.is_queued.resize(at + 1, false);
        }
        if !std::mem::replace(&mut self.is_queued[at], true) {
            self.order.push_back(file);
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<FileIndex> {
        let file = self.order.pop_front()?;
        self.is_queued[file.0 as usize] = false;
        Some(file)
    }
}

/// Who waits for a listener's connections.
#[derive(Default)]
pub(crate) struct Acceptors {
    pub(crate) tasks: Wakers,
    file: Option<FileIndex>,
}

/// Who waits on every socket and listener of a run.
#[derive(Default)]
pub(crate) struct Waiting {
    connections: Vec<[Waiters; 2]>,
    listeners: Vec<Acceptors>,
    pub(crate) ready_files: ReadyFiles,
}

impl Waiting {
    /// Who waits on a socket, to be changed.
    #[inline]
    pub(crate) fn on(&mut self, Socket { connection: ConnectionIndex(n), side }: Socket) -> &mut Waiters {
        if self.connections.len() <= n as usize {
            self.connections.resize_with(n as usize + 1, Default::default);
        }
        &mut self.connections[n as usize][side as usize]
    }

    /// Who waits for a listener's next connection, to be changed.
    pub(crate) fn on_listener(&mut self, number: u32) -> &mut Acceptors {
        if self.listeners.len() <= number as usize {
            self.listeners.resize_with(number as usize + 1, Acceptors::default);
        }
        &mut self.listeners[number as usize]
    }

    /// A file stands for the socket from now on, or none.
    pub(crate) fn set_file(&mut self, socket: Socket, file: Option<FileIndex>) {
        self.on(socket).file = file;
    }

    /// The same of a listener.
    pub(crate) fn set_listener_file(&mut self, number: u32, file: Option<FileIndex>) {
        self.on_listener(number).file = file;
    }

    /// Whether somebody waits for a read of a socket, and for a write.
    pub(crate) fn has(&self, connection: ConnectionIndex, side: Side) -> (bool, bool) {
        let waiters = self.connections.get(connection.0 as usize).map(|sides| &sides[side as usize]);
        waiters.map_or((false, false), |waiters| {
            (waiters.read_blocked || !waiters.readers.is_empty(), waiters.write_blocked || !waiters.writers.is_empty())
        })
    }

    /// Those whom an output of the network concerns look again: wakers are moved to `out`.
    #[inline]
    pub(crate) fn take(&mut self, socket: Socket, ready: Ready, out: &mut Vec<Waker>) {
        let waiters = self.on(socket);
        if ready != Ready::ToWrite {
            waiters.readers.drain_into(out);
            waiters.read_blocked = false;
        }
        if ready != Ready::ToRead {
            waiters.writers.drain_into(out);
            waiters.write_blocked = false;
        }
        if let Some(file) = waiters.file {
            self.ready_files.push(file);
        }
    }

    /// The same of a listener.
    pub(crate) fn take_acceptors(&mut self, number: u32, out: &mut Vec<Waker>) {
        let acceptors = self.on_listener(number);
        acceptors.tasks.drain_into(out);
        if let Some(file) = acceptors.file {
            self.ready_files.push(file);
        }
    }
}
