//! The task that drives the core and gives it what it asks for: connections, resolved handles, the log. It decides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use halfopen_link::close::code;
use halfopen_link::codec::{Undecodable, decode, encode};
use halfopen_link::message::{FromSession, ToSession};
use halfopen_link::{Connection, ConnectionEnd, Incoming, LinkConfig, Metered, Outbox, connection};
use halfopen_machine::shell::{Shell, drive};
use halfopen_machine::{Bug, Machine, OrBug};
use halfopen_tls::dial::failure;
use http::header::{AUTHORIZATION, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet, coop};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::connector::Connector;
use super::events::Status;
use super::journal::{self, Held};
use crate::config::Config;
use crate::core::monitor::Liveness;
use crate::core::{Core, Input, NewJob, Output, Settled};
use crate::event::{Event, State};
use crate::outcome::JobOutcome;

/// What the public face asks for. Bounded by the permits that submits carry.
pub(crate) enum Command {
    Submit(NewJob, Slot),
    Close,
}

impl Command {
    /// Notes the outcome of a submit that no driver is left to take.
    pub(crate) fn journal_unknown(self) {
        if let Self::Submit(NewJob { job_id, trace_id, .. }, _) = self {
            let outcome = JobOutcome::Unknown;
            journal::settled(&Settled { job_id, trace_id, outcome, seq: 0, redelivered: false });
        }
    }
}

/// A handle to resolve, and its place among the open jobs.
pub(crate) struct Slot {
    pub(crate) resolve: oneshot::Sender<JobOutcome>,
    pub(crate) permit: OwnedSemaphorePermit,
}

type Socket<S> = WebSocketStream<Metered<S>>;
type Opening<S> = Pin<Box<dyn Future<Output = Result<Socket<S>, NotOpened>> + Send>>;

/// Why a connection could not be had.
enum NotOpened {
    /// The scheduler answered the handshake, and did not upgrade.
    NotUpgraded(u16),
    /// Anything else, for people.
    Failed(String),
}

impl From<String> for NotOpened {
    fn from(detail: String) -> Self {
        Self::Failed(detail)
    }
}

/// The connection, at every stage of its life.
enum ConnectionState<S> {
    None,
    Opening(Opening<S>),
    Open {
        connection: Connection,
        /// The task that moves its bytes.
        mover: AbortHandle,
    },
}

/// Something from the connection.
enum Arrival<S> {
    Opened(Socket<S>),
    Input(Input),
}

/// The core, and the shell that gives it what it asks for.
pub(crate) struct Driver<C: Connector> {
    core: Core,
    hands: Hands<C>,
}

impl<C: Connector> Driver<C> {
    pub(crate) fn new(
        config: Config,
        seed: u64,
        connector: C,
        commands: mpsc::UnboundedReceiver<Command>,
        events: broadcast::Sender<Event>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            core: Core::new(&config, seed, Instant::now().into_std()),
            hands: Hands {
                config,
                connector: Arc::new(connector),
                commands,
                events,
                status,
                slots: BTreeMap::new(),
                link: ConnectionState::None,
                unsent: VecDeque::new(),
                told: None,
                sockets: JoinSet::new(),
            },
        }
    }

    /// Runs until the client is closed for good; then no socket of it is open and no handle unresolved.
    pub(crate) async fn run(self) {
        let Self { mut core, mut hands } = self;
        drive(&mut core, &mut hands).await;
        hands.refuse_what_came_too_late(&mut core);
        while hands.sockets.join_next().await.is_some() {}
    }
}

/// The client's sockets, handles and log.
struct Hands<C: Connector> {
    config: Config,
    connector: Arc<C>,
    commands: mpsc::UnboundedReceiver<Command>,
    events: broadcast::Sender<Event>,
    status: watch::Sender<Status>,
    slots: BTreeMap<String, Slot>,
    link: ConnectionState<C::Stream>,
    /// What the connection's queue had no room for yet: the submits of open jobs, one ack, one error,
    /// and a hello or goodbye.
    unsent: VecDeque<FromSession>,
    /// What the client holds, as it was told last.
    told: Option<Held>,
    /// Drivers of this connection and of earlier ones that are still closing.
    sockets: JoinSet<()>,
}

impl<C: Connector> Shell<Core> for Hands<C> {
    type End = ();

    async fn next_input(&mut self) -> Input {
        loop {
            let outbox = self.outbox();
            tokio::select! {
                // Legal: the client was dropped, which is a close.
                command = self.commands.recv() => return self.commanded(command.unwrap_or(Command::Close)),
                arrival = arrival(&mut self.link) => return self.arrived(arrival),
                () = send_first(outbox, self.unsent.front()) => drop(self.unsent.pop_front()),
                Some(_) = self.sockets.join_next() => {}
            }
        }
    }

    fn perform(&mut self, output: Output, inputs: &mut VecDeque<Input>) -> ControlFlow<()> {
        match output {
            Output::Connect => {
                self.forget_link();
                let opening = open(self.config.clone(), Arc::clone(&self.connector));
                self.link = ConnectionState::Opening(Box::pin(unless_it_panics(opening)));
            }
            Output::Abandon { close_code, reason } => self.abandon(close_code, reason),
            Output::Send(message) => {
                journal::sent(&message);
                self.send(message);
            }
            Output::Look => inputs.push_back(Input::Seen(self.look())),
            Output::Collect => self.collect(inputs),
            Output::Accepted { job_id, trace_id } => journal::accepted(&job_id, &trace_id),
            Output::Complaint { code, message } => journal::complaint(&code, &message),
            Output::Settle(settled) => self.settle(settled),
            Output::Tell(event) => {
                journal::event(&event);
                // It fails without a receiver: the application does not listen.
                let _ = self.events.send(event);
            }
        }
        ControlFlow::Continue(())
    }

    fn settled(&mut self, core: &Core) -> ControlFlow<()> {
        let held = Held { unsettled_jobs: core.unsettled_jobs(), unsent_messages: self.unsent.len() };
        journal::held(self.told.replace(held), held);
        let status = Status { state: core.state(), ending: core.ending().cloned() };
        let is_closed = status.state == State::Closed;
        self.status.send_if_modified(|told| {
            let news = *told != status;
            *told = status;
            news
        });
        if is_closed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn bug(&mut self, bug: Bug, inputs: &mut VecDeque<Input>) {
        let ending = ConnectionEnd::by_bug(&bug);
        match &self.link {
            ConnectionState::None => {}
            ConnectionState::Opening(_) => inputs.push_back(Input::ConnectFailed(ending.detail)),
            ConnectionState::Open { .. } => inputs.push_back(Input::Ended(ending)),
        }
        self.abandon(code::INTERNAL, "internal error");
    }
}

impl<C: Connector> Hands<C> {
    fn commanded(&mut self, command: Command) -> Input {
        match command {
            Command::Submit(job, slot) => {
                self.slots.insert(job.job_id.clone(), slot);
                Input::Submit(job)
            }
            Command::Close => Input::Close,
        }
    }

    fn arrived(&mut self, arrival: Arrival<C::Stream>) -> Input {
        match arrival {
            Arrival::Opened(socket) => {
                let (connection, driver) = connection::open(socket, self.config.link.clone());
                let mover = self.sockets.spawn(async move { drop(driver.await) });
                self.link = ConnectionState::Open { connection, mover };
                Input::Connected
            }
            Arrival::Input(input) => {
                if matches!(input, Input::ConnectFailed(_) | Input::NotUpgraded(_) | Input::Ended(_)) {
                    self.forget_link();
                }
                input
            }
        }
    }

    /// Asks the connection and the task that drives it, never whether we have closed.
    fn look(&self) -> Liveness {
        match &self.link {
            ConnectionState::Open { mover, .. } if mover.is_finished() => Liveness::Gone,
            ConnectionState::Open { connection, .. } if connection.outbox.is_closed() => Liveness::Closed,
            ConnectionState::Open { .. } => Liveness::Open,
            ConnectionState::None | ConnectionState::Opening(_) => Liveness::Gone,
        }
    }

    /// Whatever the connection still has to say, and how it ended, is taken from it.
    fn collect(&mut self, inputs: &mut VecDeque<Input>) {
        tracing::debug!("the monitor found the connection closed");
        while let ConnectionState::Open { connection, .. } = &mut self.link {
            // Unconstrained: a used-up budget must not look like an empty queue.
            let arrival = match coop::unconstrained(connection.inbox.next()).now_or_never() {
                Some(incoming) => arrival_of(incoming),
                None => {
                    Arrival::Input(Input::Ended(ConnectionEnd::by_timeout("the connection closed without saying how")))
                }
            };
            let input = self.arrived(arrival);
            inputs.push_back(input);
        }
    }

    fn send(&mut self, message: FromSession) {
        // Legal: the connection has ended, and what it had said before is still being answered.
        let ConnectionState::Open { connection, .. } = &self.link else { return };
        // Order is kept: nothing overtakes what waits. A connection that is closed reports its ending by itself.
        if self.unsent.is_empty() && connection.outbox.try_send(encode(&message)).is_ok() {
            return;
        }
        // A peer that sends and does not read costs no memory: the latest ack says it all, and so does one complaint.
        if matches!(message, FromSession::Ack { .. } | FromSession::Error { .. }) {
            self.unsent.retain(|waiting| std::mem::discriminant(waiting) != std::mem::discriminant(&message));
        }
        self.unsent.push_back(message);
    }

    fn settle(&mut self, settled: Settled) {
        journal::settled(&settled);
        // Its submit may not even have left: a job that has its outcome is not sent.
        self.unsent.retain(|waiting| !matches!(waiting, FromSession::Submit(job) if job.job_id == settled.job_id));
        match self.slots.remove(&settled.job_id).or_bug("a job that settles has a handle") {
            Ok(Slot { resolve, permit }) => {
                // There is room for the next job before the application can see this one's outcome.
                drop(permit);
                // It fails if the handle was dropped: the application does not want to know.
                let _ = resolve.send(settled.outcome);
            }
            Err(bug) => tracing::error!(%bug, "a bug of this service"),
        }
    }

    /// Closes the connection in the background; nothing that it still has to say is heard.
    fn abandon(&mut self, close_code: u16, reason: &'static str) {
        if let ConnectionState::Open { connection, .. } = std::mem::replace(&mut self.link, ConnectionState::None) {
            for message in self.unsent.drain(..) {
                if connection.outbox.try_send(encode(&message)).is_err() {
                    break;
                }
            }
            self.sockets.spawn(async move { drop(connection.close(close_code, reason).await) });
        }
        self.unsent.clear();
    }

    fn outbox(&self) -> Option<Outbox> {
        match &self.link {
            ConnectionState::Open { connection, .. } => Some(connection.outbox.clone()),
            ConnectionState::None | ConnectionState::Opening(_) => None,
        }
    }

    fn forget_link(&mut self) {
        self.link = ConnectionState::None;
        self.unsent.clear();
    }

    /// Submits that crossed with the end resolve as well.
    fn refuse_what_came_too_late(&mut self, core: &mut Core) {
        self.commands.close();
        let mut inputs = VecDeque::new();
        while let Ok(command) = self.commands.try_recv() {
            let input = self.commanded(command);
            if let Err(bug) = core.handle(input, Instant::now().into_std()) {
                tracing::error!(%bug, "a bug of this service");
            }
            while let Some(output) = core.poll_output() {
                // The drive has ended: there is nothing to break off, and a closed core looks at no connection.
                let _ = self.perform(output, &mut inputs);
            }
        }
    }
}

/// Opens a stream and upgrades it. How long that may take is the core's to say.
async fn open<C: Connector>(config: Config, connector: Arc<C>) -> Result<Socket<C::Stream>, NotOpened> {
    let (_, host, port) = config.endpoint().map_err(|error| error.to_string())?;
    let stream = connector.connect(&host, port).await.map_err(|error| failure(&error))?;
    let limits: &LinkConfig = &config.link;
    let mut request = config.url.as_str().into_client_request().map_err(|error| error.to_string())?;
    if let Some(variable) = &config.key_env {
        let key = std::env::var(variable).map_err(|_| format!("the variable {variable} holds no key"))?;
        let value = HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|error| error.to_string())?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    match client_async_with_config(request, Metered::new(stream), Some(limits.websocket())).await {
        Ok((socket, _response)) => Ok(socket),
        Err(WebSocketError::Http(response)) => Err(NotOpened::NotUpgraded(response.status().as_u16())),
        Err(error) => Err(ConnectionEnd::from_error(&error).detail.into()),
    }
}

/// The connector is the application's own: its mistakes cost an attempt, not the client.
async fn unless_it_panics<T>(opening: impl Future<Output = Result<T, NotOpened>>) -> Result<T, NotOpened> {
    AssertUnwindSafe(opening).catch_unwind().await.unwrap_or_else(|_| Err("the connector panicked".to_owned().into()))
}

/// What comes next from the connection; pends while there is none. Cancel-safe.
async fn arrival<S>(link: &mut ConnectionState<S>) -> Arrival<S> {
    match link {
        ConnectionState::None => pending().await,
        ConnectionState::Opening(opening) => match opening.await {
            Ok(socket) => Arrival::Opened(socket),
            Err(NotOpened::NotUpgraded(status)) => Arrival::Input(Input::NotUpgraded(status)),
            Err(NotOpened::Failed(detail)) => Arrival::Input(Input::ConnectFailed(detail)),
        },
        ConnectionState::Open { connection, .. } => arrival_of(connection.inbox.next().await),
    }
}

fn arrival_of<S>(incoming: Incoming) -> Arrival<S> {
    Arrival::Input(match incoming {
        Incoming::Text(text) => understood(&text),
        Incoming::Ended(ending) => Input::Ended(ending),
    })
}

fn understood(text: &str) -> Input {
    match decode::<ToSession>(text) {
        Ok(message) => Input::Message(message),
        Err(Undecodable::UnknownType(name)) => {
            tracing::debug!(r#type = name, "message of an unknown type ignored");
            Input::UnknownType(name)
        }
        Err(Undecodable::Malformed(detail)) => Input::Malformed(detail),
    }
}

/// Queues the first message that waits as soon as the connection has room. Cancel-safe: it is queued or stays first.
async fn send_first(outbox: Option<Outbox>, first: Option<&FromSession>) {
    // Legal: as a rule nothing waits.
    let (Some(outbox), Some(message)) = (outbox, first) else { return pending().await };
    if outbox.send(encode(message)).await.is_err() {
        // Legal: it is closed. Its ending is about to arrive, and empties the queue.
        pending().await
    }
}
