//! Capsules: a run in a file, to be replayed on another day and another machine.
//!
//! A capsule holds the whole scenario, its base included, and the faults as they were drawn: it survives changes of the
//! scenario's file and of the drawing. Its format has a number, and every number that was ever released stays readable.

use std::path::Path;

use toml::Value;

use crate::check::Signature;
use crate::fault::Registry;
use crate::plan::Plan;
use crate::scenario::{self, LocatedValue, ScenarioError, Section};
use crate::seed::Seed;

/// The format in which capsules are written.
const FORMAT: u32 = 1;

/// The formats in which capsules are read.
const READABLE: [u32; 1] = [FORMAT];

/// A run that can be replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Capsule {
    /// Scenario, seed and faults.
    pub plan: Plan,
    /// What the run broke; `None` for a run in which every law held.
    pub failure: Option<Signature>,
    /// The version of halfopen that wrote it.
    pub halfopen: String,
}

impl Capsule {
    /// A capsule of this version.
    pub fn new(plan: Plan, failure: Option<Signature>) -> Self {
        Self { plan, failure, halfopen: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// The capsule's file. Its `[[fault]]` tables can be pasted into a scenario.
    pub fn to_toml(&self) -> String {
        let string = |text: &str| Value::String(text.to_owned());
        let mut text = format!("format = {FORMAT}\nseed = {}\n", string(&self.plan.seed.to_string()));
        if let Some(failure) = &self.failure {
            text.push_str(&format!("failure = {}\n", string(failure.as_str())));
        }
        text.push_str(&format!("\n[versions]\nhalfopen = {}\n\n", string(&self.halfopen)));
        let faults = self.plan.to_toml();
        if !faults.is_empty() {
            text.push_str(&faults);
            text.push('\n');
        }
        text.push_str(&scenario::document(&self.plan.scenario, "scenario."));
        text
    }

    /// Reads a capsule's file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or what [`from_toml`](Self::from_toml) finds.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Self::load_with(path, &Registry::default())
    }

    /// The same, with these verbs: those of a catalogue that has [some of its own](crate::Catalogue::own_fault).
    ///
    /// # Errors
    ///
    /// If it cannot be read, or what [`from_toml`](Self::from_toml) finds.
    pub fn load_with(path: &Path, registry: &Registry) -> Result<Self, ScenarioError> {
        Self::from_toml_with(&scenario::text_of(path)?, path, registry)
    }

    /// Reads a capsule from its file's text.
    ///
    /// # Errors
    ///
    /// The first mistake in it; a format that this version does not read is one.
    pub fn from_toml(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        Self::from_toml_with(text, file, &Registry::default())
    }

    /// The same, with these verbs: those of a catalogue that has [some of its own](crate::Catalogue::own_fault).
    ///
    /// # Errors
    ///
    /// The first mistake in it.
    pub fn from_toml_with(text: &str, file: &Path, registry: &Registry) -> Result<Self, ScenarioError> {
        let document = LocatedValue::parse(text, file).map_err(|mistakes| mistakes.first(file))?;
        let section = Section::any(&document, "a capsule")?;
        check_format(&section)?;
        section.only(&["format", "seed", "failure", "versions", "fault", "scenario"])?;
        let versions = Section::any(section.node("versions")?, "`versions`")?;
        versions.only(&["halfopen"])?;
        let scenario = scenario::in_document(section.node("scenario")?, registry)?;
        let faults = scenario::faults(&document, &scenario, registry)?;
        Ok(Self {
            plan: Plan { scenario, seed: section.required::<Seed>("seed")?, faults },
            failure: section.optional("failure")?,
            halfopen: versions.required("halfopen")?,
        })
    }
}

fn check_format(section: &Section) -> Result<(), ScenarioError> {
    let format: u32 = section.required("format")?;
    if READABLE.contains(&format) {
        return Ok(());
    }
    let readable = READABLE.map(|format| format.to_string()).join(", ");
    let sentence =
        format!("this capsule has format {format}, and halfopen {} reads format {readable}", env!("CARGO_PKG_VERSION"));
    Err(section.place_of("format").error(sentence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HostName;
    use crate::scenario::arbitrary;
    use proptest::prelude::*;

    #[test]
    fn a_capsule_is_a_file_that_a_person_can_read() {
        insta::assert_snapshot!(capsule().to_toml(), @r#"
        format = 1
        seed = "0x2a"
        failure = "delivery: silent loss @ alice"

        [versions]
        halfopen = "0.1.0"

        [[fault]]
        link = "alice -> chat"
        connection = 2
        when = { message = 8, direction = "to_client", edge = "before" }
        do = "half_open"
        kind = "stall"
        heal_after = "30s"

        [[fault]]
        host = "chat"
        when = { at = "2s 928ms" }
        do = "power_loss"

        [scenario]
        name = "everything"
        proves = "what is written is read"
        starts_at = "2026-11-29T12:34:56Z"
        time_limit = "1h 5m"
        settle = "1m 30s"
        seeds = 16

        [scenario.network]
        latency = "35ms"
        send_buffer_bytes = 3800000
        receive_buffer_bytes = 131072
        interleaved = false

        [scenario.host.chat]
        run = "chat"
        start = "1s"

        [scenario.host.chat.config]
        names = ["a", "b"]
        port = 80

        [scenario.host.chat.config.keepalive]
        every = "20s"

        [scenario.host.elsewhere]
        run = "chat"
        start = "0s"

        [scenario.actor.alice]
        run = "talker"
        start = "0s"
        tells = ["offered", "received", "recovered"]

        [scenario.actor.bob]
        run = "talker"
        start = "50ms"

        [[scenario.link]]
        between = ["alice", "chat"]
        latency = "80ms"
        idle_timeout = "1m"
        forgets = "reset"

        [[scenario.fault]]
        link = "alice -> chat"
        connection = 2
        when.one_of = [
            { message = { from = 2, to = 9 }, direction = "to_client", edge = { inside = 5 } },
            { message = { from = 2, to = 9 }, direction = "to_client", edge = "before" },
        ]
        do.one_of = [
            { do = "half_open", kind = "blackhole", heal_after = "30s" },
            { do = "half_open", kind = "stall", heal_after = "30s" },
        ]

        [[scenario.fault]]
        host = "chat"
        when.one_of = [
            { at = { from = "1s", to = "20s" } },
            { event = "submit accepted", host = "chat", where = { job_id = "1" }, n = 2, after = "5ms" },
        ]
        do.one_of = [
            { do = "crash", restart_after = "2s" },
            { do = "power_loss" },
            { do = "freeze" },
        ]

        [[scenario.facts]]
        fact = "retried"
        event = "reconnecting"
        as = "line"
        numbered = true

        [[scenario.facts]]
        fact = "retried"
        connection = "attempted"
        link = "alice -> chat"
        at = "client"

        [[scenario.facts]]
        fact = "claimed_delivered"
        event = "result delivered"
        host = "chat"
        target = "chat::outbox"
        where = { kind = "result" }
        key = ["job_id", "attempt"]
        value = "outcome"
        optional = true

        [[scenario.facts]]
        fact = "received"
        unit = "ws_text"
        link = "alice -> chat"
        direction = "to_client"
        at = "client"
        where = { type = "result" }
        key = "/job_id"
        value = "/seq"

        [scenario.checks.backoff.alice]
        attempts = 10
        first = "1s"
        jitter_percent = 10
        link = "alice -> chat"
        longest = "30s"
        stable_after = "0s"

        [scenario.checks.delivery]
        law = "exactly_once"
        order = false

        [[scenario.checks.delivery.allowed_losses]]
        host = "chat"
        reason = "host_died"

        [scenario.checks.timing.ping_every_20s]
        at_least = "19s"
        same = "connection"
        within = "21s"

        [scenario.checks.timing.ping_every_20s.after]
        direction = "to_server"
        link = "alice -> chat"
        unit = "ws_ping"

        [[scenario.checks.timing.ping_every_20s.follows]]
        link = "alice -> chat"
        unit = "ws_ping"

        [[scenario.checks.timing.ping_every_20s.follows]]
        at = "client"
        connection = "closed"

        [scenario.checks.timing.ping_every_20s.unless]
        event = "session lost"
        host = "alice"

        [scenario.checks.timing.ping_every_20s.unless.where]
        "/by" = "!us"

        [scenario.checks.truthful]
        deduplicated = false

        [[scenario.specimen]]
        name = "send-counts-as-delivered"
        host = "chat"
        run = "specimen_chat"
        convicted_by = ["truthful", "integrity"]
        "#);
    }

    #[test]
    fn a_capsule_of_another_format_is_refused_with_the_formats_that_can_be_read() {
        let newer = capsule().to_toml().replace("format = 1", "format = 2");
        insta::assert_snapshot!(error(&newer), @"capsule.toml:1: this capsule has format 2, and halfopen 0.1.0 reads format 1");
    }

    #[test]
    fn a_fault_that_is_still_to_be_drawn_is_no_part_of_a_capsule() {
        let open = capsule().to_toml().replacen("when = { at = \"2s 928ms\" }", "when = { at = [\"1s\", \"2s\"] }", 1);
        insta::assert_snapshot!(error(&open), @"capsule.toml:16: a plan leaves nothing open, and this fault is still to be drawn");
    }

    #[test]
    fn a_mistake_in_a_capsule_has_its_line() {
        let faults = capsule().to_toml().replacen("alice -> chat", "alcie -> chat", 1);
        let seed = capsule().to_toml().replace("0x2a", "tuesday");
        insta::assert_snapshot!([error(&faults), error(&seed)].join("\n"), @r"
        capsule.toml:9: there is no host `alcie`; did you mean `alice`?
        capsule.toml:2: `seed`: `tuesday` is no seed: a seed is a decimal number below 2^64, `0x` with up to 16 hex digits, or a commit hash of 40 hex digits
        ");
    }

    #[test]
    fn a_capsule_with_the_earlier_names_of_checks_reads_as_one_with_their_present_names() {
        let present = capsule().to_toml();
        let earlier = present
            .replace("\"integrity\"", "\"conduct\"")
            .replace("failure = \"delivery: silent loss", "failure = \"bite: changed nothing");
        let read = Capsule::from_toml(&earlier, Path::new("capsule.toml")).expect("format 1 stays readable");
        assert_eq!(read.plan, capsule().plan);
        assert_eq!(read.failure.expect("it names one").as_str(), "took_effect: changed nothing @ alice");
    }

    proptest! {
        #[test]
        fn a_capsule_reads_back_as_it_was_written(
            faults in proptest::collection::vec(arbitrary::fault(), 0..5),
            seed: u64,
            fails: bool,
        ) {
            let plan = Plan { scenario: arbitrary::scenario(), seed: Seed(seed), faults };
            let hosts = [HostName::from("alice"), HostName::from("chat")];
            let failure = fails.then(|| Signature::new("delivery", "silent loss", &hosts));
            let capsule = Capsule::new(plan, failure);
            prop_assert_eq!(Capsule::from_toml(&capsule.to_toml(), Path::new("capsule.toml")), Ok(capsule));
        }
    }

    fn error(text: &str) -> String {
        Capsule::from_toml(text, Path::new("capsule.toml")).expect_err("a mistake").to_string()
    }

    fn capsule() -> Capsule {
        let plan = Plan::draw(&arbitrary::scenario(), Seed(42));
        let alice = [HostName::from("alice")];
        Capsule::new(plan, Some(Signature::new("delivery", "silent loss", &alice)))
    }
}
