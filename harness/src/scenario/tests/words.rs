//! Mistakes are told in the words of the language, not in those of the libraries that read it.

use super::{GOOD, read};

/// Words of serde's and of Rust's.
const FOREIGN: [&str; 9] =
    ["newtype", "variant", "struct ", "sequence", "found map", "expected map", "unit value", "i64", "floating point"];

#[test]
fn no_mistake_is_told_in_words_of_a_library() {
    let fault = "do = \"close\"\ncode = 1000\nreason = \"idle\"\n";
    let when = "{ message = 3, direction = \"to_server\", edge = \"before\" }";
    let mistakes = [
        ("edge = \"before\"", "edge = \"inside\""),
        ("edge = \"before\"", "edge = { before = 1 }"),
        ("edge = \"before\"", "edge = 3"),
        ("edge = \"before\"", "edge = { inside = \"x\" }"),
        ("edge = \"before\"", "edge = {}"),
        (fault, "do = { close = 1000 }\n"),
        (fault, "do.close = true\n"),
        (fault, "[fault.do]\nclose = {}\n"),
        (fault, "do = 7\n"),
        (fault, "do = []\n"),
        ("code = 1000", "code = true"),
        ("code = 1000", "code = 1.5"),
        ("reason = \"idle\"", "reason = { text = 1 }"),
        (when, "3"),
        (when, "true"),
        (when, "{}"),
        (when, "{ message = [] }"),
        (when, "{ at = 2.5 }"),
        (when, "{ at = { from = 1, to = 2 } }"),
        ("run = \"chat\"", "run = [\"chat\"]"),
        ("run = \"chat\"", "run = { name = \"chat\" }"),
        ("tells = [\"offered\"]", "tells = \"offered\""),
        ("tells = [\"offered\"]", "tells = { offered = true }"),
        ("tells = [\"offered\"]", "tells = [1]"),
        ("law = \"exactly_once\"", "law = 1"),
        ("law = \"exactly_once\"", "law = [\"exactly_once\"]"),
        ("[checks.delivery]\nlaw = \"exactly_once\"", "[checks]\ndelivery = true"),
        ("[checks.delivery]\nlaw = \"exactly_once\"", "[checks]\ndelivery = \"exactly_once\""),
        ("[checks.delivery]\nlaw = \"exactly_once\"", "[checks]\ndelivery = [1]"),
        ("law = \"exactly_once\"", "law = \"exactly_once\"\nwithin = 5"),
        ("law = \"exactly_once\"", "law = \"exactly_once\"\nallowed_losses = \"host_died\""),
        ("law = \"exactly_once\"", "law = \"exactly_once\"\nallowed_losses = [\"host_died\"]"),
        ("[[specimen]]", "[checks.detect]\nwithin = 40\nobservers = \"alice\"\n\n[[specimen]]"),
        ("[[specimen]]", "[checks.close_code]\nany_of = 1006\n\n[[specimen]]"),
        ("[[specimen]]", "[checks.leaks]\ngauges = 0\n\n[[specimen]]"),
        ("[[specimen]]", "[checks.leaks]\ngauges = { queued = \"0\" }\n\n[[specimen]]"),
        ("convicted_by = [\"delivery\"]", "convicted_by = \"delivery\""),
        ("latency = \"80ms\"", "latency = 80"),
        ("latency = \"20ms\"", "latency = [\"20ms\"]"),
        ("latency = \"20ms\"", "interleaved = \"yes\""),
        ("between = [\"alice\", \"chat\"]", "between = \"alice, chat\""),
    ];
    let mut told = Vec::new();
    for (good, bad) in mistakes {
        assert!(GOOD.contains(good), "`{good}` is not in the example");
        match read(&GOOD.replace(good, bad)) {
            Err(mistake) => told.push(format!("{} => {mistake}", bad.replace('\n', "; "))),
            Ok(_) => panic!("`{bad}` is accepted"),
        }
    }
    let told = told.join("\n");
    for word in FOREIGN {
        let line = told.lines().find(|line| line.split_once(" => ").is_some_and(|(_, said)| said.contains(word)));
        assert!(line.is_none(), "{line:?}");
    }
    insta::assert_snapshot!(told);
}
