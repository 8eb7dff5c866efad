//! Tasks that wait for the network: the seam's own, because the network knows no task.

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
    /// Whether a call on a dead incarnation's socket has failed once already.
    pub(crate) told_dead: bool,
}

/// Who waits on every socket and listener of a run.
#[derive(Default)]
pub(crate) struct Waiting {
    connections: Vec<[Waiters; 2]>,
    listeners: Vec<Wakers>,
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
    pub(crate) fn on_listener(&mut self, number: u32) -> &mut Wakers {
        if self.listeners.len() <= number as usize {
            self.listeners.resize_with(number as usize + 1, Wakers::default);
        }
        &mut self.listeners[number as usize]
    }

    /// Whether somebody waits for a read of a socket, and for a write.
    pub(crate) fn has(&self, connection: ConnectionIndex, side: Side) -> (bool, bool) {
        let waiters = self.connections.get(connection.0 as usize).map(|sides| &sides[side as usize]);
        waiters.map_or((false, false), |waiters| (!waiters.readers.is_empty(), !waiters.writers.is_empty()))
    }

    /// Moves the wakers that an output of the network concerns to `out`.
    #[inline]
    pub(crate) fn take(&mut self, socket: Socket, ready: Ready, out: &mut Vec<Waker>) {
        let waiters = self.on(socket);
        match ready {
            Ready::ToRead => waiters.readers.drain_into(out),
            Ready::ToWrite => waiters.writers.drain_into(out),
            Ready::ForAll => {
                waiters.readers.drain_into(out);
                waiters.writers.drain_into(out);
            }
        }
    }

    /// The same of a listener.
    pub(crate) fn take_acceptors(&mut self, number: u32, out: &mut Vec<Waker>) {
        self.on_listener(number).drain_into(out);
    }
}
