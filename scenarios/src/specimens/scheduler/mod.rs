//! A small scheduler that is right but for one defect: what the real one would be if its authors had made one mistake
//! of docs/failures.md.
//!
//! "Racing close" and "silent success" are headings of that page.
//!
//! - `tables`: sessions, jobs and the node.
//! - `connection`: a WebSocket's two tasks.
//!
//! It serves one node, forgets nothing while it runs, and keeps what is not acknowledged.

mod connection;
mod tables;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use halfopen::{BoxError, HostContext};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::debug;

use tables::Tables;

const TARGET: &str = "halfopen_scheduler";

/// What its authors got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Racing close: the reading and the writing task both close a connection when they find it broken, and the second
    /// one takes for granted what the first has removed.
    ClosesTwice,
    /// Racing close: the side that closes waits for the peer's answer without a time limit.
    ClosesWithoutBound,
    /// Racing close: every end of a connection is logged as an error.
    EveryErrorIsAnError,
    /// Silent success, defect 1: a result that went into a connection's queue counts as delivered, and is not kept.
    SendCountsAsDelivered,
    /// Silent success, defect 2: the tasks of a broken connection end without telling the registry.
    StaysRegistered,
    /// Silent success, defect 3: a job's node is looked up when it is submitted; a node that comes later is not for it.
    NodeAtSubmit,
    /// Silent success, defect 4: the timer of a dispatched job runs on after its result.
    TimerOutlivesResult,
    /// Silent success, defect 5: a connection's end removes its session's entry, even one that belongs to a newer
    /// connection.
    CleanupById,
    /// Silent success, defect 6: a result is noted as seen before it is processed, so a second try of a failed one is
    /// taken for a duplicate.
    SeenBeforeProcessed,
    /// A broken connection is unregistered when its last keepalive would have been due.
    UnregistersLate,
    /// A message that is none of the protocol's is a panic.
    TrustsItsInput,
    /// An accept that fails ends the process.
    ExitsWithAFailedAccept,
    /// No end of a connection is logged above debug, whatever caused it.
    NoErrorIsLogged,
    /// A session goes to any client that names it.
    TakesAnyToken,
    /// A session's name and token are good in any epoch.
    TakesAnyEpoch,
    /// The connection that had a session is not told that another has it.
    KeepsTheFirstOwner,
}

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(500);
/// After an accept that fails, so that a shortage of descriptors is no hot loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves sessions and a node.
///
/// # Errors
/// If the configuration is wrong or the port is taken.
pub async fn run(cx: HostContext, defect: Defect) -> Result<(), BoxError> {
    let config: halfopen_scheduler::Config = cx.config()?;
    let listener = TcpListener::bind(config.listen).await?;
    let shared = Shared(Arc::new(Mutex::new(Tables::new(defect))));
    let mut connections = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = 0;
    loop {
        tokio::select! {
            biased;
            () = cx.stopped() => return Ok(()),
            accepted = listener.accept() => {
                let socket = match accepted {
                    Ok((socket, _)) => socket,
                    Err(error) if defect == Defect::ExitsWithAFailedAccept => return Err(error.into()),
                    Err(error) => {
                        debug!(target: TARGET, %error, "nothing was accepted");
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                socket.set_nodelay(true)?;
                next += 1;
                connections.spawn(connection::serve(socket, shared.clone(), next));
            }
            _ = ticks.tick() => shared.tables().tick(),
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The tables, as connections have them.
#[derive(Clone)]
struct Shared(Arc<Mutex<Tables>>);

impl Shared {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
