// A user who notes a visit every five seconds, on a connection that is made again when it fails. Included once for each
// version.

use std::time::Duration;

use halfopen::{BoxError, FactKind, HostContext};
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisResult};
use tokio::time::sleep;

const VISITS: u32 = 20;
const BETWEEN_VISITS: Duration = Duration::from_secs(5);

/// Leaves the bounds to the library.
pub(super) async fn visit(cx: HostContext) -> Result<(), BoxError> {
    let mut kept = None;
    for n in 1..=VISITS {
        let visit = format!("visit-{n}");
        cx.fact(FactKind::Accepted, &visit, "");
        loop {
            let connection = match &mut kept {
                Some(connection) => connection,
                none => none.insert(connect(&cx).await?),
            };
            let noted: RedisResult<String> = redis::cmd("SET").arg(&visit).arg("here").query_async(connection).await;
            if noted.is_ok() {
                break;
            }
            cx.fact(FactKind::Detected, "store", 1006);
            kept = None;
        }
        cx.fact(FactKind::Outcome, &visit, "noted");
        sleep(BETWEEN_VISITS).await;
    }
    Ok(())
}

async fn connect(cx: &HostContext) -> Result<MultiplexedConnection, BoxError> {
    let connection = Client::open("redis://store:6379/")?.get_multiplexed_async_connection().await?;
    cx.fact(FactKind::Recovered, "store", "");
    Ok(connection)
}
