//! A page in Chromium: its script runs without a complaint, permalinks and windows lead to their records.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::Case;

/// The names under which systems have it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

#[test]
fn a_browser_unpacks_the_records_and_follows_a_permalink() {
    let Some(browser) = browser() else { return };
    let case = Case::of("half_open_client", "never-pings");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page.html");
    std::fs::write(&path, case.page()).expect("the page can be written");
    let records = case.outcome.trace.records.len();

    let (document, complaints) = load(&browser, &format!("file://{}", path.display()));
    assert_eq!(complaints, "");
    assert!(document.contains("data-ready=\"yes\""), "the script came to its end");
    for name in ["Copy replay line", "Copy plan as TOML", "Copy as Markdown", "Download capsule", "Download trace"] {
        assert!(document.contains(name), "no button {name}");
    }
    assert!(document.contains(&format!(" of {records} records")), "the records are counted");
    assert!(detail(&document).0.contains("hidden"), "no record is chosen");

    let (document, complaints) = load(&browser, &format!("file://{}#r=99", path.display()));
    assert_eq!(complaints, "");
    let (attributes, text) = detail(&document);
    assert!(!attributes.contains("hidden") && text.contains("#99  "), "the permalink's record: {text}");
    assert!(document.contains("id=\"row-99\""), "its row is in sight");

    let (document, _) = load(&browser, &format!("file://{}#w=40-60", path.display()));
    assert!(document.contains("records 40 to 60"), "a gap of the scene leads to what it hides");
}

/// The attributes and the text of the element that shows one record.
fn detail(document: &str) -> (&str, &str) {
    let (_, detail) = document.split_once("id=\"detail\"").expect("there is a detail");
    let (detail, _) = detail.split_once("</pre>").expect("it ends");
    detail.split_once('>').expect("it has text")
}

/// A document after its scripts have run, and what the browser complained of.
fn load(browser: &str, address: &str) -> (String, String) {
    let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("profile");
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"])
        .args(["--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(address)
        .output()
        .expect("the browser can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<_> = told.lines().filter(|line| line.contains("CONSOLE")).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), complaints.join("\n"))
}

/// The browser of this machine. Without one the test says so, where CI shows it.
fn browser() -> Option<String> {
    let runs = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let found = BROWSERS.iter().find(|name| runs(name)).map(|name| (*name).to_owned());
    if found.is_none() {
        // Not by a macro, whose words a test that passes keeps to itself.
        let sentence = format!("NOT TESTED: no page was opened in a browser, because there is none of {BROWSERS:?}\n");
        std::io::stderr().write_all(sentence.as_bytes()).expect("it can be said");
    }
    found
}
