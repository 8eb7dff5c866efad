//! A running gateway, its log, and waits that are bounded.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halfopen_gateway::config::{BackendConfig, HttpConfig};
use halfopen_gateway::{Config, Exit, Gateway, Registry};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Nothing in these tests takes long; reaching this means that it never would have come.
const NEVER: Duration = Duration::from_secs(30);

/// Waits for `what`, and says so when it does not come.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(NEVER, future).await.unwrap_or_else(|_| panic!("still waiting for {what}"))
}

/// A gateway that serves.
pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    pub(crate) log: Log,
    shutdown: CancellationToken,
    serving: JoinHandle<Exit>,
    _logging: DefaultGuard,
}

impl Fixture {
    /// A gateway with the echo backend alone.
    pub(crate) async fn echo() -> Self {
        Self::open(Config::default()).await
    }

    /// A gateway whose model `m` is served by the HTTP backend at `upstream`.
    pub(crate) async fn before(upstream: SocketAddr, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.backends.push(BackendConfig::Http(HttpConfig {
            name: "upstream".to_owned(),
            models: vec!["m".to_owned()],
            base_url: format!("http://{upstream}/v1"),
            ca_file: None,
            api_key_env: None,
            health_url: None,
        }));
        change(&mut config);
        Self::open(config).await
    }

    pub(crate) async fn open(config: Config) -> Self {
        let registry = Registry::from_config(&config).expect("a good configuration");
        Self::open_with(config, registry).await
    }

    pub(crate) async fn open_with(mut config: Config, registry: Registry) -> Self {
        config.listen = "127.0.0.1:0".to_owned();
        let log = Log::default();
        let logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
        let gateway = Gateway::bind(config, registry).await.expect("a free port");
        let address = gateway.local_addr();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(gateway.serve(shutdown.clone()));
        Self { address, log, shutdown, serving, _logging: logging }
    }

    /// Tells the gateway to stop, without waiting.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// Tells the gateway to stop and waits until it has.
    pub(crate) async fn close(self) -> Exit {
        self.stop();
        soon("the gateway's end", self.serving).await.expect("the gateway does not panic")
    }
}

/// One line of the gateway's log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) fields: BTreeMap<String, String>,
}

/// What the gateway logged.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    grown: Arc<Notify>,
    panics_at: Arc<Mutex<Option<&'static str>>>,
}

impl Log {
    /// From now on logging `message` panics: a failure where none is expected.
    pub(crate) fn panic_at(&self, message: &'static str) {
        *self.panics_at.lock().expect("no panic while it is held") = Some(message);
    }

    /// The lines with `message`.
    pub(crate) fn all(&self, message: &str) -> Vec<Line> {
        let lines = self.lines.lock().expect("no panic while it is held");
        lines.iter().filter(|line| line.fields.get("message").is_some_and(|text| text == message)).cloned().collect()
    }

    /// Waits for a line with `message`; its fields.
    pub(crate) async fn wait(&self, message: &str) -> BTreeMap<String, String> {
        soon(&format!("the log line {message:?}"), async {
            loop {
                let grown = self.grown.notified();
                if let Some(line) = self.all(message).pop() {
                    return line.fields;
                }
                grown.await;
            }
        })
        .await
    }

    /// Waits until `gauge` is `value`.
    pub(crate) async fn wait_for_gauge(&self, gauge: &str, value: &str) {
        soon(&format!("{gauge} = {value}"), async {
            loop {
                let grown = self.grown.notified();
                let last = self.all("gauge").into_iter().rfind(|line| line.fields["name"] == gauge);
                if last.is_some_and(|line| line.fields["value"] == value) {
                    return;
                }
                grown.await;
            }
        })
        .await;
    }

    /// An expected disconnect is logged below WARN.
    pub(crate) fn assert_calm(&self) {
        let lines = self.lines.lock().expect("no panic while it is held");
        let alarm = lines.iter().find(|line| line.level <= Level::WARN);
        assert!(alarm.is_none(), "{alarm:?}");
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "halfopen_gateway" {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.get("message").cloned();
        let line = Line { level: *event.metadata().level(), fields: fields.0 };
        self.lines.lock().expect("no panic while it is held").push(line);
        self.grown.notify_waiters();
        let panics_at = *self.panics_at.lock().expect("no panic while it is held");
        assert!(message.is_none() || message.as_deref() != panics_at, "the log panics");
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}
