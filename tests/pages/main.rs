//! Pages of failed runs: the same bytes for the same run, hostile texts stay texts, and a browser reads them.
//!
//! `INSTA_UPDATE=always cargo test --workspace --test pages` accepts a changed front of a page.

mod browser;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use data_encoding::BASE64;
use halfopen::check::Verdict;
use halfopen::report::{FailedRun, Reporter, Twin};
use halfopen::trace::RecordKind;
use halfopen::{Catalogue, Outcome, Plan, Seed};
use halfopen_report::Pages;
use halfopen_scenarios::catalogue;
use serde_json::Value;

/// A page may be as large as this, with the records of the longest run of the catalogue in it.
const LARGEST: usize = 300_000;

/// A failed run of a specimen, with the real service as its twin.
struct Case {
    plan: Plan,
    outcome: Outcome,
    twin: Twin,
    specimen: &'static str,
}

impl Case {
    fn of(scenario: &str, specimen: &'static str) -> Self {
        let catalogue = catalogue();
        let scenario = catalogue.scenario(scenario).expect("the catalogue has it");
        let defective = scenario.with_defect(specimen).expect("the scenario convicts it");
        let run = |plan: &Plan| catalogue.run(plan).expect("the harness is not at fault");
        let plan = Plan::draw(&defective, Seed(1));
        let outcome = run(&plan);
        let twin = Twin { differs_by: "with the real thing".to_owned(), outcome: run(&Plan::draw(&scenario, Seed(1))) };
        assert!(!outcome.passed() && twin.outcome.passed());
        Self { plan, outcome, twin, specimen }
    }

    fn page(&self) -> String {
        let Self { plan, outcome, twin, specimen } = self;
        let replay_line = "cargo halfopen replay x --seed 0x1";
        let run = FailedRun { plan, outcome, defect: Some(specimen), twin: Some(twin), replay_line };
        let page = Pages.failure(&run).remove(0);
        assert_eq!(page.name, format!("{}-{specimen}-0x1.html", outcome.scenario));
        String::from_utf8(page.bytes).expect("a page is text")
    }
}

#[test]
fn the_same_run_gives_the_same_page_and_its_front_is_the_one_that_was_reviewed() {
    let [one, other] = [(); 2].map(|()| Case::of("half_open_client", "never-pings"));
    let page = one.page();
    assert_eq!(page, other.page());
    let (_, front) = page.split_once("<header").expect("a page has a verdict");
    let (front, _) = front.split_once("<section id=\"records\"").expect("a page has records");
    insta::assert_snapshot!(front.replace("><", ">\n<"));
}

#[test]
fn the_longest_run_of_the_catalogue_makes_a_page_that_can_be_sent() {
    let case = Case::of("silent_success_timeline_client_lost_capacity_1", "send-counts-as-delivered");
    let page = case.page();
    assert!(case.outcome.trace.records.len() > 14_000, "the run has become shorter: choose another");
    assert!(page.len() < LARGEST, "{} bytes", page.len());
    let lines = unpacked(&page);
    assert_eq!(lines.len(), case.outcome.trace.records.len() + 1);
    let head: Value = serde_json::from_str(&lines[0]).expect("the head is JSON");
    assert_eq!(head["replay"], "cargo halfopen replay x --seed 0x1");
    let record: Value = serde_json::from_str(&lines[100]).expect("a record is JSON");
    let raw = serde_json::to_value(&case.outcome.trace.records[99]).expect("a record is JSON");
    assert_eq!(record[4], raw);
}

#[test]
fn a_page_loads_nothing() {
    let page = Case::of("sse_cut_inside_an_event", "exits-with-its-upstream").page();
    assert!(page.contains("default-src 'none'"));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        let found: Vec<_> = page.match_indices(outside).map(|(at, _)| &page[at..(at + 40).min(page.len())]).collect();
        let is_own = |text: &&str| text.contains("http://www.w3.org/2000/svg") || text.starts_with("url(#hatch)");
        assert!(found.iter().all(is_own), "{found:?}");
    }
}

const HOSTILE: &str = "</script><img src=x onerror=alert(1)> \u{0}\u{1b}[31m\u{202e}\" ' & &amp; <!--";

#[test]
fn a_hostile_text_stays_text() {
    let mut case = Case::of("sse_cut_inside_an_event", "exits-with-its-upstream");
    let mut changed = 0;
    for record in &mut case.outcome.trace.records {
        match &mut record.what {
            RecordKind::Fact(fact) => fact.value = Some(HOSTILE.to_owned()),
            RecordKind::Event(event) => event.message = HOSTILE.to_owned(),
            RecordKind::Observed { outcome, .. } => *outcome = HOSTILE.to_owned(),
            _ => continue,
        }
        changed += 1;
    }
    assert!(changed > 20, "{changed} records");
    for verdict in &mut case.outcome.verdicts {
        if let Verdict::Broken(violation) = verdict {
            violation.sentence = HOSTILE.to_owned();
        }
    }
    let long = "x".repeat(10_000_000);
    if let Some(RecordKind::Fact(fact)) = case
        .outcome
        .trace
        .records
        .iter_mut()
        .map(|record| &mut record.what)
        .find(|what| matches!(what, RecordKind::Fact(_)))
    {
        fact.value = Some(long);
    }
    let page = case.page();
    assert!(page.len() < LARGEST, "{} bytes", page.len());
    assert_eq!(page.matches("<script").count(), 2, "the data and the script");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img") && !page.contains('\0') && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;/script&gt;&lt;img src=x"), "it is shown as what it is");
    assert!(unpacked(&page).iter().any(|line| line.contains("10000000 bytes in all")));
}

#[test]
fn a_test_that_fails_leaves_its_page_and_names_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages_of_a_test");
    std::fs::create_dir_all(folder.join("scenarios")).expect("a folder can be made");
    let scenario = r#"
        proves = "what alice offers arrives"
        [host.chat]
        run = "chat"
        [actor.alice]
        run = "alice"
        tells = ["offered", "received"]
        [checks.delivery]
        law = "exactly_once"
    "#;
    std::fs::write(folder.join("scenarios/lost.toml"), scenario).expect("a file can be written");
    let catalogue = Catalogue::new(folder.to_str().expect("in ASCII"), "scenarios")
        .reporter(Pages)
        .host("chat", async |cx| {
            cx.stopped().await;
            Ok(())
        })
        .actor("alice", async |cx| {
            cx.offered("m-1");
            cx.offered("m-2");
            Ok(())
        });
    let panic = catch_unwind(AssertUnwindSafe(|| catalogue.check("lost"))).expect_err("nothing arrives");
    let message = panic.downcast_ref::<String>().expect("a report");
    let path =
        message.lines().find_map(|line| line.strip_prefix("page: ")).unwrap_or_else(|| panic!("no page: {message}"));
    let page = std::fs::read_to_string(path).expect("the page is there");
    assert!(page.contains("m-1") && page.contains("Law broken"));
}

/// What is packed into a page: a head, and a line a record.
fn unpacked(page: &str) -> Vec<String> {
    let (_, data) = page.split_once("application/octet-stream\">").expect("a page has data");
    let (data, _) = data.split_once("</script>").expect("the data ends");
    let bytes = BASE64.decode(data.as_bytes()).expect("in base64");
    let bytes = miniz_oxide::inflate::decompress_to_vec(&bytes).expect("deflated");
    String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
}
