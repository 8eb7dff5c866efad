//! What scenarios say of times and of reconnecting.

use super::*;

#[test]
fn what_is_wrong_with_a_rule_about_time_is_told_with_its_line() {
    let rule = |after: &str, more: &str| {
        told(&format!("[checks.timing.rule]\nafter = {after}\nfollows = {{ event = \"back\" }}\n{more}\n"))
    };
    let good = "{ event = \"lost\", host = \"alice\" }";
    let mistakes = [
        told("[checks]\ntiming = 3\n"),
        told("[checks.timing.rule]\nfollows = { event = \"back\" }\nwithin = \"1s\"\n"),
        rule(good, ""),
        rule(good, "within = \"1s\"\nat_least = \"2s\""),
        rule(good, "never = true\nat_least = \"2s\""),
        rule(good, "within = \"0s\"\nnever = true"),
        rule(good, "with_in = \"1s\""),
        rule(good, "within = 1"),
        rule(good, "within = \"1s\"\nsame = \"connection\""),
        rule(good, "within = \"1s\"\nunless = []"),
        rule("{ host = \"alice\" }", "within = \"1s\""),
        rule("{ event = \"lost\", fact = \"detected\" }", "within = \"1s\""),
        rule("{ event = \"lost\", link = \"alice -> chat\" }", "within = \"1s\""),
        rule("{ event = \"lost\", host = \"alcie\" }", "within = \"1s\""),
        rule("{ unit = \"ws_pingg\" }", "within = \"1s\""),
        rule("{ unit = \"ws_ping\", link = \"alice\" }", "within = \"1s\""),
        rule("{ unit = \"ws_ping\", link = \"alice -> caht\" }", "within = \"1s\""),
        rule("{ unit = \"ws_text\", where = { type = 1.5 } }", "within = \"1s\""),
        rule("{ connection = \"lost\" }", "within = \"1s\""),
        rule("{ process = \"start\" }", "within = \"1s\""),
        rule("{ fault = 7 }", "within = \"1s\""),
        rule("{ fault = 0, step = \"heald\" }", "within = \"1s\""),
        rule("{ fact = \"gauge\" }", "within = \"1s\""),
        rule("3", "within = \"1s\""),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn what_is_wrong_with_a_rule_about_reconnecting_is_told_with_its_line() {
    let rule =
        |more: &str| told(&format!("[checks.backoff.rule]\nlink = \"alice -> chat\"\nlongest = \"30s\"\n{more}\n"));
    let mistakes = [
        told("[checks]\nbackoff = 3\n"),
        rule(""),
        rule("first = \"0s\""),
        rule("first = \"31s\""),
        rule("first = \"1s\"\njitter_percent = 101"),
        rule("first = \"1s\"\nattempts = 0"),
        rule("first = \"1s\"\nattemps = 3"),
        rule("first = \"1s\"\nunless = { event = \"closed\", host = \"alcie\" }"),
        told("[checks.backoff.rule]\nlink = \"alcie -> chat\"\nfirst = \"1s\"\nlongest = \"30s\"\n"),
        told("[checks.backoff.rule]\nlink = \"alice -> caht\"\nfirst = \"1s\"\nlongest = \"30s\"\n"),
        told("[checks.backoff.rule]\nlink = \"alice\"\nfirst = \"1s\"\nlongest = \"30s\"\n"),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

fn told(table: &str) -> String {
    let text = GOOD.replace("[checks.delivery]", &format!("{table}\n[checks.delivery]"));
    let text = text.replace("[\"offered\"]", "[\"offered\", \"recovered\"]");
    Scenario::from_toml(&text, Path::new("idle.toml")).expect_err("a mistake").to_string()
}
