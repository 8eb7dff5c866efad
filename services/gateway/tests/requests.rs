//! Request bodies, error messages and configurations: what is accepted and what is said about the rest.

use bytes::Bytes;
use halfopen_gateway::chat::ChatRequest;
use halfopen_gateway::fault::Fault;
use halfopen_gateway::sanitise::{MESSAGE_CHARS, WITHHELD, sanitise};
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
fn addresses_and_paths_are_replaced_where_they_stand() {
    let cases = [
        ("connect 127.0.0.1:8000: refused", "connect [address]: refused"),
        ("connect [fd00::1]:80 refused", "connect [address] refused"),
        ("connect ::1 failed", "connect [address] failed"),
        ("http://models.internal:8000/v1 is down", "[address] is down"),
        ("http://models:8000/v1?user=me&id=7 is down", "[address] is down"),
        ("vllm-7.default.svc.cluster.local is down", "[address] is down"),
        ("backend:8000 is down", "[address] is down"),
        ("localhost is down", "[address] is down"),
        ("in /srv/app/main.py line 3", "in [path] line 3"),
        ("in C:\\app\\a.txt", "in [path]"),
        ("two\r\nlines", "two  lines"),
    ];
    for (message, expected) in cases {
        assert_eq!(sanitise(message), expected);
    }
}

/// Providers' own wordings for a key that they refuse, with a key where they tell one: OpenAI, Anthropic, Google, Azure,
/// Amazon, Hugging Face, DeepSeek, Groq, Cohere, Together, xAI, LiteLLM.
const REFUSALS: [&str; 14] = [
    "Incorrect API key provided: abcd1234. You can find your API key at https://platform.openai.com/account/api-keys.",
    "invalid x-api-key",
    "API key not valid. Please pass a valid API key.",
    "Permission denied: Consumer 'api_key:AIzaSyA1' has been suspended.",
    "Access denied due to invalid subscription key or wrong API endpoint.",
    "The security token included in the request is invalid.",
    "The request signature we calculated does not match the signature you provided.",
    "Invalid username or password.",
    "Authentication Fails, Your api key: ****abcd is invalid",
    "Invalid API Key",
    "invalid api token",
    "Invalid API key provided. You can find your API key at https://api.together.xyz/settings/api-keys.",
    "Incorrect API key provided: xa***hj. You can obtain an API key from https://console.x.ai.",
    "Authentication Error, Invalid proxy server token passed. Received=abc1, Hash=9f86d081884c7d65",
];

#[test]
fn a_message_that_may_hold_a_secret_is_withheld_as_a_whole() {
    let others = [
        "Authorization: Bearer abcd1234 was refused",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.sig",
        "id 0123456789abcdef0123456789abcdef",
        "for 3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "token=abc",
        "token : abc",
        "my PWD is abc",
        "xsk-12345678",
        "user AbC1-dEf2-GhI3-jKl4-mNo5",
        "order 1234567890123456",
        "id abcdefghijklmnop12",
        "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE is unknown",
        "die Datei mit dem Schlüssel fehlt",
        "无效的令牌",
    ];
    for message in REFUSALS.into_iter().chain(others) {
        assert_eq!(sanitise(message), WITHHELD, "{message}");
    }
}

#[test]
fn a_client_is_told_that_an_upstream_refused_and_not_in_which_words() {
    for words in REFUSALS {
        let body = serde_json::json!({ "error": { "message": words } }).to_string();
        let error = refused(401, words).to_api_error();
        assert_eq!(error.message(), format!("the backend answered with status 401: {WITHHELD}"), "{body}");
        let error = Fault::Reported(words.into()).to_api_error();
        assert_eq!(error.message(), format!("the backend reported an error: {WITHHELD}"), "{body}");
    }
}

#[test]
fn harmless_messages_stay_as_they_are() {
    for message in [
        "the model 'gpt-4o-mini-2024-07-18' does not exist",
        "the model 'meta-llama/Llama-3.1-405B-Instruct-FP8' does not exist",
        "the model 'mistralai/Mistral-7B-Instruct-v0.3' is overloaded",
        "the model 'DeepSeek-R1-Distill-Llama-70B' is loading",
        "the backend answered with status 503: Service Unavailable",
        "maximum context length is 8192 tokens, you sent 9000",
        "'n' must be a number from 1 to 128",
        "ratio 3:4 at 12:30",
        "at 2024-07-18T12:30:00Z",
        "an unexpected token in line 7",
        "Unexpected token < in JSON at position 0",
        "the token limit of 4096 is reached",
        "risk-assessments are long, so is the task-force's message",
        "the model 'gpt35turbo' does not exist",
        "internationalizations take 21 letters",
        "an InternalServerErrorException of the designer",
        "a StreamedChatCompletionHTTPError of application/vnd.api+json",
        "note:this is no port",
        "GET /health is no path on C:\\ either",
        WITHHELD,
    ] {
        assert_eq!(sanitise(message), message);
    }
}

#[test]
fn an_error_carries_the_envelope_and_the_sdk_hint() {
    let error = refused(401, "no such user").to_api_error();
    let envelope: serde_json::Value = serde_json::from_str(&error.envelope()).expect("JSON");
    let members: Vec<&String> = envelope["error"].as_object().expect("an object").keys().collect();
    assert_eq!(members, ["code", "message", "param", "type"]);
    assert_eq!(envelope["error"]["message"], "the backend answered with status 401: no such user");
    assert!(!error.may_retry(), "a refusal stays a refusal");
    assert!(refused(503, "").to_api_error().may_retry());
}

#[test]
fn a_bad_configuration_is_told_in_a_sentence() {
    let cases = [
        ("listen = \"8080\"", "must be host:port"),
        ("lisen = \"x\"", "lisen"),
        ("backends = []", "find a backend: add a [[backends]] table"),
        ("[[backends]]\nkind = \"echo\"\nmodels = []", "serves no model"),
        ("[[backends]]\nkind = \"echo\"\nchunk_dely = \"1s\"", "chunk_dely"),
        ("[[backends]]\nkind = \"parrot\"", "parrot"),
        ("[[backends]]\nkind = \"echo\"\n[[backends]]\nkind = \"echo\"", "two backends apart that are named"),
        (
            "[[backends]]\nkind = \"echo\"\n[[backends]]\nkind = \"echo\"\nname = \"b\"",
            "served by both \"echo\" and \"b\"",
        ),
        ("[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\nbase_url = \"ftp://x\"", "must be http://"),
        (
            "[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\nbase_url = \"http://x\"\napi_key_env = \"HALFOPEN_NO_SUCH_KEY\"",
            "HALFOPEN_NO_SUCH_KEY, which is not set",
        ),
        (
            "[[backends]]\nkind = \"http\"\nname = \"h\"\nmodels = [\"m\"]\nbase_url = \"http://x\"\nhealth_url = \"/health\"",
            "accept the health_url of the backend \"h\": \"/health\" must be http://host[:port][/path]",
        ),
        ("[ready]\nattempts = 0", "ready.attempts must be greater than zero"),
        ("[timings]\nheartbeat = \"900years\"", "`timings.heartbeat`: it must be at most 30 days"),
        ("[timings]\ngrace = \"900years\"", "`timings.grace`: it must be at most 30 days"),
        ("[timings]\nheartbeat = \"0s\"", "`timings.heartbeat`: it must be greater than zero"),
        ("[timings]\nheartbeat = \"soon\"", "heartbeat"),
        ("[limits]\nrequests_in_flight = 0", "`limits.requests_in_flight`: it must be greater"),
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
    fn a_key_of_any_shape_never_gets_through_wherever_it_stands(
        before in "([a-z ,:]{0,20}[ ,:=(\"])?", key in key(), after in "([ ,)\"][a-z ]{0,20})?",
    ) {
        no_answer_tells(&format!("{before}{key}{after}"), &key)?;
    }

    #[test]
    fn whatever_follows_a_word_for_a_secret_never_gets_through(
        word in prop::sample::select(vec![
            "API key", "api_key", "apiKey", "X-Api-Key", "token", "access token", "Secret", "password", "Authorization",
            "credentials", "pwd",
        ]),
        link in prop::sample::select(vec![" ", ": ", "=", " is ", " provided: ", "\": \"", " `", " of user 7 was "]),
        secret in "[!-~]{4,60}",
    ) {
        let message = format!("your {word}{link}{secret}");
        // "token limit" and the like speak of text: the secret is not one of these words.
        no_answer_tells(&message, &secret)?;
    }
}

/// Keys as services make them: random bytes in hexadecimal, in base64, as a UUID, behind a prefix, in groups.
fn key() -> impl Strategy<Value = String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let base64 =
        |bytes: Vec<u8>| bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect::<String>();
    let letters =
        |bytes: Vec<u8>| bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 62)])).collect::<String>();
    let random = |bytes| prop::collection::vec(any::<u8>(), bytes).no_shrink();
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let prefix = prop::sample::select(vec![
        "sk-",
        "sk-proj-",
        "sk-ant-api03-",
        "pk_live_",
        "ghp_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "hf_",
        "gsk_",
        "r8_",
        "nvapi-",
        "xai-",
        "AIza",
        "AKIA",
        "eyJ",
    ]);
    prop_oneof![
        random(12..=32).prop_map(hex),
        random(32..=64).prop_map(base64),
        random(24..=64).prop_map(move |bytes| format!("{}==", base64(bytes).replace('+', "-").replace('/', "_"))),
        random(22..=48).prop_map(letters),
        (prefix, random(8..=48).prop_map(letters)).prop_map(|(prefix, key)| format!("{prefix}{key}")),
        random(16..=16).prop_map(hex).prop_map(|hex| {
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }),
        "[1-9][0-9]{15,30}",
    ]
}

fn no_answer_tells(message: &str, secret: &str) -> Result<(), TestCaseError> {
    let body = serde_json::json!({ "error": { "message": message } });
    let message = body["error"]["message"].as_str().unwrap_or_default().to_owned();
    for fault in [refused(401, &message), Fault::Reported(message.as_str().into())] {
        let answer = fault.to_api_error().envelope();
        let told: serde_json::Value = serde_json::from_str(&answer).expect("an envelope is JSON");
        let told = told["error"]["message"].as_str().unwrap_or_default();
        prop_assert!(!told.contains(secret), "{told}");
    }
    Ok(())
}

fn refused(status: u16, message: &str) -> Fault {
    Fault::Status { status, said: message.into(), retry_after: None }
}
