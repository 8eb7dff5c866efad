//! Trials: one plan with other faults, again and again, on all cores.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Depth, Isolate, Player, Report, Series};
use crate::catalogue::Catalogue;
use crate::fault::Fault;
use crate::plan::Plan;
use crate::workers::Trier;

/// A plan whose faults are replaced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trials<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) base: &'a Plan,
    pub(crate) isolate: Isolate,
}

impl<'a> Trials<'a> {
    /// Somebody who plays one at a time.
    pub(crate) fn player(self) -> impl FnMut(&[Fault]) -> Report + use<'a> {
        let mut trier = Trier::new(self.base);
        let mut player = Player::new(self.catalogue);
        let series = Series { scenario: self.base.scenario.clone(), defect: None };
        move |faults| match self.isolate {
            Isolate::Process => trier.play(faults, Depth::Judged),
            Isolate::Thread => {
                let plan = Plan { faults: faults.to_vec(), ..self.base.clone() };
                player.play(&series, 0, &plan, Depth::Judged)
            }
        }
    }

    /// Plays what `next` gives out, `jobs` at a time, until it gives out nothing or `told` breaks. Each trial has a number by
    /// which `told` knows it.
    pub(crate) fn play(
        self,
        jobs: NonZeroUsize,
        next: impl Fn() -> Option<(usize, Vec<Fault>)> + Sync,
        told: impl Fn(usize, Report) -> ControlFlow<()> + Sync,
    ) {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..jobs.get() {
                scope.spawn(|| {
                    let mut play = self.player();
                    while !is_over.load(Ordering::Relaxed)
                        && let Some((number, faults)) = next()
                    {
                        if told(number, play(&faults)).is_break() {
                            is_over.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
    }
}
