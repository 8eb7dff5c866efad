//! Tests that are built in Rust, with actors of the crate, and faults that strike anywhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use halfopen::builder::{
    Test, anywhere, close, crash, cut, drop, half_open, http_client, one_of, reset, sse_reader, test, ws_client,
};
use halfopen::fault::{Edge, Trigger};
use halfopen::internals::Capsule;
use halfopen::name::Direction;
use halfopen::{Catalogue, Outcome, Plan, Scenario, Seed};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

#[test]
fn a_chat_is_tested_in_ten_lines() {
    test("chat")
        .host_without_shutdown("chat", |_cx| chat(Forgets::WhoLeft))
        .actor("alice", ws_client("ws://chat:8080/").says(5))
        .actor("bob", ws_client("ws://chat:8080/").hears())
        .fault("alice -> chat", one_of![reset(), drop(), half_open()], anywhere())
        .seeds(32)
        .check();
}

#[test]
fn a_chat_that_forgets_everybody_when_one_is_lost_is_convicted_and_its_faults_can_be_pasted() {
    let build = |name| {
        test(name)
            .host_without_shutdown("chat", |_cx| chat(Forgets::Everybody))
            .actor("alice", ws_client("ws://chat:8080/").says(5))
            .actor("bob", ws_client("ws://chat:8080/").hears())
    };
    let report = panic_of(|| build("forgetful_chat").fault("alice -> chat", reset(), anywhere()).seeds(16).check());
    assert!(report.contains("LAW BROKEN forgetful_chat: delivery"), "{report}");
    assert!(report.contains("capsule: "), "{report}");
    let (_, pasted) = report.split_once(".faults(r#\"\n").expect("faults to paste");
    let (tables, _) = pasted.split_once("\"#)").expect("the end of what is pasted");
    let again = panic_of(|| build("forgetful_chat_again").faults(tables).seeds(1).check());
    assert!(again.contains("LAW BROKEN forgetful_chat_again: delivery"), "{again}");
}

#[test]
fn a_capsule_that_a_test_leaves_is_the_run_that_failed() {
    let report = panic_of(|| {
        test("chat_in_a_capsule")
            .host_without_shutdown("chat", |_cx| chat(Forgets::Everybody))
            .actor("alice", ws_client("ws://chat:8080/").says(5))
            .actor("bob", ws_client("ws://chat:8080/").hears())
            .fault("alice -> chat", reset(), anywhere())
            .seeds(4)
            .check();
    });
    let path = report.lines().find_map(|line| line.strip_prefix("capsule: ")).expect("a capsule");
    let capsule = Capsule::load(Path::new(path)).expect("it can be read");
    let catalogue = Catalogue::new("", "").host("chat", async |cx| {
        cx.until_stopped(chat(Forgets::Everybody)).await?;
        Ok(())
    });
    let outcome = catalogue.run(&capsule.plan).expect("it can be played");
    assert_eq!(outcome.signature(), capsule.failure.as_ref(), "{}", outcome.story());
    assert!(capsule.failure.is_some());
}

#[test]
fn a_fault_that_strikes_anywhere_is_drawn_from_what_passes_and_takes_effect_wherever_it_is_drawn() {
    let built = test("anywhere")
        .host_without_shutdown("chat", |_cx| chat(Forgets::WhoLeft))
        .actor("alice", ws_client("ws://chat:8080/").says(5).hears())
        .actor("bob", ws_client("ws://chat:8080/").hears())
        .fault("alice -> chat", one_of![reset(), drop(), half_open(), cut(), close(1001)], anywhere());
    let scenario = built.scenario().expect("no mistake");
    let (mut places, mut directions, mut edges) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for seed in 1..=96 {
        let plan = draw(&built, &scenario, seed);
        assert_eq!(plan, draw(&built, &scenario, seed));
        let [fault] = &plan.faults[..] else { panic!("one fault is planned: {:?}", plan.faults) };
        places.insert(fault.trigger.to_string());
        if let Trigger::Message { direction, edge, .. } | Trigger::HttpHead { direction, edge, .. } = &fault.trigger {
            directions.insert(*direction == Direction::ToServer);
            edges.insert(match edge {
                Edge::Before => 0,
                Edge::Inside(_) => 1,
                Edge::After => 2,
            });
        }
        let outcome = built.catalogue().run(&plan).expect("it can be played");
        took_effect(&outcome);
    }
    assert!(places.len() > 20, "{places:?}");
    assert_eq!((directions.len(), edges.len()), (2, 3));
}

#[test]
fn several_faults_that_strike_anywhere_strike_one_after_the_other() {
    let built = test("anywhere_twice")
        .host_without_shutdown("chat", |_cx| chat(Forgets::WhoLeft))
        .actor("alice", ws_client("ws://chat:8080/").says(8))
        .actor("bob", ws_client("ws://chat:8080/").hears())
        .fault("alice -> chat", one_of![reset(), drop()], anywhere())
        .fault("bob -> chat", one_of![reset(), drop()], anywhere())
        .fault("chat", crash(Duration::from_secs(1)), anywhere());
    let scenario = built.scenario().expect("no mistake");
    for seed in 1..=32 {
        let plan = draw(&built, &scenario, seed);
        let outcome = built.catalogue().run(&plan).expect("it can be played");
        took_effect(&outcome);
    }
}

#[test]
fn a_fault_that_can_strike_nowhere_says_what_there_was() {
    let report = panic_of(|| {
        test("nowhere")
            .host_without_shutdown("chat", |_cx| chat(Forgets::WhoLeft))
            .actor("alice", ws_client("ws://chat:8080/").says(2))
            .actor("bob", ws_client("ws://chat:8080/").hears())
            .fault("chat -> alice", reset(), anywhere())
            .seeds(1)
            .check();
    });
    assert!(report.contains("never fired"), "{report}");
    assert!(report.contains("alice -> chat") || report.contains("alice->chat"), "{report}");
}

#[test]
fn the_actors_and_anywhere_are_words_of_files_as_well() {
    let text = r#"
        proves = "a chat keeps its promises"

        [host.chat]
        run = "chat"

        [actor.alice]
        run = "ws_client"
        config = { url = "ws://chat:8080/", says = 3 }

        [actor.bob]
        run = "ws_client"
        config = { url = "ws://chat:8080/", hears = true }

        [[fault]]
        link = "alice -> chat"
        when = "anywhere"
        do.one_of = [{ do = "reset" }, { do = "drop" }]

        [checks.delivery]
        law = "exactly_once"
        allowed_losses = [{ reason = "connection_lost" }]
    "#;
    let file = Path::new("scenarios/canned.toml");
    let scenario = Scenario::from_toml(text, file).unwrap_or_else(|mistake| panic!("{mistake}"));
    let written = Scenario::from_toml(&scenario.to_toml(), file).unwrap_or_else(|mistake| panic!("{mistake}"));
    assert_eq!(scenario, written);
    let catalogue = Catalogue::new("", "").host("chat", async |cx| {
        cx.until_stopped(chat(Forgets::WhoLeft)).await?;
        Ok(())
    });
    let plan = catalogue.draw(&scenario, Seed(3)).expect("it can be drawn");
    assert!(!plan.to_toml().contains("anywhere"), "{}", plan.to_toml());
    let outcome = catalogue.run(&plan).expect("it can be played");
    assert!(outcome.passed(), "{}", outcome.story());
    let capsule = Capsule::new(plan, None).to_toml();
    let again = Capsule::from_toml(&capsule, Path::new("capsule.toml")).unwrap_or_else(|mistake| panic!("{mistake}"));
    assert_eq!(catalogue.run(&again.plan).expect("it can be played").hash, outcome.hash);
}

#[test]
fn what_is_wrong_with_a_test_is_told_before_it_is_played() {
    let alice = || ws_client("ws://chat:8080/").says(1);
    let told = |test: Test| test.scenario().expect_err("a mistake").join("\n");
    let chat = |name| test(name).host_without_shutdown("chat", |_cx| chat(Forgets::WhoLeft));
    let aim = told(chat("a").actor("alice", alice()).fault("alice > chat", reset(), anywhere()));
    assert!(aim.contains("`alice > chat` is neither a link"), "{aim}");
    let place =
        told(chat("b").actor("alice", alice()).fault("alice -> chat", crash(Duration::from_secs(1)), anywhere()));
    assert!(place.contains("`crash` strikes hosts, and `alice -> chat` names none"), "{place}");
    let host = told(chat("c").actor("alice", alice()).fault("alice -> chta", reset(), anywhere()));
    assert!(host.contains("did you mean `chat`?"), "{host}");
    let text = told(chat("d").actor("alice", alice().text("hello")));
    assert!(text.contains("`text` has no place for the key"), "{text}");
    let url = told(chat("e").actor("alice", ws_client("chat:8080").says(1)));
    assert!(url.contains("write `ws://HOST:PORT/PATH`"), "{url}");
    let alone = told(chat("g").actor("alice", alice().hears()));
    assert!(alone.contains("add `.echoes()`"), "{alone}");
    let nobody = told(chat("f"));
    assert!(nobody.contains("needs an `[actor.NAME]`"), "{nobody}");
}

#[test]
fn a_reader_of_events_hears_what_a_client_posts_and_comes_back() {
    test("board")
        .host_without_shutdown("board", |_cx| board::run())
        .actor("alice", http_client("http://board:8080/").requests(5).post("{key}"))
        .actor("bob", sse_reader("http://board:8080/events"))
        .fault("bob -> board", one_of![reset(), drop()], anywhere())
        .seeds(32)
        .check();
}

#[test]
fn several_who_hear_each_hear_everything_and_one_alone_hears_itself() {
    let several = |forgets| {
        test(if matches!(forgets, Forgets::WhoLeft) { "several" } else { "several_forgotten" })
            .host_without_shutdown("chat", move |_cx| chat(forgets))
            .actor("alice", ws_client("ws://chat:8080/").says(4).hears())
            .actor("bob", ws_client("ws://chat:8080/").says(2).hears())
            .actor("carol", ws_client("ws://chat:8080/").hears())
            .fault("alice -> chat", one_of![reset(), drop()], anywhere())
            .seeds(32)
    };
    several(Forgets::WhoLeft).check();
    let report = panic_of(|| several(Forgets::Everybody).check());
    assert!(report.contains("LAW BROKEN several_forgotten") && report.contains("never: received"), "{report}");
    test("echo")
        .host_without_shutdown("chat", |_cx| chat(Forgets::WhoLeft))
        .actor("alice", ws_client("ws://chat:8080/").says(4).echoes())
        .fault("alice -> chat", reset(), anywhere())
        .seeds(16)
        .check();
}

#[test]
fn an_actor_that_reaches_nobody_ends_and_says_whom() {
    let report = panic_of(|| {
        test("unreachable")
            .host_without_shutdown("chat", |_cx| async { std::future::pending::<Result<(), std::io::Error>>().await })
            .actor("alice", ws_client("ws://chat:8080/").says(2))
            .seeds(1)
            .check();
    });
    assert!(report.contains("failed to reach ws://chat:8080/"), "{report}");
}

fn draw(test: &Test, scenario: &Scenario, seed: u64) -> Plan {
    test.catalogue().draw(scenario, Seed(seed)).expect("it can be drawn")
}

#[track_caller]
fn took_effect(outcome: &Outcome) {
    let idle: Vec<_> = outcome.violations().filter(|violation| violation.check == "took_effect").collect();
    assert!(idle.is_empty(), "{}", outcome.story());
}

fn panic_of(play: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(play).expect_err("it fails");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no text".to_owned())
}

/// Whom a chat forgets when it loses somebody.
#[derive(Clone, Copy)]
enum Forgets {
    WhoLeft,
    Everybody,
}

type Listeners = Arc<Mutex<Vec<(u32, UnboundedSender<String>)>>>;

/// Longer than three of a client's pings are apart.
const IDLE: Duration = Duration::from_secs(40);

/// A chat as a beginner writes it: each client that is connected is told what anybody says.
async fn chat(forgets: Forgets) -> std::io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:8080").await?;
    let listeners = Listeners::default();
    for number in 0.. {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(converse(socket, number, Arc::clone(&listeners), forgets));
    }
    Ok(())
}

async fn converse(socket: TcpStream, number: u32, listeners: Listeners, forgets: Forgets) {
    let Ok(Ok(mut line)) = timeout(IDLE, accept_async(socket)).await else { return };
    let (told, mut tells) = unbounded_channel();
    let all = || listeners.lock().unwrap_or_else(PoisonError::into_inner);
    all().push((number, told));
    loop {
        tokio::select! {
            said = timeout(IDLE, line.next()) => match said {
                Ok(Some(Ok(Message::Text(text)))) => {
                    all().iter().for_each(|(_, listener)| _ = listener.send(text.to_string()));
                }
                Ok(Some(Ok(Message::Close(_)))) | Ok(None | Some(Err(_))) | Err(_) => break,
                Ok(Some(Ok(_))) => {}
            },
            Some(text) = tells.recv() => {
                if !matches!(timeout(IDLE, line.send(Message::text(text))).await, Ok(Ok(()))) {
                    break;
                }
            }
        }
    }
    match forgets {
        Forgets::WhoLeft => all().retain(|(other, _)| *other != number),
        Forgets::Everybody => all().clear(),
    }
    let _ = timeout(IDLE, line.close(None)).await;
}

/// A board on which notes are posted, and which plays all of them to a reader that goes on from one.
mod board {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::stream;
    use http_body_util::combinators::BoxBody;
    use http_body_util::{BodyExt as _, Full, StreamBody};
    use hyper::body::{Bytes, Frame, Incoming};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Method, Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpListener;
    use tokio::sync::watch;
    use tokio::time::timeout;

    type Notes = Arc<watch::Sender<Vec<String>>>;

    pub(super) async fn run() -> std::io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:8080").await?;
        let notes: Notes = Arc::new(watch::channel(Vec::new()).0);
        loop {
            let (socket, _) = listener.accept().await?;
            let notes = Arc::clone(&notes);
            let answer = service_fn(move |request| answer(request, Arc::clone(&notes)));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    }

    async fn answer(
        request: Request<Incoming>,
        notes: Notes,
    ) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        if request.method() == Method::POST {
            if let Ok(note) = request.into_body().collect().await {
                let note = String::from_utf8_lossy(&note.to_bytes()).into_owned();
                notes.send_modify(|notes| notes.push(note));
            }
            return Ok(Response::new(Full::new(Bytes::from("ok")).boxed()));
        }
        let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<usize>().ok());
        let events = stream::unfold((notes.subscribe(), last.unwrap_or(0)), |(mut notes, next)| async move {
            let waited = timeout(Duration::from_secs(5), notes.wait_for(|notes| notes.len() > next)).await;
            let note = waited.map(|seen| seen.map(|notes| notes[next].clone()));
            let (event, next) = match note {
                Ok(Ok(note)) => (format!("id: {}\ndata: {note}\n\n", next + 1), next + 1),
                Ok(Err(_)) => return None,
                Err(_) => (": still here\n\n".to_owned(), next),
            };
            Some((Ok(Frame::data(Bytes::from(event))), (notes, next)))
        });
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok(response.body(StreamBody::new(events).boxed()).expect("the head is in order"))
    }
}
