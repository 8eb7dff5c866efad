//! The bytes of one direction between their arrival and their departure, as the slices in which they came.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A queue with a reading position in it. Nothing is ever copied.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    queue: VecDeque<Bytes>,
    /// Offset of the first byte that has not left.
    left: u64,
    /// Offset of the first byte that has not been read.
    read: u64,
    /// Offset after the last byte that has arrived.
    arrived: u64,
    /// The piece that is being read, and how far.
    index: usize,
    within: usize,
}

impl Pieces {
    /// Bytes have arrived.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.arrived += bytes.len() as u64;
            self.queue.push_back(bytes);
        }
    }

    /// Whether nothing is here.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Counts bytes that arrive, are read and leave without having been here.
    pub(super) fn skip(&mut self, bytes: usize) {
        debug_assert!(self.is_empty(), "what is here leaves first");
        self.arrived += bytes as u64;
        self.read = self.arrived;
        self.left = self.arrived;
    }

    /// How many bytes have left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// How many bytes have been read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// How many bytes have arrived.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// What of the current piece has not been read; empty when everything has.
    pub(super) fn unread(&self) -> &[u8] {
        self.queue.get(self.index).map_or(&[], |piece| &piece[self.within..])
    }

    /// The first `bytes` of `unread` are read.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.read += bytes as u64;
        self.within += bytes;
        if self.queue.get(self.index).is_some_and(|piece| self.within >= piece.len()) {
            self.index += 1;
            self.within = 0;
        }
    }

    /// Takes out the next slice of what has been read and lies before the offset `to`.
    pub(super) fn leave(&mut self, to: u64) -> Option<Bytes> {
        let span = to.min(self.read).checked_sub(self.left).filter(|span| *span > 0)?;
        let front = self.queue.front_mut()?;
        let slice = if span >= front.len() as u64 {
            self.index -= 1;
            self.queue.pop_front()?
        } else {
            let bytes = usize::try_from(span).unwrap_or(usize::MAX);
            if self.index == 0 {
                self.within -= bytes;
            }
            front.split_to(bytes)
        };
        self.left += slice.len() as u64;
        Some(slice)
    }

    /// A copy of what lies between two offsets and is here.
    pub(super) fn copy(&self, from: u64, to: u64) -> Vec<u8> {
        let mut copy = Vec::new();
        let mut start = self.left;
        for piece in &self.queue {
            let within =
                |offset: u64| usize::try_from(offset.saturating_sub(start)).map_or(piece.len(), |n| n.min(piece.len()));
            copy.extend_from_slice(&piece[within(from).min(within(to))..within(to)]);
            start += piece.len() as u64;
        }
        copy
    }

    /// Gives everything from the offset `from` on, as if it had not arrived; says how much of it had been read.
    pub(super) fn give_back(&mut self, from: u64) -> (Bytes, u64) {
        let from = from.clamp(self.left, self.arrived);
        let mut surplus = self.arrived - from;
        let mut given = Vec::new();
        while surplus > 0 {
            let Some(last) = self.queue.back_mut() else { break };
            let kept = (last.len() as u64).saturating_sub(surplus);
            let slice = last.split_off(usize::try_from(kept).unwrap_or(usize::MAX));
            surplus -= slice.len() as u64;
            given.push(slice);
            if kept == 0 {
                self.queue.pop_back();
            }
        }
        self.arrived = from;
        let read = self.read.saturating_sub(from);
        if self.read >= from {
            self.read = from;
            self.index = self.queue.len();
            self.within = 0;
        }
        (joined(given), read)
    }

    /// Everything that is here is gone, and counts as read and left.
    pub(super) fn clear(&mut self) -> u64 {
        let gone = self.arrived - self.left;
        *self = Self { left: self.arrived, read: self.arrived, arrived: self.arrived, ..Self::default() };
        gone
    }
}

/// Slices, the last first, as one.
fn joined(mut slices: Vec<Bytes>) -> Bytes {
    if slices.len() <= 1 {
        return slices.pop().unwrap_or_default();
    }
    slices
        .iter()
        .rev()
        .fold(BytesMut::new(), |mut whole, slice| {
            whole.extend_from_slice(slice);
            whole
        })
        .freeze()
}
