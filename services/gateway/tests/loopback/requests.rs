//! The API as a client without trouble sees it.

use halfopen_gateway::Config;
use hyper::Method;
use serde_json::Value;

use crate::client::{Client, ask, chat};
use crate::fixture::Fixture;

#[tokio::test]
async fn the_echo_backend_streams_the_users_words_one_by_one() {
    let gateway = Fixture::echo().await;
    let answer = chat(gateway.address, "echo", true).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/event-stream")));
    assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req-")));
    let text = answer.whole().await;
    let events: Vec<&str> = text.split_terminator("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    let (last, chunks) = events.split_last().expect("events");
    assert_eq!(*last, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).expect("JSON")).collect();
    let words: Vec<&str> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(words, ["", "say ", "hello"]);
    assert_eq!(chunks.last().expect("chunks")["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn the_echo_backend_answers_at_once_when_not_asked_to_stream() {
    let mut config = Config::default();
    let halfopen_gateway::config::BackendConfig::Echo(echo) = &mut config.backends[0] else { panic!("an echo") };
    echo.prefix = "you said: ".to_owned();
    let gateway = Fixture::open(config).await;
    let answer = chat(gateway.address, "echo", false).await.json().await;
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["message"]["content"], "you said: say hello");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn each_request_is_told_from_acceptance_to_its_end() {
    let gateway = Fixture::echo().await;
    let answer = chat(gateway.address, "echo", true).await;
    let id = answer.header("x-request-id").expect("an id").to_owned();
    answer.whole().await;
    let finished = gateway.log.wait("request finished").await;
    assert_eq!((finished["request_id"].as_str(), finished["ending"].as_str()), (id.as_str(), "done"));
    let accepted = &gateway.log.all("request accepted")[0].fields;
    assert_eq!((accepted["request_id"].as_str(), accepted["model"].as_str()), (id.as_str(), "echo"));
    assert_eq!(accepted["stream"], "true");
    let opened = &gateway.log.all("upstream opened")[0].fields;
    assert_eq!((opened["request_id"].as_str(), opened["backend"].as_str()), (id.as_str(), "echo"));
    assert_eq!(gateway.log.all("listening")[0].fields["address"], gateway.address.to_string());
}

#[tokio::test]
async fn bad_requests_get_the_envelope_and_keep_the_connection() {
    let gateway = Fixture::echo().await;
    let mut client = Client::connect(gateway.address).await;
    let cases = [
        (Method::POST, "/v1/chat/completions", String::new(), 400, "empty_body"),
        (Method::POST, "/v1/chat/completions", "{".to_owned(), 400, "malformed_body"),
        (Method::POST, "/v1/chat/completions", "{}".to_owned(), 400, "missing_model"),
        (Method::POST, "/v1/chat/completions", ask("nobody", true), 404, "model_not_found"),
        (Method::POST, "/v1/embeddings", ask("echo", true), 404, "unknown_path"),
        (Method::GET, "/v1/chat/completions", String::new(), 405, "method_not_allowed"),
        (Method::POST, "/health", "x".repeat(100_000), 405, "method_not_allowed"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = client.send(method, path, body).await;
        assert_eq!((answer.status(), answer.header("content-type")), (status, Some("application/json")), "{code}");
        let error = answer.json().await;
        assert_eq!((&error["error"]["code"], &error["error"]["type"]), (&code.into(), &"invalid_request_error".into()));
    }
    assert_eq!(client.chat(ask("echo", false)).await.status(), 200);
    assert_eq!(gateway.log.all("request accepted").len(), 1, "a refused request was never accepted");
    gateway.log.assert_calm();
}

#[tokio::test]
async fn models_health_and_readiness_are_told() {
    let gateway = Fixture::echo().await;
    let mut client = Client::connect(gateway.address).await;
    let models = client.send(Method::GET, "/v1/models", "").await.json().await;
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&"list".into(), &"echo".into()));
    assert_eq!(client.send(Method::GET, "/health", "").await.json().await["status"], "ok");
    let ready = client.send(Method::GET, "/ready", "").await.json().await;
    assert_eq!(ready, serde_json::json!({ "ready": true, "backends": [{ "name": "echo", "ready": true }] }));
}

#[tokio::test]
async fn a_browser_may_call_from_the_configured_origin_alone() {
    let config = Config { cors_origin: Some("https://desk.example".to_owned()), ..Config::default() };
    for (config, expected) in [(config, Some("https://desk.example")), (Config::default(), None)] {
        let gateway = Fixture::open(config).await;
        let mut client = Client::connect(gateway.address).await;
        let asked = "authorization, content-type, x-stainless-lang";
        let preflight = client.preflight("/v1/chat/completions", "https://desk.example", asked).await;
        assert_eq!((preflight.status(), preflight.header("access-control-allow-origin")), (204, expected));
        assert_eq!(preflight.header("access-control-allow-methods"), expected.map(|_| "POST"));
        assert_eq!(preflight.header("access-control-allow-headers"), expected.map(|_| asked));
        assert_eq!(preflight.header("access-control-max-age"), expected.map(|_| "7200"));
        for stream in [false, true] {
            let answer = client.chat(ask("echo", stream)).await;
            assert_eq!(answer.header("access-control-allow-origin"), expected);
            let exposed = answer.header("access-control-expose-headers");
            assert_eq!(exposed, expected.map(|_| "x-request-id, x-should-retry, retry-after"));
            answer.whole().await;
        }
        let error = client.chat("").await;
        assert_eq!((error.status(), error.header("access-control-allow-origin")), (400, expected), "errors as well");
    }
}
