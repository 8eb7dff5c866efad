//! The prober over real sockets, against a service that watches how its connections end.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halfopen_health::{Miss, ProbeConfig, Target, Verdict, wait_until_ready};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// More than the kernel's buffers of a connection hold: it cannot all be sent unless the peer reads.
const LARGE: usize = 32 << 20;

#[tokio::test]
async fn the_body_is_read_to_its_end_and_the_connection_is_closed_without_a_reset() {
    for head in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"),
        // A service that would keep the connection: the prober ends it.
        format!("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: {LARGE}\r\n\r\n"),
        // And one that says much more than it promised, so that there is something left to be dropped unread.
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", LARGE / 2),
        format!("HTTP/1.1 503 Service Unavailable\r\ncontent-length: {LARGE}\r\n\r\n"),
    ] {
        let not_ready = head.contains(" 503 ");
        let service = Service::start([Answer::Text(head + &"x".repeat(LARGE))]).await;
        let verdict = wait_until_ready(&service.target(), &patient(1)).await;
        let miss = Miss::NotReady { status: 503 };
        let refused = Verdict::NotReady { attempts: 1, last: miss };
        assert_eq!(verdict, if not_ready { refused } else { Verdict::Ready { attempts: 1 } });
        let [seen] = service.ends().await.try_into().expect("one connection");
        assert_eq!(seen, Seen { written: Ok(()), first_read: Ok(0), read_after_our_end: Ok(0) });
    }
}

#[tokio::test]
async fn a_prober_that_drops_the_answer_unread_would_be_seen() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
    let service = Service::start([Answer::Text(head + &"x".repeat(LARGE))]).await;
    let mut rude = TcpStream::connect(service.address).await.expect("it listens");
    rude.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await.expect("it reads");
    rude.read_exact(&mut [0; 15]).await.expect("it answers");
    drop(rude);
    let [seen] = service.ends().await.try_into().expect("one connection");
    assert!(seen.written.is_err(), "the service met a reset while it answered: {seen:?}");
}

#[tokio::test]
async fn a_service_that_starts_is_waited_for_and_nothing_is_logged_above_debug() {
    let levels = Levels::default();
    let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(levels.clone()));
    let ok = "HTTP/1.1 204 No Content\r\n\r\n";
    let service = Service::start([
        Answer::Reset,
        Answer::Text("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nsoon".to_owned()),
        Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut".to_owned()),
        Answer::Text(String::new()),
        Answer::Text("no http at all\r\n\r\n".to_owned()),
        Answer::Text("HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Answer::Text(ok.to_owned()),
    ])
    .await;
    assert_eq!(wait_until_ready(&service.target(), &patient(15)).await, Verdict::Ready { attempts: 7 });
    assert_eq!(levels.highest(), Some(Level::DEBUG), "it tells each miss, and only at debug");
}

#[tokio::test]
async fn the_reason_of_the_last_attempt_is_told() {
    let cut = Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut".to_owned());
    for (answer, last) in [
        (Answer::Reset, Miss::Reset),
        (cut, Miss::Truncated),
        (Answer::Text("no http at all\r\n\r\n".to_owned()), Miss::Malformed),
        (Answer::Text("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned()), Miss::NotReady { status: 500 }),
    ] {
        let service = Service::start([Answer::Text(String::new()), answer]).await;
        let verdict = wait_until_ready(&service.target(), &patient(2)).await;
        assert_eq!(verdict, Verdict::NotReady { attempts: 2, last });
    }
}

#[tokio::test]
async fn an_address_that_refuses_is_ready_once_somebody_listens_there() {
    let address = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    let target = Target::parse(&format!("http://{address}/health")).expect("a good URL");
    let refused = Verdict::NotReady { attempts: 3, last: Miss::Refused };
    assert_eq!(wait_until_ready(&target, &patient(3)).await, refused);
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned();
    let _service = Service::start_at(address, [Answer::Text(ok)]).await;
    assert_eq!(wait_until_ready(&target, &patient(3)).await, Verdict::Ready { attempts: 1 });
}

#[tokio::test]
async fn a_service_that_does_not_answer_costs_its_timeout_and_no_more() {
    let service = Service::start([Answer::Silence]).await;
    let config = ProbeConfig { timeout: Duration::from_millis(20), ..patient(1) };
    let verdict = wait_until_ready(&service.target(), &config).await;
    assert_eq!(verdict, Verdict::NotReady { attempts: 1, last: Miss::TimedOut });
}

#[tokio::test]
async fn the_key_goes_with_the_request() {
    let service = Service::start([Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned())]).await;
    let key = hyper::header::HeaderValue::from_static("Bearer k");
    let target = service.target().with_authorization(Some(key));
    assert!(wait_until_ready(&target, &patient(1)).await.is_ready());
    let request = service.requests.lock().expect("no panic while it is held").join("");
    let expected = format!("GET /health HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", service.address);
    assert_eq!(request, expected + "authorization: Bearer k\r\n\r\n");
}

/// The given number of attempts, close to each other; none of them is short of time, however slow the machine.
fn patient(attempts: u32) -> ProbeConfig {
    ProbeConfig { attempts, interval: Duration::from_millis(1), timeout: Duration::from_secs(60) }
}

enum Answer {
    Text(String),
    Reset,
    Silence,
}

/// How a connection ended, as the service saw it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Whether the whole answer was taken.
    written: Result<(), io::ErrorKind>,
    /// What the service reads before it ends its own side: `Ok(0)` is the prober's FIN.
    first_read: Result<usize, io::ErrorKind>,
    /// What it reads afterwards: a reset that came late would show here.
    read_after_our_end: Result<usize, io::ErrorKind>,
}

struct Service {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<Vec<Seen>>,
}

impl Service {
    async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), answers).await
    }

    /// Answers one connection after the other.
    async fn start_at(address: SocketAddr, answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let answers: Vec<Answer> = answers.into_iter().collect();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        let serving = tokio::spawn(async move {
            let mut ends = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().await.expect("the prober connects");
                ends.extend(serve(stream, answer, &heard).await);
            }
            ends
        });
        Self { address, requests, serving }
    }

    fn target(&self) -> Target {
        Target::parse(&format!("http://{}/health", self.address)).expect("a good URL")
    }

    /// Waits until all answers were given.
    async fn ends(self) -> Vec<Seen> {
        self.serving.await.expect("the service does not panic")
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, heard: &Mutex<Vec<String>>) -> Option<Seen> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("a request"));
    }
    heard.lock().expect("no panic while it is held").push(String::from_utf8(request).expect("ASCII"));
    let text = match answer {
        Answer::Text(text) => text,
        Answer::Reset => {
            stream.set_zero_linger().expect("a live socket");
            return None;
        }
        Answer::Silence => {
            let _ = stream.read(&mut [0; 1]).await;
            return None;
        }
    };
    let promises_more = text.is_empty() || text.ends_with("cut");
    let written = stream.write_all(text.as_bytes()).await.map_err(|error| error.kind());
    if promises_more {
        return None;
    }
    let first_read = stream.read(&mut [0; 1]).await.map_err(|error| error.kind());
    let _ = stream.shutdown().await;
    let read_after_our_end = stream.read(&mut [0; 1]).await.map_err(|error| error.kind());
    Some(Seen { written, first_read, read_after_our_end })
}

/// The levels of what the prober logs.
#[derive(Clone, Default)]
struct Levels(Arc<Mutex<Vec<Level>>>);

impl Levels {
    fn highest(&self) -> Option<Level> {
        // In tracing's order a level is the smaller, the more it alarms.
        self.0.lock().expect("no panic while it is held").iter().min().copied()
    }
}

impl<S: Subscriber> Layer<S> for Levels {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("halfopen") {
            self.0.lock().expect("no panic while it is held").push(*event.metadata().level());
        }
    }
}
