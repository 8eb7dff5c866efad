//! Request bodies, error messages and configurations: what is accepted and what is said about the rest.

use bytes::Bytes;
use halfopen_gateway::chat::ChatRequest;
use halfopen_gateway::fault::Fault;
use halfopen_gateway::sanitise::{MESSAGE_CHARS, sanitise};
use halfopen_gateway::{ApiError, Config};
use proptest::prelude::*;

#[test]
fn a_body_that_cannot_be_understood_is_a_400_that_says_why() {
    let cases = [
        ("", "empty_body"),
        (" \r\n", "empty_body"),
        ("{", "malformed_body"),
        ("[]", "malformed_body"),
        ("{}", "missing_model"),
        (r#"{"model":"","messages":[{}]}"#, "missing_model"),
        (r#"{"model":null,"messages":[{}]}"#, "missing_model"),
        (r#"{"model":7,"messages":[{}]}"#, "wrong_type"),
        (r#"{"model":"m"}"#, "missing_messages"),
        (r#"{"model":"m","messages":[]}"#, "missing_messages"),
        (r#"{"model":"m","messages":"hi"}"#, "wrong_type"),
        (r#"{"model":"m","messages":["hi"]}"#, "wrong_type"),
        (r#"{"model":"m","messages":[{}],"stream":"yes"}"#, "wrong_type"),
        (r#"{"model":"m","messages":[{}],"n":0}"#, "wrong_type"),
        (r#"{"model":"m","messages":[{}],"stream_options":1}"#, "wrong_type"),
    ];
    for (body, code) in cases {
        let error = ChatRequest::parse(Bytes::from_static(body.as_bytes())).expect_err(body);
        assert_eq!((error.status().as_u16(), error.code()), (400, code), "{body}");
    }
}

#[test]
fn deep_nesting_is_a_400_and_no_stack_overflow() {
    let body = Bytes::from("[".repeat(100_000));
    assert_eq!(ChatRequest::parse(body).expect_err("nested").status().as_u16(), 400);
}

#[test]
fn the_prompt_is_the_last_message_of_the_user() {
    let body = r#"{"model":"m","stream":true,"n":2,"stream_options":{"include_usage":true},"messages":[
        {"role":"user","content":"first"},
        {"role":"user","content":[{"type":"text","text":"two"},{"type":"image_url"},{"type":"text","text":"parts"}]},
        {"role":"assistant","content":"no"}]}"#;
    let request = ChatRequest::parse(Bytes::from(body)).expect("well-formed");
    assert_eq!((request.prompt.as_str(), request.choices), ("two parts", 2));
    assert!(request.stream && request.include_usage);
}

#[test]
fn secrets_and_internal_addresses_are_hidden() {
    let cases = [
        ("Incorrect API key provided: sk-proj-abc", "Incorrect API key provided: [secret]"),
        ("Authorization: Bearer abcd1234 was refused", "Authorization: Bearer [secret] was refused"),
        ("connect 127.0.0.1:8000: refused", "connect [address]: refused"),
        ("connect [fd00::1]:80 refused", "connect [address] refused"),
        ("http://models.internal:8000/v1 is down", "[address] is down"),
        ("vllm-7.default.svc.cluster.local is down", "[address] is down"),
        ("backend:8000 is down", "[address] is down"),
        ("localhost is down", "[address] is down"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.sig", "jwt [secret]"),
        ("id 0123456789abcdef0123456789abcdef", "id [secret]"),
        ("in /srv/app/keys.py line 3", "in [path] line 3"),
        ("\"api_key\": \"hunter22\"", "\"api_key\": \"[secret]\""),
        ("password: hunter and token=abc", "password: [secret] and token=[secret]"),
        ("two\r\nlines", "two  lines"),
        ("the token is abc123", "the token is [secret]"),
        ("token : abc", "token : [secret]"),
        ("token:abc", "[secret]"),
        ("password: is hunter", "password: is [secret]"),
        ("connect ::1 failed", "connect [address] failed"),
        ("in C:\\keys\\a.txt", "in [path]"),
        // Glued to something else, a key is known by its length and a digit.
        ("keyxsk-12345678", "[secret]"),
        ("xsk-12345678", "[secret]"),
        // Twenty letters and digits, two of each at least.
        ("id abcdefghijklmnopqr12", "id [secret]"),
        ("id 123456789012345678ab", "id [secret]"),
    ];
    for (message, expected) in cases {
        assert_eq!(sanitise(message), expected);
    }
}

#[test]
fn harmless_messages_stay_as_they_are() {
    for message in [
        "the model 'gpt-4o-mini-2024-07-18' does not exist",
        "the backend answered with status 503: Service Unavailable",
        "maximum context length is 8192 tokens, you sent 9000",
        "'n' must be a number from 1 to 128",
        "ratio 3:4 at 12:30",
        "unexpected token in the task-force message",
        "an unexpected token in line 7",
        "a key begins with sk- and not with xsk-1234567",
        "risk-assessments are long",
        "the model 'gpt35turbo' does not exist",
        "the id abcdefghijklmnopq12 is short",
        "abcdefghijklmnopqrs1 and 1234567890123456789a have one of a kind",
        "internationalizations take 21 letters",
        "note:this is no port",
        "GET /health is no path on C:\\ either",
    ] {
        assert_eq!(sanitise(message), message);
    }
}

#[test]
fn an_error_carries_the_envelope_and_the_sdk_hint() {
    let error = Fault::Status { status: 401, message: "bad key sk-123".to_owned() }.to_api_error();
    let envelope: serde_json::Value = serde_json::from_str(&error.envelope()).expect("JSON");
    let members: Vec<&String> = envelope["error"].as_object().expect("an object").keys().collect();
    assert_eq!(members, ["code", "message", "param", "type"]);
    assert_eq!(envelope["error"]["message"], "the backend answered with status 401: bad key [secret]");
    assert!(!error.may_retry(), "a refusal stays a refusal");
    assert!(Fault::Status { status: 503, message: String::new() }.to_api_error().may_retry());
}

#[test]
fn a_bad_configuration_is_told_in_a_sentence() {
    let cases = [
        ("listen = \"8080\"", "must be host:port"),
        ("lisen = \"x\"", "lisen"),
        ("backends = []", "there is no backend"),
        ("[[backends]]\nkind = \"echo\"\nmodels = []", "serves no model"),
        ("[[backends]]\nkind = \"echo\"\nchunk_dely = \"1s\"", "chunk_dely"),
        ("[[backends]]\nkind = \"parrot\"", "parrot"),
        ("[[backends]]\nkind = \"echo\"\n[[backends]]\nkind = \"echo\"", "two backends are named"),
        (
            "[[backends]]\nkind = \"echo\"\n[[backends]]\nkind = \"echo\"\nname = \"b\"",
            "served by both \"echo\" and \"b\"",
        ),
        ("[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\nbase_url = \"https://x\"", "must be http://"),
        (
            "[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\nbase_url = \"http://x\"\napi_key_env = \"HALFOPEN_NO_SUCH_KEY\"",
            "HALFOPEN_NO_SUCH_KEY, which is not set",
        ),
        (
            "[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\nbase_url = \"http://x\"\nhealth_url = \"/health\"",
            "the backend \"h\" has health_url = \"/health\" must be http://host[:port][/path]",
        ),
        ("[ready]\nattempts = 0", "ready.attempts must be greater than zero"),
        ("[timings]\nheartbeat = \"900years\"", "timings.heartbeat must be at most 30 days"),
        ("[timings]\ngrace = \"900years\"", "timings.grace must be at most 30 days"),
        ("[timings]\nheartbeat = \"0s\"", "timings.heartbeat must be greater than zero"),
        ("[timings]\nheartbeat = \"soon\"", "heartbeat"),
        ("[limits]\nrequests_in_flight = 0", "limits.requests_in_flight must be greater"),
        ("[limits]\nbuffer_bytes = 100", "at least 8192"),
    ];
    for (text, expected) in cases {
        let error = Config::from_toml(text).expect_err(text);
        let told = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        assert!(told.contains(expected), "{text:?} is told as {told:?}");
    }
}

#[test]
fn an_http_backend_with_a_base_url_alone_is_good() {
    let text = "[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\nbase_url = \"http://x/v1/\"";
    Config::from_toml(text).expect("good");
}

#[test]
fn an_empty_configuration_is_the_default() {
    assert_eq!(Config::from_toml("").expect("empty is fine"), Config::default());
}

#[test]
fn the_example_configuration_shows_the_defaults() {
    let mut config = Config::from_toml(include_str!("../gateway.example.toml")).expect("the example is good");
    assert_eq!(config.backends.pop().expect("two backends").name(), "local");
    assert_eq!(config, Config::default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_is_longer_than_a_client_is_shown(message in "\\PC{0,600}") {
        let error = ApiError::upstream(&message);
        prop_assert!(error.message().chars().count() <= MESSAGE_CHARS);
        prop_assert!(!error.message().chars().any(char::is_control));
    }

    #[test]
    fn a_key_never_gets_through_wherever_it_stands(
        before in "([a-z ,:]{0,20}[ ,:=(\"])?", key in "sk-[A-Za-z0-9]{8,40}", after in "[ ,.)\"][a-z ]{0,20}",
    ) {
        let clean = sanitise(&format!("{before}{key}{after}"));
        prop_assert!(!clean.contains(&key), "{}", clean);
    }
}
