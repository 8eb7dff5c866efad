//! A page in Chromium: its script runs without a complaint, permalinks and windows lead to their records, fields and keys do what
//! they promise, in light and in dark.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::Case;

/// What uses the page.
const DRIVER: &str = include_str!("driver.js");

/// The names under which systems have it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

#[test]
fn a_browser_unpacks_the_records_and_follows_a_permalink() {
    let Some(browser) = browser() else { return };
    let case = Case::of("half_open_client", "never-pings");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page.html");
    std::fs::write(&path, case.page()).expect("the page can be written");
    let records = case.outcome.trace.records.len();

    let (document, complaints) = load(&browser, &[], &format!("file://{}", path.display()));
    assert_eq!(complaints, "");
    assert!(document.contains("data-ready=\"yes\""), "the script came to its end");
    for name in ["Copy replay line", "Copy plan as TOML", "Copy as Markdown", "Download capsule", "Download trace"] {
        assert!(document.contains(name), "no button {name}");
    }
    assert!(document.contains(&format!(" of {records} records")), "the records are counted");
    assert!(detail(&document).0.contains("hidden"), "no record is chosen");

    let (document, complaints) = load(&browser, &[], &format!("file://{}#r=99", path.display()));
    assert_eq!(complaints, "");
    let (attributes, text) = detail(&document);
    assert!(!attributes.contains("hidden") && text.contains("#99  "), "the permalink's record: {text}");
    assert!(document.contains("id=\"row-99\""), "its row is in sight");

    let (document, _) = load(&browser, &[], &format!("file://{}#w=40-60", path.display()));
    assert!(document.contains("records 40 to 60"), "a gap of the scene leads to what it hides");
}

#[test]
fn fields_and_keys_do_what_they_promise_in_light_and_in_dark_and_nothing_leaves_the_page() {
    let Some(browser) = browser() else { return };
    let case = Case::of("half_open_client", "never-pings");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("driven.html");
    let page = case.page().replace("</body>", &format!("<script>{DRIVER}</script></body>"));
    std::fs::write(&path, page).expect("the page can be written");
    let light = driven(&browser, "--blink-settings=preferredColorScheme=1", &path);
    for (what, wanted) in [
        ("found", json!(true)),
        ("rows", json!(true)),
        ("nothing", json!(true)),
        ("kinds", json!(true)),
        ("whole", json!(true)),
        ("home", json!("#r=0")),
        ("down", json!("#r=1")),
        ("end", json!(true)),
        ("steps", json!(true)),
        ("slash", json!("search")),
        ("requests", json!([])),
        ("dark", json!(false)),
        ("overflow", json!(false)),
    ] {
        assert_eq!(light[what], wanted, "{what}: {light}");
    }
    let dark = driven(&browser, "--blink-settings=preferredColorScheme=0", &path);
    assert_eq!(dark["dark"], true);
    for (scheme, is_dark) in [(&light, false), (&dark, true)] {
        let (text, ground) = (brightness(&scheme["colours"][0]), brightness(&scheme["colours"][1]));
        assert_eq!(ground < text, is_dark, "{scheme}");
        // Far more than WCAG's 4.5 to 1 asks for.
        assert!(text.abs_diff(ground) > 3 * 128, "{scheme}");
    }
    let narrow = driven(&browser, "--window-size=390,844", &path);
    assert_eq!((&narrow["found"], &narrow["overflow"]), (&json!(true), &json!(false)), "{narrow}");
}

/// What came of using the page.
fn driven(browser: &str, flag: &str, path: &std::path::Path) -> Value {
    let (document, complaints) = load(browser, &[flag], &format!("file://{}", path.display()));
    assert_eq!(complaints, "");
    let (_, said) = document.split_once("<pre id=\"driven\">").expect("the driver came to its end");
    let (said, _) = said.split_once("</pre>").expect("it ends");
    serde_json::from_str(said).expect("it is JSON")
}

/// The sum of red, green and blue of `rgb(1, 2, 3)`.
fn brightness(colour: &Value) -> u32 {
    let parts = colour.as_str().unwrap_or_default().split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|part| part.parse::<u32>().ok()).sum()
}

/// The attributes and the text of the element that shows one record.
fn detail(document: &str) -> (&str, &str) {
    let (_, detail) = document.split_once("id=\"detail\"").expect("there is a detail");
    let (detail, _) = detail.split_once("</pre>").expect("it ends");
    detail.split_once('>').expect("it has text")
}

/// A document after its scripts have run, and what the browser complained of.
fn load(browser: &str, flags: &[&str], address: &str) -> (String, String) {
    let name = format!("profile-{:?}", std::thread::current().id());
    let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"])
        .args(["--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(flags)
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
