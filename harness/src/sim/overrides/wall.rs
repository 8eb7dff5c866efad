//! Wall clocks that a fault has set: each machine's own.

use std::sync::atomic::Ordering;

use super::{Shared, lock};
use crate::fault::FaultIndex;
use crate::name::HostName;
use crate::trace::{FaultEvent, RecordKind};

/// A life's wall clock beside the run's.
#[derive(Debug, Default)]
pub(super) struct Wall {
    /// How far it is ahead, nanoseconds.
    ahead: i64,
    /// What set it, as long as no host has looked at it since.
    unseen: Option<FaultIndex>,
}

impl Shared {
    /// A machine's wall clock is so far ahead of the run's from now on, as its life sees it.
    pub(crate) fn set_wall(&self, life: u32, ahead: i64, fault: FaultIndex) {
        if let Some(life) = lock(&self.lives).get_mut(life as usize) {
            life.wall = Wall { ahead, unseen: Some(fault) };
            self.has_jumped.store(true, Ordering::Relaxed);
        }
    }

    /// How far this thread's wall clock is ahead of the run's, nanoseconds. The first look at it since it was set is told.
    #[inline]
    pub(super) fn wall_ahead(&self) -> i64 {
        if self.has_jumped.load(Ordering::Relaxed) { self.look_at_wall() } else { 0 }
    }

    fn look_at_wall(&self) -> i64 {
        let Some(life) = self.life() else { return 0 };
        let mut lives = lock(&self.lives);
        let Some(life) = lives.get_mut(life as usize) else { return 0 };
        let ahead = life.wall.ahead;
        let seen = life.wall.unseen.take().map(|fault| (fault, HostName::from(life.host.as_str())));
        drop(lives);
        if let Some((fault, observer)) = seen {
            let outcome = "saw it on its wall clock".to_owned();
            self.tell(RecordKind::Fault { fault, event: FaultEvent::FirstOutcome { observer, outcome } });
        }
        ahead
    }
}
