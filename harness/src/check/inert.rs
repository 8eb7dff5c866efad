//! Why a planned fault did nothing, in words, from what the trace shows beside it.

use std::time::Duration;

use super::Evidence;
use super::fault_timeline::{FaultTimeline, Moment};
use super::process_timeline::ProcessTimeline;
use crate::fault::{Lacked, Target, Trigger};
use crate::heard;
use crate::name::HostName;
use crate::trace::{FaultEvent, Record, RecordKind, Seconds};

/// Finds the reason in a run.
pub(super) struct Diagnosis<'a, 'e> {
    pub(super) evidence: &'a Evidence<'e>,
    pub(super) processes: &'a ProcessTimeline<'e>,
    pub(super) timelines: &'a [FaultTimeline<'e>],
}

impl Diagnosis<'_, '_> {
    /// Why a fault never fired.
    pub(super) fn why_never(&self, timeline: &FaultTimeline) -> String {
        let end = self.evidence.last.at;
        if let Trigger::At(at) = timeline.fault.trigger
            && at > end
        {
            let scripts =
                self.last_script().map_or(String::new(), |last| format!(", and the last script ended at {last}"));
            return format!("its time, {}, is later than the judgement at {}{scripts}", exact(at), exact(end));
        }
        let told = self.evidence.last.unfired.iter().find(|unfired| unfired.fault == timeline.number);
        let why = told.map_or("its trigger never came true", |unfired| unfired.why.as_str());
        let when = match timeline.fault.trigger {
            Trigger::At(at) => at,
            Trigger::Message { .. }
            | Trigger::Frame { .. }
            | Trigger::SseEvent { .. }
            | Trigger::Chunk { .. }
            | Trigger::Line { .. }
            | Trigger::Idle(_)
            | Trigger::Bytes { .. }
            | Trigger::HttpHead { .. }
            | Trigger::Event { .. }
            | Trigger::Connect => end,
        };
        let parts = [why.to_owned() + &self.instead(timeline)]
            .into_iter()
            .chain(self.absences(timeline, when))
            .chain(self.ended_before(timeline, when));
        parts.collect::<Vec<_>>().join("; ")
    }

    /// What there was instead of what the trigger waits for.
    fn instead(&self, timeline: &FaultTimeline) -> String {
        let passed =
            |link| heard::passed(self.evidence.records, link).map_or(String::new(), |told| format!("; {told}"));
        match (&timeline.fault.trigger, timeline.fault.act.target().link()) {
            (Trigger::Event { message, .. }, _) => heard::nearest_event(self.evidence.records, message),
            (
                Trigger::Message { .. }
                | Trigger::Frame { .. }
                | Trigger::SseEvent { .. }
                | Trigger::Chunk { .. }
                | Trigger::Line { .. }
                | Trigger::HttpHead { .. }
                | Trigger::Connect,
                Some(link),
            ) => passed(link),
            (Trigger::At(_), Some(link)) if heard::is_strange(self.evidence.records, link) => passed(link),
            _ => String::new(),
        }
    }

    /// Why a fault that fired changed nothing.
    pub(super) fn why_nothing(&self, timeline: &FaultTimeline, fired: Moment) -> String {
        if let (true, Target::Host(host)) = (timeline.fault.act.ends_process(), timeline.fault.act.target()) {
            return self.not_running(timeline, host, fired);
        }
        if let Some(other) = self.silent_already(timeline, fired) {
            let number = other.number.0 + 1;
            return format!("fault {number} ({}) already kept everything there from passing", other.fault.act.verb());
        }
        let until = timeline.healed.map_or(self.evidence.last.at, |healed| healed.at);
        let window = format!("from {} to {}", exact(fired.at), exact(until));
        let on = place(&self.evidence.records[fired.index]);
        match timeline.fault.act.lacked() {
            Lacked::Packets => format!("nothing was sent {on} while it lasted, {window}"),
            Lacked::Attempt => format!("no host tried to connect {on} while it lasted, {window}"),
            Lacked::Lookup => format!("no host looked a name up {on} while it lasted, {window}"),
            Lacked::Clock => format!("no host looked at the wall clock {on} from {} on", exact(fired.at)),
            Lacked::Call(call, nth) => {
                format!("the call that was to fail, {} number {nth}, was not made {on}", crate::fault::to_word(&call))
            }
            Lacked::Witness => format!("no host was left {on} to see it"),
        }
    }

    /// What those faults changed that struck where and when another did.
    pub(super) fn overlaps(&self) -> String {
        let told = self.timelines.iter().filter_map(|timeline| {
            let fired = timeline.fired?;
            let number = timeline.number.0 + 1;
            let on = place(&self.evidence.records[fired.index]);
            if let Some(other) = self.silent_already(timeline, fired).filter(|_| timeline.fault.act.silences()) {
                let at = exact(fired.at);
                return Some(format!("fault {number} took over from fault {} {on} at {at}", other.number.0 + 1));
            }
            let same = |other: &&FaultTimeline| {
                let fault = (other.fault.act.target(), &other.fault.trigger);
                other.number < timeline.number && fault == (timeline.fault.act.target(), &timeline.fault.trigger)
            };
            let twin = self.timelines.iter().find(same)?;
            Some(format!("fault {number}, which waits for the same as fault {}, struck {on}", twin.number.0 + 1))
        });
        told.fold(String::new(), |told, next| format!("{told}; {next}"))
    }

    /// Who had finished before a fault fired.
    pub(super) fn who_was_over(&self, timeline: &FaultTimeline, fired: usize) -> Option<String> {
        let gone =
            timeline.fault.act.target().hosts().into_iter().find(|host| self.processes.has_returned(host, fired))?;
        let at = self.evidence.records[self.processes.last_transition(gone, fired)?].at;
        Some(format!("{gone} had ended at {}", Seconds(at)))
    }

    /// Which of the fault's hosts were not there at a time.
    fn absences(&self, timeline: &FaultTimeline, when: Duration) -> Vec<String> {
        let index = self.evidence.records.partition_point(|record| record.at <= when);
        let absent = timeline.fault.act.target().hosts().into_iter().filter_map(|host| {
            let Some(last) = self.processes.last_transition(host, index) else {
                let start = self
                    .processes
                    .starts_after(host, index.saturating_sub(1))
                    .map(|start| self.evidence.records[start].at);
                return Some(match start {
                    Some(start) => format!("{host} started at {} only", Seconds(start)),
                    None => format!("{host} never started"),
                });
            };
            let at = Seconds(self.evidence.records[last].at);
            if self.processes.was_killed(host, index) {
                Some(format!("{host} was down since {at}"))
            } else if self.processes.has_returned(host, index) {
                Some(format!("{host} had ended at {at}"))
            } else {
                None
            }
        });
        absent.collect()
    }

    /// The fault that had ended what this one was to strike.
    fn ended_before(&self, timeline: &FaultTimeline, when: Duration) -> Option<String> {
        let link = timeline.fault.act.target().link()?;
        let other = self.timelines.iter().rev().find(|other| {
            let same = other.fault.act.target().link() == Some(link);
            same && other.number != timeline.number
                && other.fault.act.is_final()
                && other.fired.is_some_and(|fired| fired.at <= when)
        })?;
        let fired = other.fired?;
        let on = place(&self.evidence.records[fired.index]);
        Some(format!(
            "fault {} ({}) had ended what was there {on} at {}",
            other.number.0 + 1,
            other.fault.act.verb(),
            exact(fired.at)
        ))
    }

    fn not_running(&self, timeline: &FaultTimeline, host: &HostName, fired: Moment) -> String {
        let struck = self.timelines.iter().rev().find(|other| {
            let earlier = other.fired.is_some_and(|other| other.index < fired.index);
            let process = other.fault.act.ends_process();
            other.number != timeline.number
                && earlier
                && process
                && other.fault.act.target() == timeline.fault.act.target()
        });
        let by = struck.map_or(String::new(), |other| {
            let at = other.fired.map_or(Duration::ZERO, |fired| fired.at);
            format!(": fault {} ({}) had struck it at {}", other.number.0 + 1, other.fault.act.verb(), exact(at))
        });
        let state = if self.processes.last_transition(host, fired.index).is_none() {
            "had not started"
        } else if self.processes.was_killed(host, fired.index) {
            "was down"
        } else if self.processes.is_away(host, fired.index) {
            "was stopping already, or gone"
        } else {
            return format!("{host} ran, and no host was connected with it or tried to be");
        };
        format!("{host} {state}{by}")
    }

    /// An earlier fault that let nothing through where this one struck.
    fn silent_already(&self, timeline: &FaultTimeline, fired: Moment) -> Option<&FaultTimeline<'_>> {
        let on = |moment: Moment| place(&self.evidence.records[moment.index]);
        self.timelines.iter().find(|other| {
            let Some(earlier) = other.fired.filter(|earlier| earlier.index < fired.index) else { return false };
            let lasts = other.healed.is_none_or(|healed| healed.index > fired.index);
            let covers = match other.fault.act.target() {
                Target::Host(host) => timeline.fault.act.target().hosts().contains(&host),
                Target::Between(one, other) => {
                    let own = timeline.fault.act.target().hosts();
                    own.contains(&one) && own.contains(&other)
                }
                Target::Link { .. } => on(earlier) == on(fired),
            };
            other.number != timeline.number && other.fault.act.silences() && lasts && covers
        })
    }

    fn last_script(&self) -> Option<Seconds> {
        let judged = self.evidence.records.partition_point(|record| record.at <= self.evidence.last.at);
        let ends = self.evidence.actors.iter().filter_map(|actor| self.processes.last_transition(actor, judged));
        ends.max().map(|place| Seconds(self.evidence.records[place].at))
    }
}

/// Where a fault fired, as the end of a sentence.
fn place(firing: &Record) -> String {
    let RecordKind::Fault { event: FaultEvent::Fired { on, .. }, .. } = &firing.what else { return String::new() };
    match on.split_once(' ') {
        Some(("between" | "from", _)) => on.clone(),
        Some(("host", host)) => format!("from or to {host}"),
        Some(_) | None => format!("on {on}"),
    }
}

/// A time in full: rounded ones could seem to be the same.
fn exact(at: Duration) -> String {
    humantime::format_duration(at).to_string()
}
