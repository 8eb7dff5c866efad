//! How far each unit of a protocol has come: when its last packet is in the receiver's socket, it has arrived.

use std::collections::VecDeque;

use super::{ConnectionIndex, Fabric, Output};
use crate::name::Direction;

/// The units of one direction that are on their way. Offsets count the bytes that were put onto the path.
#[derive(Debug, Default)]
pub(super) struct Travel {
    sent: u64,
    arrived: u64,
    /// The offset after each unit's last byte, and its number among all units of the run.
    units: VecDeque<(u64, u32)>,
}

impl Travel {
    /// Bytes were put onto the path for the first time.
    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }
}

impl Fabric {
    /// A unit has just been told of: its bytes are on the path.
    pub(super) fn follow_unit(&mut self, index: ConnectionIndex, direction: Direction) {
        let number = self.units;
        self.units += 1;
        let travel = &mut self.connection_mut(index).path_mut(direction).travel;
        travel.units.push_back((travel.sent, number));
    }

    /// Bytes are in the receiver's socket.
    #[inline]
    pub(super) fn tell_arrivals(&mut self, index: ConnectionIndex, direction: Direction, bytes: usize) {
        let travel = &mut self.connections[index.0 as usize].path_mut(direction).travel;
        travel.arrived += bytes as u64;
        while let Some((_, number)) = travel.units.pop_front_if(|(end, _)| *end <= travel.arrived) {
            self.outputs.push(Output::Arrived(number));
        }
    }
}
