//! The obligations of one rule about time: opened, closed, voided.

use std::time::Duration;

use super::{Part, TimingRule};
use crate::check::Finding;
use crate::check::process_timeline::ProcessTimeline;
use crate::name::HostName;
use crate::occurrence::{Occurrence, ProcessMoment, Seen};
use crate::trace::{Record, Seconds, told_apart};

/// A place in the trace with its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant {
    pub(super) index: usize,
    pub(super) at: Duration,
}

/// The run, for what an obligation must know of the hosts.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) records: &'a [Record],
    pub(super) processes: &'a ProcessTimeline<'a>,
}

/// What one rule has seen of a run so far.
pub(super) struct Obligations<'a> {
    name: &'a str,
    rule: &'a TimingRule,
    open: Vec<Obligation>,
    /// How often what `after` names has occurred, and how often without the value that `same` asks for.
    opened: u32,
    without_common: u32,
    /// The obligations that were kept, and the shortest and longest time that it took.
    kept: u32,
    shortest: Duration,
    longest: Duration,
    /// The last obligation that the run, or the end of the host that owed it, left undecided.
    undecided: Option<Instant>,
    /// The first way in which the rule was broken.
    broken: Option<Finding>,
}

struct Obligation {
    began: Instant,
    /// What `same` says of it.
    common: Option<String>,
    /// Who owes it, as far as it is known.
    debtor: Option<HostName>,
    /// Whether it began with the debtor's being asked to stop: then it is owed before the end.
    is_a_farewell: bool,
}

impl<'a> Obligations<'a> {
    pub(super) fn of(name: &'a str, rule: &'a TimingRule) -> Self {
        Self {
            name,
            rule,
            open: Vec::new(),
            opened: 0,
            without_common: 0,
            kept: 0,
            shortest: Duration::MAX,
            longest: Duration::ZERO,
            undecided: None,
            broken: None,
        }
    }

    /// Takes an occurrence into account.
    pub(super) fn take(&mut self, part: Part, now: Instant, seen: &Seen, run: Run) {
        if self.broken.is_some() {
            return;
        }
        let common = match &self.rule.same {
            Some(same) => match seen.common(same) {
                Some(common) => Some(common),
                // It says nothing of the thing that the rule is about.
                None => {
                    self.without_common += u32::from(part == Part::Opens);
                    return;
                }
            },
            None => None,
        };
        match part {
            Part::Opens => self.open(now, common, seen, run),
            Part::Voids => self.open.retain(|obligation| obligation.common != common),
            Part::Closes if self.rule.never => self.forbid(now, &common, run),
            Part::Closes => {
                if let Some(place) = self.open.iter().position(|obligation| obligation.common == common) {
                    let closed = self.open.remove(place);
                    self.close(&closed, now, run);
                }
            }
        }
    }

    fn open(&mut self, now: Instant, common: Option<String>, seen: &Seen, run: Run) {
        self.opened += 1;
        let on = seen.connection().map(|id| &id.link);
        let doers = self.rule.follows.0.iter().map(|occurrence| occurrence.doer(on));
        let is_anywhere = |occurrence: &Occurrence| occurrence.event.is_some() || occurrence.fact.is_some();
        let own = seen.record.host.as_ref().filter(|_| self.rule.follows.0.iter().all(is_anywhere));
        let debtor = doers.flatten().next().or(own).cloned();
        let asked = |occurrence: &Occurrence| occurrence.process == Some(ProcessMoment::StopRequested);
        let is_a_farewell = self.rule.after.0.iter().any(asked) && debtor.as_ref() == seen.record.host.as_ref();
        let is_away = |host: &HostName| run.processes.is_away(host, now.index + 1);
        if !is_a_farewell && debtor.as_ref().is_some_and(is_away) {
            self.undecided = Some(now);
            return;
        }
        self.open.push(Obligation { began: now, common, debtor, is_a_farewell });
    }

    /// What must follow has followed.
    fn close(&mut self, obligation: &Obligation, now: Instant, run: Run) {
        let elapsed = now.at - obligation.began.at;
        if self.rule.at_least.is_some_and(|least| elapsed < least) {
            self.broken = Some(self.too_soon(obligation, now));
            return;
        }
        if self.rule.within.is_some_and(|within| elapsed > within) {
            if obligation.is_void(self.rule.within, run, now) {
                self.undecided = Some(obligation.began);
                return;
            }
            self.broken = Some(self.too_late(obligation, Some(now), now.at));
            return;
        }
        self.kept += 1;
        self.shortest = self.shortest.min(elapsed);
        self.longest = self.longest.max(elapsed);
    }

    /// What must not follow has followed: the obligations whose time is over by then are kept.
    fn forbid(&mut self, now: Instant, common: &Option<String>, run: Run) {
        let concerned: Vec<_> = self.open.extract_if(.., |obligation| obligation.common == *common).collect();
        for obligation in concerned {
            let is_over = self.rule.within.is_some_and(|within| now.at > obligation.began.at + within);
            match is_over {
                true if obligation.is_void(self.rule.within, run, now) => self.undecided = Some(obligation.began),
                true => self.kept += 1,
                false => {
                    self.broken.get_or_insert(forbidden(self.name, self.rule, &obligation, now));
                }
            }
        }
    }

    /// What there was to hold, when the run is over.
    pub(super) fn conclude(mut self, run: Run, last: Duration) -> Result<String, Finding> {
        let end = Instant { index: run.records.len(), at: last };
        for obligation in std::mem::take(&mut self.open) {
            let is_over = match self.rule.within {
                Some(within) => obligation.began.at + within <= end.at,
                None => self.rule.never,
            };
            if !is_over || obligation.is_void(self.rule.within, run, end) {
                self.undecided = Some(obligation.began);
            } else if self.rule.never {
                self.kept += 1;
            } else if self.broken.is_none() {
                self.broken = Some(self.too_late(&obligation, None, end.at));
            }
        }
        match self.broken {
            Some(finding) => Err(finding),
            None if self.kept > 0 || self.rule.optional => Ok(self.summary()),
            None => Err(self.says_nothing(last)),
        }
    }

    fn summary(&self) -> String {
        let name = self.name;
        let times = match self.kept {
            0 => return format!("{name}: nothing to hold"),
            1 => "once".to_owned(),
            kept => format!("{kept} times"),
        };
        if self.rule.never {
            return format!("{name}: never, {times}");
        }
        let [shortest, longest] = [self.shortest, self.longest].map(exactly);
        if shortest == longest {
            return format!("{name}: {times}, {shortest}");
        }
        format!("{name}: {times}, {shortest} to {longest}")
    }

    fn finding(&self, clause: &str, sentence: String, obligation: &Obligation) -> Finding {
        let debtor = obligation.debtor.as_ref();
        Finding::of_rule(self.name, clause, sentence).witness([obligation.began.index]).role(debtor)
    }

    fn too_soon(&self, obligation: &Obligation, now: Instant) -> Finding {
        let least = self.rule.at_least.unwrap_or_default();
        let [began, elapsed, least] = told_apart([obligation.began.at, now.at - obligation.began.at, least]);
        let sentence = format!(
            "{}: {}{} at {began} was followed by {} after {elapsed} already (at least {least}).",
            self.name,
            self.rule.after.words(),
            obligation.about(),
            self.rule.follows.words(),
        );
        self.finding("too soon", sentence, obligation).witness([now.index])
    }

    fn too_late(&self, obligation: &Obligation, late: Option<Instant>, end: Duration) -> Finding {
        let within = self.rule.within.unwrap_or_default();
        let elapsed = late.map_or(end, |late| late.at) - obligation.began.at;
        let [began, elapsed, within] = told_apart([obligation.began.at, elapsed, within]);
        let (name, after, about) = (self.name, self.rule.after.words(), obligation.about());
        let follows = self.rule.follows.words();
        let sentence = match late {
            Some(_) => format!(
                "{name}: {after}{about} at {began} was followed by {follows} after {elapsed} only (at most {within})."
            ),
            None => format!(
                "{name}: {after}{about} at {began} was never followed by {follows}, and the run went on for {elapsed} (at \
                 most {within})."
            ),
        };
        let clause = if late.is_some() { "too late" } else { "never" };
        self.finding(clause, sentence, obligation).witness(late.map(|late| late.index))
    }

    fn says_nothing(&self, last: Duration) -> Finding {
        let (name, after) = (self.name, self.rule.after.words());
        let Some(began) = self.undecided else {
            let same = self.rule.same.as_deref().unwrap_or_default();
            let sentence = match (self.opened, self.without_common) {
                (0, 1..) => format!("{name}: {after} occurred, and never with a `{same}`, so the rule says nothing."),
                (0, 0) => format!("{name}: {after} never occurred in this run, so the rule says nothing."),
                (1.., _) => format!(
                    "{name}: whenever {after} occurred, what `unless` names came first: the run decides nothing."
                ),
            };
            return Finding::of_rule(name, "says nothing", sentence);
        };
        let sentence = format!(
            "{name}: {after} occurred at {}, and before {} had to follow the run ended, at {}, or the host that owed it \
             did: the run decides nothing. Let it go on for longer (`settle`, or the script).",
            Seconds(began.at),
            self.rule.follows.words(),
            Seconds(last),
        );
        Finding::of_rule(name, "undecided", sentence).witness([began.index])
    }
}

fn forbidden(name: &str, rule: &TimingRule, obligation: &Obligation, now: Instant) -> Finding {
    let [began, elapsed] = told_apart([obligation.began.at, now.at - obligation.began.at]);
    let bound = rule.within.map_or("never".to_owned(), |within| format!("not within {}", Seconds(within)));
    let sentence = format!(
        "{name}: {}{} at {began} was followed by {} after {elapsed} ({bound}).",
        rule.after.words(),
        obligation.about(),
        rule.follows.words(),
    );
    Finding::of_rule(name, "followed", sentence)
        .witness([obligation.began.index, now.index])
        .role(obligation.debtor.as_ref())
}

impl Obligation {
    /// Whether the host that owes it ended, or began to, before its time was over and before `now`.
    fn is_void(&self, within: Option<Duration>, run: Run, now: Instant) -> bool {
        let Some(host) = &self.debtor else { return false };
        let end = match self.is_a_farewell {
            true => run.processes.kills(host).find(|place| *place > self.began.index),
            false => run.processes.ends_after(host, self.began.index),
        };
        let in_time = |place: usize| within.is_some_and(|within| run.records[place].at < self.began.at + within);
        end.is_some_and(|place| place < now.index && in_time(place))
    }

    /// The thing that it is about, as the end of what sentences call it.
    fn about(&self) -> String {
        self.common.as_ref().map_or(String::new(), |common| format!(" ({common})"))
    }
}

/// To the millisecond: the author of a rule reads its bounds off this.
fn exactly(time: Duration) -> String {
    let text = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}
