//! One connection to the scheduler, from the registration to its end.

use halfopen_link::close::code;
use halfopen_link::codec::{Undecodable, decode, encode};
use halfopen_link::connection::{Connection, Inbox, Incoming, SendError};
use halfopen_link::message::{FromNode, ToNode};
use halfopen_link::{Ending, Outbox};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::TARGET;
use super::config::NodeConfig;
use super::work::Workshop;

/// What the scheduler gave this node to be recognised by.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    node_id: String,
    token: String,
}

/// A connection, and what it is attended with.
pub(super) struct Attendance<'a> {
    config: &'a NodeConfig,
    workshop: &'a mut Workshop,
    identity: &'a mut Option<Identity>,
    shutdown: CancellationToken,
}

impl<'a> Attendance<'a> {
    pub(super) fn new(
        config: &'a NodeConfig,
        workshop: &'a mut Workshop,
        identity: &'a mut Option<Identity>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { config, workshop, identity, shutdown }
    }

    /// Attends until the connection is over. What the inbox still holds then is of no use to anybody.
    pub(super) async fn run(mut self, connection: Connection) -> Ending {
        let Connection { outbox, mut inbox } = connection;
        match self.register(&outbox, &mut inbox).await {
            Ok(()) => self.attend(&outbox, &mut inbox).await,
            Err(ending) => {
                outbox.close(ending.close_code, &ending.detail);
                ending
            }
        }
    }

    async fn register(&mut self, outbox: &Outbox, inbox: &mut Inbox) -> Result<(), Ending> {
        let (node_id, token) = self.identity.clone().map(|identity| (identity.node_id, identity.token)).unzip();
        send(outbox, &FromNode::NodeRegister { node_id, token, capacity: self.config.capacity })?;
        let answer = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Err(stopping()),
            answer = self.workshop.working_while(timeout(self.config.hello_timeout, answer(inbox))) => answer,
        };
        let Ok(answer) = answer else { return Err(Ending::by_timeout("no answer to the registration")) };
        let (identity, epoch) = answer?;
        tracing::info!(target: TARGET, node_id = %identity.node_id, %epoch, "registered");
        *self.identity = Some(identity);
        Ok(())
    }

    async fn attend(&mut self, outbox: &Outbox, inbox: &mut Inbox) -> Ending {
        let every = |period| {
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let mut heartbeats = every(self.config.heartbeat_interval);
        let mut progress = every(self.config.progress_interval);
        let mut messages = self.workshop.registered();
        let mut leave_by = None;
        loop {
            for message in messages {
                if let Err(ending) = send(outbox, &message) {
                    return match ending.close_code {
                        // The inbox knows how it really ended.
                        code::ABNORMAL => end_of(inbox).await,
                        _ => ending,
                    };
                }
            }
            if leave_by.is_some_and(|by| by <= Instant::now() || self.workshop.is_idle()) {
                outbox.close(code::AWAY, STOPPING);
                return end_of(inbox).await;
            }
            messages = tokio::select! {
                biased;
                () = self.shutdown.cancelled(), if leave_by.is_none() => {
                    self.workshop.leave();
                    leave_by = Some(Instant::now() + self.config.shutdown_grace);
                    Vec::new()
                }
                () = sleep_until(leave_by.unwrap_or_else(Instant::now)), if leave_by.is_some() => Vec::new(),
                incoming = inbox.next() => match incoming {
                    Incoming::Ended(ending) => return ending,
                    Incoming::Text(text) => match self.take(&text) {
                        Ok(messages) => messages,
                        Err(ending) => {
                            outbox.close(ending.close_code, &ending.detail);
                            return end_of(inbox).await;
                        }
                    },
                },
                messages = self.workshop.next_done() => messages,
                _ = heartbeats.tick() => vec![FromNode::NodeHeartbeat],
                _ = progress.tick() => self.workshop.progress(),
            };
        }
    }

    fn take(&mut self, text: &str) -> Result<Vec<FromNode>, Ending> {
        match decode(text) {
            Ok(ToNode::Error { code, message }) => {
                tracing::warn!(target: TARGET, code, message, "the scheduler complains");
                Ok(Vec::new())
            }
            Ok(message) => Ok(self.workshop.told(message)),
            Err(Undecodable::UnknownType(kind)) => {
                tracing::debug!(target: TARGET, kind, "the scheduler sent a message of an unknown type");
                Ok(Vec::new())
            }
            Err(error @ Undecodable::Malformed(_)) => Err(malformed(&error)),
        }
    }
}

/// The scheduler's answer to the registration.
async fn answer(inbox: &mut Inbox) -> Result<(Identity, String), Ending> {
    loop {
        let text = match inbox.next().await {
            Incoming::Text(text) => text,
            Incoming::Ended(ending) => return Err(ending),
        };
        match decode(&text) {
            Ok(ToNode::NodeRegisterAck { node_id, token, epoch }) => {
                return Ok((Identity { node_id, token }, epoch));
            }
            Ok(
                ToNode::JobAssign { .. } | ToNode::JobCancel { .. } | ToNode::ResultAck { .. } | ToNode::Error { .. },
            )
            | Err(Undecodable::UnknownType(_)) => {}
            Err(error @ Undecodable::Malformed(_)) => return Err(malformed(&error)),
        }
    }
}

/// Queues a message. A queue without room means that the scheduler does not read: the connection is given up, and what
/// must not be lost is sent on the next.
fn send(outbox: &Outbox, message: &FromNode) -> Result<(), Ending> {
    outbox.try_send(encode(message)).map_err(|error| match error {
        SendError::Full => Ending::by_us(code::TRY_LATER, "the scheduler does not read"),
        SendError::Closed => Ending::by_network("the connection is closed"),
    })
}

async fn end_of(inbox: &mut Inbox) -> Ending {
    loop {
        if let Incoming::Ended(ending) = inbox.next().await {
            return ending;
        }
    }
}

fn malformed(error: &Undecodable) -> Ending {
    Ending::by_us(code::INVALID, error.to_string())
}

fn stopping() -> Ending {
    Ending::by_us(code::AWAY, STOPPING)
}

const STOPPING: &str = "the node stops";
