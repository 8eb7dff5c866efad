//! The task that gives the core what it asks for: connections, the time, resolved handles. It decides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use halfopen_link::codec::{Undecodable, decode, encode};
use halfopen_link::message::{FromSession, ToSession};
use halfopen_link::{Connection, Ending, Incoming, LinkConfig, Metered, Outbox, connection};
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet, coop};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::config::Config;
use crate::connector::Connector;
use crate::core::{Core, Input, NewJob, Output, Settled};
use crate::event::{Event, State, Status};
use crate::journal;
use crate::monitor::{Monitor, Sight};
use crate::outcome::Outcome;

/// What the public face asks for. Bounded by the permits that submits carry.
pub(crate) enum Command {
    Submit(NewJob, Slot),
    Close,
}

impl Command {
    /// Notes the outcome of a submit that no driver is left to take.
    pub(crate) fn journal_unknown(self) {
        if let Self::Submit(NewJob { job_id, trace_id, .. }, _) = self {
            let outcome = Outcome::Unknown;
            journal::settled(&Settled { job_id, trace_id, outcome, seq: 0, redelivered: false });
        }
    }
}

/// A handle to resolve, and its place among the open jobs.
pub(crate) struct Slot {
    pub(crate) resolve: oneshot::Sender<Outcome>,
    pub(crate) permit: OwnedSemaphorePermit,
}

type Socket<S> = WebSocketStream<Metered<S>>;
type Opening<S> = Pin<Box<dyn Future<Output = Result<Socket<S>, String>> + Send>>;

/// The connection, at every stage of its life.
enum Link<S> {
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

pub(crate) struct Driver<C: Connector> {
    core: Core,
    config: Config,
    connector: Arc<C>,
    commands: mpsc::UnboundedReceiver<Command>,
    events: broadcast::Sender<Event>,
    status: watch::Sender<Status>,
    slots: BTreeMap<String, Slot>,
    link: Link<C::Stream>,
    monitor: Monitor,
    /// What the connection's queue had no room for yet: the submits of open jobs, one ack, one error,
    /// and a greeting or goodbye.
    unsent: VecDeque<FromSession>,
    /// Drivers of this connection and of earlier ones that are still closing.
    sockets: JoinSet<()>,
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
        let now = Instant::now();
        Self {
            core: Core::new(&config, seed, now),
            monitor: Monitor::new(config.monitor_interval, config.link.close_timeout, now),
            config,
            connector: Arc::new(connector),
            commands,
            events,
            status,
            slots: BTreeMap::new(),
            link: Link::None,
            unsent: VecDeque::new(),
            sockets: JoinSet::new(),
        }
    }

    /// Runs until the client is closed for good; then no socket of it is open and no handle unresolved.
    pub(crate) async fn run(mut self) {
        self.act();
        while self.core.state() != State::Closed {
            let deadline = self.core.next_deadline();
            let outbox = self.outbox();
            let look = outbox.is_some().then(|| self.monitor.next_look());
            tokio::select! {
                command = self.commands.recv() => self.command(command.unwrap_or(Command::Close)),
                arrival = arrival(&mut self.link) => self.arrived(arrival),
                () = send_first(outbox, self.unsent.front()) => drop(self.unsent.pop_front()),
                () = until(deadline) => self.core.handle_timeout(Instant::now()),
                () = until(look) => self.look(),
                Some(_) = self.sockets.join_next() => {}
            }
            self.act();
        }
        self.refuse_what_came_too_late();
        while self.sockets.join_next().await.is_some() {}
    }

    fn command(&mut self, command: Command) {
        let input = match command {
            Command::Submit(job, slot) => {
                self.slots.insert(job.job_id.clone(), slot);
                Input::Submit(job)
            }
            Command::Close => Input::Close,
        };
        self.core.handle(input, Instant::now());
    }

    fn arrived(&mut self, arrival: Arrival<C::Stream>) {
        let input = match arrival {
            Arrival::Opened(socket) => {
                let (connection, driver) = connection::open(socket, self.config.link.clone());
                let mover = self.sockets.spawn(async move { drop(driver.await) });
                self.link = Link::Open { connection, mover };
                self.monitor.restart(Instant::now());
                Input::Connected
            }
            Arrival::Input(input) => input,
        };
        if matches!(input, Input::ConnectFailed(_) | Input::Ended(_)) {
            self.forget_link();
        }
        self.core.handle(input, Instant::now());
    }

    /// The second line: whatever the connection has to say, and how it ended, is taken from it if it has ended.
    fn look(&mut self) {
        let Link::Open { connection, mover } = &mut self.link else { return };
        let sight = match (mover.is_finished(), connection.outbox.is_closed()) {
            (true, _) => Sight::Gone,
            (false, true) => Sight::Closed,
            (false, false) => Sight::Open,
        };
        if !self.monitor.look(sight, Instant::now()) {
            return;
        }
        tracing::debug!("the monitor found the connection closed");
        // Unconstrained: a used-up budget must not look like an empty queue.
        while let Link::Open { connection, .. } = &mut self.link {
            match coop::unconstrained(connection.inbox.next()).now_or_never() {
                Some(incoming) => self.arrived(arrival_of(incoming)),
                None => {
                    let ending = Ending::by_timeout("the connection closed without a word");
                    self.arrived(Arrival::Input(Input::Ended(ending)));
                }
            }
        }
    }

    /// Does what the core asks for, until it asks for nothing more.
    fn act(&mut self) {
        for output in self.core.take_outputs() {
            match output {
                Output::Connect => {
                    self.forget_link();
                    let opening = open(self.config.clone(), Arc::clone(&self.connector));
                    self.link = Link::Opening(Box::pin(unless_it_panics(opening)));
                }
                Output::Abandon { close_code, reason } => self.abandon(close_code, reason),
                Output::Send(message) => {
                    journal::sent(&message);
                    self.send(message);
                }
                Output::Accepted { job_id, trace_id } => journal::accepted(&job_id, &trace_id),
                Output::Settle(settled) => self.settle(settled),
                Output::Tell(event) => {
                    journal::event(&event);
                    // Without a receiver there is nobody to tell.
                    let _ = self.events.send(event);
                }
            }
        }
        let status = Status { state: self.core.state(), ending: self.core.ending().cloned() };
        self.status.send_if_modified(|told| {
            let news = *told != status;
            *told = status;
            news
        });
    }

    fn send(&mut self, message: FromSession) {
        let Link::Open { connection, .. } = &self.link else { return };
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
        if let Some(Slot { resolve, permit }) = self.slots.remove(&settled.job_id) {
            // Room for the next job is there before anybody can see this one's outcome.
            drop(permit);
            // Whoever dropped the handle does not want to know.
            let _ = resolve.send(settled.outcome);
        }
    }

    /// Closes the connection in the background; nothing that it still has to say is heard.
    fn abandon(&mut self, close_code: u16, reason: &'static str) {
        if let Link::Open { connection, .. } = std::mem::replace(&mut self.link, Link::None) {
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
            Link::Open { connection, .. } => Some(connection.outbox.clone()),
            Link::None | Link::Opening(_) => None,
        }
    }

    fn forget_link(&mut self) {
        self.link = Link::None;
        self.unsent.clear();
    }

    /// Submits that crossed with the end resolve as well.
    fn refuse_what_came_too_late(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.command(command);
            self.act();
        }
    }
}

/// Opens a stream and upgrades it. How long that may take is the core's to say.
async fn open<C: Connector>(config: Config, connector: Arc<C>) -> Result<Socket<C::Stream>, String> {
    let (host, port) = config.endpoint().map_err(|error| error.to_string())?;
    let stream = connector.connect(&host, port).await.map_err(|error| error.kind().to_string())?;
    let limits: &LinkConfig = &config.link;
    client_async_with_config(config.url.as_str(), Metered::new(stream), Some(limits.websocket()))
        .await
        .map(|(socket, _response)| socket)
        .map_err(|error| Ending::from_error(&error).detail)
}

/// The connector is the application's own: its mistakes cost an attempt, not the client.
async fn unless_it_panics<T>(opening: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    AssertUnwindSafe(opening).catch_unwind().await.unwrap_or_else(|_| Err("the connector panicked".into()))
}

/// What comes next from the connection; pends while there is none. Cancel-safe.
async fn arrival<S>(link: &mut Link<S>) -> Arrival<S> {
    match link {
        Link::None => pending().await,
        Link::Opening(opening) => match opening.await {
            Ok(socket) => Arrival::Opened(socket),
            Err(detail) => Arrival::Input(Input::ConnectFailed(detail)),
        },
        Link::Open { connection, .. } => arrival_of(connection.inbox.next().await),
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
    let (Some(outbox), Some(message)) = (outbox, first) else { return pending().await };
    if outbox.send(encode(message)).await.is_err() {
        // Closed: its ending is about to arrive, and empties the queue.
        pending().await
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
