//! The threads of a run take turns: exactly one of them runs at a time, and who is next is decided by the run and never
//! by the machine.
//!
//! A thread that a run's thread starts belongs to the run. It begins when its turn comes, which is not before the one
//! who started it waits, or has ended the poll of a task. A turn ends when its thread waits (for a lock, a channel, a
//! time, the end of a thread), yields or ends; then the thread that has been ready longest has the next. When no thread
//! is ready, virtual time goes on to the earliest time that anybody waits for.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::Shared;
use super::wait::{pause_really, real_nanos, wait_for_word, wake_word};

/// How long no thread is ready, and none waits for a time, before the run is given up: another thread of the process
/// (the test's own, or that of a run beside this one) may still release what is waited for.
const PATIENCE_NANOS: u64 = 5_000_000_000;
/// The same in a process in which a run has been given up: the next one waits for the same thing.
const LITTLE_PATIENCE_NANOS: u64 = 250_000_000;
/// How long the run's first thread is waited for before time goes on over its head: a lock of the whole process, which a
/// run beside this one holds, is free again sooner.
const GRACE_NANOS: u64 = 50_000_000;
/// The same where there is no run beside this one.
const GRACE_ALONE_NANOS: u64 = 2_000_000;
/// Between two looks at what others may have released.
const LOOK_NANOS: u64 = 50_000;
/// Between two looks at whether the run is to be given up.
const SLICE_NANOS: u64 = 20_000_000;
/// How far time goes on for threads that are still there when everything else has ended.
const LAST_NANOS: u64 = 5_000_000_000;

/// A word of memory that somebody waits at (a futex).
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) address: usize,
    /// What it held when the wait began.
    pub(super) value: u32,
    /// Which wakes concern the waiting one.
    pub(super) bits: u32,
}

/// What a thread waits for: whichever of these comes first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    pub(super) word: Option<Word>,
    /// Virtual nanoseconds since the start of the run.
    pub(super) until: Option<u64>,
    /// The end of another thread.
    pub(super) end_of: Option<usize>,
}

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    ByAnother,
    ByTime,
}

enum Doing {
    /// It runs, or will when its turn comes.
    Ready,
    Waits(Waiting),
    Ended,
}

struct Member {
    /// 1 while it is this thread's turn.
    turn: &'static AtomicU32,
    doing: Doing,
    woken: Woken,
    /// `None` when it has been joined, and for the run's first thread.
    thread: Option<libc::pthread_t>,
    /// The host that it belongs to; the run's first thread belongs to none, because all hosts share it.
    life: Option<u32>,
}

impl Member {
    fn new(life: Option<u32>) -> Self {
        Self {
            turn: Box::leak(Box::new(AtomicU32::new(0))),
            doing: Doing::Ready,
            woken: Woken::ByAnother,
            thread: None,
            life,
        }
    }
}

/// The threads of one run.
pub(crate) struct Crew {
    state: Mutex<State>,
    /// Threads beside the first that have not ended.
    helpers: AtomicU32,
    /// Whether one of them has had a turn since this was last looked at.
    helped: AtomicBool,
}

struct State {
    /// The run's first thread is the first.
    members: Vec<Member>,
    ready: VecDeque<usize>,
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("helpers", &self.helpers).finish_non_exhaustive()
    }
}

impl Default for Crew {
    fn default() -> Self {
        let state = State { members: vec![Member::new(None)], ready: VecDeque::new() };
        Self { state: Mutex::new(state), helpers: AtomicU32::new(0), helped: AtomicBool::new(false) }
    }
}

thread_local! {
    /// Which member of its run's crew this thread is.
    static ME: Cell<usize> = const { Cell::new(0) };
}

/// Whether this is the first thread of its run.
#[inline]
pub(super) fn is_first() -> bool {
    ME.get() == 0
}

/// Whose thread this is, if it is one that a life has started.
pub(super) fn life(shared: &Shared) -> Option<u32> {
    lock(shared).members.get(ME.get()).and_then(|member| member.life)
}

/// A thread is about to be started; its number.
pub(super) fn enlist(shared: &Shared, life: Option<u32>) -> (usize, &'static AtomicU32) {
    let mut state = lock(shared);
    let number = state.members.len();
    let member = Member::new(life);
    let turn = member.turn;
    state.members.push(member);
    state.ready.push_back(number);
    shared.crew.helpers.fetch_add(1, Ordering::Relaxed);
    (number, turn)
}

/// A thread has been started, or could not be.
pub(super) fn started(shared: &Shared, number: usize, thread: Option<libc::pthread_t>) {
    let mut state = lock(shared);
    state.members[number].thread = thread;
    if thread.is_none() {
        state.members[number].doing = Doing::Ended;
        state.ready.retain(|ready| *ready != number);
        shared.crew.helpers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// This thread is the one with that number, and goes on when its turn comes.
pub(super) fn begin(number: usize, turn: &AtomicU32) {
    await_turn(turn);
    ME.set(number);
}

/// This thread has run its course.
pub(super) fn end(shared: &Shared) {
    let me = ME.get();
    let mut state = lock(shared);
    state.members[me].doing = Doing::Ended;
    shared.crew.helpers.fetch_sub(1, Ordering::Relaxed);
    for number in 0..state.members.len() {
        if matches!(&state.members[number].doing, Doing::Waits(waiting) if waiting.end_of == Some(me)) {
            state.rouse(number);
        }
    }
    hand_over(shared, state, None);
}

/// The number of a thread that has not been joined, and whether it has ended.
pub(super) fn find(shared: &Shared, thread: libc::pthread_t) -> Option<(usize, bool)> {
    let state = lock(shared);
    let number = state.members.iter().rposition(|member| member.thread == Some(thread))?;
    Some((number, matches!(state.members[number].doing, Doing::Ended)))
}

/// The thread's handle means nothing from now on.
pub(super) fn joined(shared: &Shared, number: usize) {
    lock(shared).members[number].thread = None;
}

/// Waits; others run meanwhile, or time goes on.
pub(super) fn wait(shared: &Shared, waiting: Waiting) -> Woken {
    let now = shared.now_nanos();
    if waiting.until.is_some_and(|until| until <= now) {
        return Woken::ByTime;
    }
    if shared.crew.helpers.load(Ordering::Relaxed) == 0 {
        match waiting {
            Waiting { until: Some(until), .. } => {
                shared.wait_until(until);
                return Woken::ByTime;
            }
            Waiting { word: Some(word), .. } => {
                wait_for_others(shared, word);
                return Woken::ByAnother;
            }
            Waiting { .. } => {}
        }
    }
    let me = ME.get();
    let mut state = lock(shared);
    state.members[me].doing = Doing::Waits(waiting);
    hand_over(shared, state, Some(me));
    lock(shared).members[me].woken
}

/// Threads that are ready run before this thread goes on.
#[inline]
pub(crate) fn give_way(shared: &Shared) {
    if shared.crew.helpers.load(Ordering::Relaxed) > 0 {
        give_way_to_others(shared);
    }
}

#[cold]
fn give_way_to_others(shared: &Shared) {
    let mut state = lock(shared);
    if state.ready.is_empty() {
        return;
    }
    let me = ME.get();
    state.ready.push_back(me);
    hand_over(shared, state, Some(me));
}

/// How many threads beside the first there are.
pub(crate) fn helpers(shared: &Shared) -> usize {
    shared.crew.helpers.load(Ordering::Relaxed) as usize
}

/// Whether another thread than the first has had a turn since the last time that somebody asked.
pub(crate) fn has_helped(shared: &Shared) -> bool {
    // One thread of a run runs at a time: no other thread changes it between the two.
    let helped = shared.crew.helped.load(Ordering::Relaxed);
    shared.crew.helped.store(false, Ordering::Relaxed);
    helped
}

/// Wakes up to `most` threads of the run that wait at a word.
pub(super) fn wake(shared: &Shared, address: usize, most: usize, bits: u32) -> usize {
    if ORPHANS.load(Ordering::Relaxed) > 0 && orphans().contains(&address) {
        shared.work_for_another_run();
    }
    if shared.crew.helpers.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    let mut state = lock(shared);
    let mut woken = 0;
    for number in 0..state.members.len() {
        if woken == most {
            break;
        }
        let concerned = matches!(&state.members[number].doing, Doing::Waits(Waiting { word: Some(word), .. })
            if word.address == address && word.bits & bits != 0);
        if concerned {
            state.rouse(number);
            woken += 1;
        }
    }
    woken
}

/// The run is over, and its first thread leaves. Threads that are there get some time to end; how many have not.
pub(crate) fn disband(shared: &Shared) -> usize {
    let limit = shared.now_nanos() + LAST_NANOS;
    // A thread that does nothing but yield is ready for ever.
    for _ in 0..100_000 {
        if shared.crew.helpers.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let state = lock(shared);
        let busy = !state.ready.is_empty();
        let next = state.earliest().map(|(until, _)| until);
        drop(state);
        match next {
            _ if busy => give_way(shared),
            Some(next) if next <= limit => {
                wait(shared, Waiting { until: Some(next.max(shared.now_nanos() + 1)), ..Waiting::default() });
            }
            Some(_) | None => break,
        }
    }
    let state = lock(shared);
    let words = state.members.iter().filter_map(|member| match &member.doing {
        Doing::Waits(Waiting { word: Some(word), .. }) => Some(word.address),
        Doing::Waits(_) | Doing::Ready | Doing::Ended => None,
    });
    orphans().extend(words);
    ORPHANS.store(orphans().len(), Ordering::Relaxed);
    state.members.iter().skip(1).filter(|member| !matches!(member.doing, Doing::Ended)).count()
}

impl State {
    /// A waiting thread is ready.
    fn rouse(&mut self, number: usize) {
        self.members[number].doing = Doing::Ready;
        self.members[number].woken = Woken::ByAnother;
        self.ready.push_back(number);
    }

    /// The earliest time that anybody waits for, and who does; of several the first.
    fn earliest(&self) -> Option<(u64, usize)> {
        let waits = self.members.iter().enumerate().filter_map(|(number, member)| match &member.doing {
            Doing::Waits(waiting) => waiting.until.map(|until| (until, number)),
            Doing::Ready | Doing::Ended => None,
        });
        waits.min()
    }

    /// How long to wait for others before time goes on: the run's first thread may wait for what is not the run's.
    fn grace(&self) -> u64 {
        match &self.members[0].doing {
            Doing::Waits(Waiting { word: Some(_), until: None, .. }) if RUNS.load(Ordering::Relaxed) > 1 => GRACE_NANOS,
            Doing::Waits(Waiting { word: Some(_), until: None, .. }) => GRACE_ALONE_NANOS,
            Doing::Waits(_) | Doing::Ready | Doing::Ended => 0,
        }
    }

    /// A thread that waits at a word that has changed is ready: a thread that is not of the run has changed it.
    fn notice(&mut self) {
        for number in 0..self.members.len() {
            if matches!(&self.members[number].doing, Doing::Waits(Waiting { word: Some(word), .. }) if word.has_changed())
            {
                self.rouse(number);
            }
        }
    }
}

impl Word {
    pub(super) fn has_changed(&self) -> bool {
        // SAFETY: a thread waits at the word, so the memory is there, and it is used as an atomic number.
        unsafe { &*(self.address as *const AtomicU32) }.load(Ordering::SeqCst) != self.value
    }
}

/// Gives the turn to the next thread, and waits for the next turn of `me`.
fn hand_over<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>, me: Option<usize>) {
    let mut waited = 0;
    let next = loop {
        if let Some(next) = state.ready.pop_front() {
            break next;
        }
        let earliest = state.earliest();
        let grace = if earliest.is_some() { state.grace() } else { patience() };
        if waited >= grace {
            let Some((until, next)) = earliest else {
                drop(state);
                shared.give_up();
            };
            shared.wait_until(until);
            state.members[next].doing = Doing::Ready;
            state.members[next].woken = Woken::ByTime;
            break next;
        }
        drop(state);
        if shared.is_forsaken() {
            shared.give_up();
        }
        pause_really(LOOK_NANOS);
        waited += LOOK_NANOS;
        state = lock(shared);
        state.notice();
    };
    if me == Some(next) {
        return;
    }
    if next == 0 {
        shared.show(Some(shared.speaking.load(Ordering::Relaxed)).filter(|life| *life != super::NO_LIFE));
    } else {
        shared.crew.helped.store(true, Ordering::Relaxed);
        shared.show(state.members[next].life);
    }
    let mine = me.map(|me| state.members[me].turn);
    let turn = state.members[next].turn;
    // Free before the other runs: no thread ever waits for this lock.
    drop(state);
    turn.store(1, Ordering::SeqCst);
    wake_word(turn);
    if let Some(mine) = mine {
        await_turn(mine);
        if shared.is_surrendered() {
            shared.give_up();
        }
    }
}

/// The run's first thread is the one that gives a run up, because everything that is known of it is that thread's.
pub(super) fn surrender(shared: &Shared) {
    let turn = lock(shared).members[0].turn;
    turn.store(1, Ordering::SeqCst);
    wake_word(turn);
}

fn patience() -> u64 {
    if Shared::has_given_up_before() { LITTLE_PATIENCE_NANOS } else { PATIENCE_NANOS }
}

fn await_turn(turn: &AtomicU32) {
    while turn.swap(0, Ordering::SeqCst) == 0 {
        wait_for_word(turn.as_ptr() as usize, 0, None);
    }
}

/// The only thread of a run waits for what another thread of the process has to release.
fn wait_for_others(shared: &Shared, word: Word) {
    let begun = real_nanos(0);
    while !word.has_changed() {
        if real_nanos(0) - begun >= patience() || shared.is_forsaken() {
            shared.give_up();
        }
        if wait_for_word(word.address, word.value, Some(SLICE_NANOS)) {
            return;
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.crew.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs that are going on in this process.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// A run begins on this thread.
pub(super) fn muster() {
    ME.set(0);
    RUNS.fetch_add(1, Ordering::Relaxed);
}

/// The run on this thread is over.
pub(super) fn dismiss() {
    RUNS.fetch_sub(1, Ordering::Relaxed);
}

/// How many words there are at which threads of ended runs wait.
static ORPHANS: AtomicUsize = AtomicUsize::new(0);

/// Those words. Their threads never run again.
fn orphans() -> MutexGuard<'static, BTreeSet<usize>> {
    static WORDS: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    loop {
        match WORDS.try_lock() {
            Ok(words) => return words,
            Err(TryLockError::Poisoned(words)) => return words.into_inner(),
            // Waiting for a lock is what this module is about: it must not wait for one itself.
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
}
