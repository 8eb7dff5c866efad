//! What a run's records say of a unit: when it was sent, and when it arrived, if it did.

use std::time::Duration;

use halfopen::fault::{Connections, Delay, PowerLoss, Trigger};
use halfopen::name::Direction;
use halfopen::trace::{RecordKind, Unit};
use halfopen::{BoxError, HostContext, Outcome};
use halfopen_net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::stage::{LATENCY, Stage, ms, pair, s};

const REQUEST: &[u8] = b"GET /first HTTP/1.1\r\nhost: server\r\n\r\nGET /second HTTP/1.1\r\nhost: server\r\n\r\n";

#[test]
fn a_unit_arrives_when_its_last_packet_does() {
    let whole = arrivals(&asked("arrivals", ms(0)).run());
    assert_eq!(whole.len(), 2);
    assert!(whole.iter().all(|(sent, arrived)| *arrived == Some(*sent + LATENCY)), "{whole:?}");
    let torn = arrivals(&asked("arrivals_torn", ms(700)).run());
    assert_eq!(
        torn[0],
        (torn[1].0, Some(torn[0].0 + LATENCY)),
        "the write that ends the first ends the second: {torn:?}"
    );
}

#[test]
fn a_unit_that_is_delayed_arrives_later() {
    let verb = Delay { by: s(3), lasting: None };
    let late = arrivals(&asked("arrivals_late", ms(0)).fault(Trigger::Connect, link(), verb).run());
    assert!(late.iter().all(|(sent, arrived)| *arrived == Some(*sent + s(3) + LATENCY)), "{late:?}");
}

#[test]
fn a_unit_that_finds_a_machine_without_power_never_arrives() {
    let dark = asked("arrivals_dark", s(4)).strike(s(2), "server", PowerLoss { restart_after: None }).run();
    let lost = arrivals(&dark);
    assert_eq!(lost.iter().map(|(_, arrived)| *arrived).collect::<Vec<_>>(), [None, None], "{lost:?}");
}

/// A client that writes two requests in two pieces, so long apart.
fn asked(name: &str, pause: Duration) -> Stage {
    pair(
        name,
        |_, mut stream| async move {
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await?;
            Ok(())
        },
        move |_: HostContext, mut stream: TcpStream| async move {
            let (first, rest) = REQUEST.split_at(10);
            stream.write_all(first).await?;
            sleep(pause).await;
            stream.write_all(rest).await?;
            sleep(s(1)).await;
            Ok::<(), BoxError>(())
        },
    )
}

fn link() -> Connections {
    Connections::of("client", "server")
}

/// When each request was sent and when it arrived.
fn arrivals(outcome: &Outcome) -> Vec<(Duration, Option<Duration>)> {
    let requests = outcome.trace.records.iter().filter_map(|record| match &record.what {
        RecordKind::Unit { direction: Direction::ToServer, unit: Unit::HttpRequest { .. }, arrived, .. } => {
            Some((record.at, *arrived))
        }
        _ => None,
    });
    requests.collect()
}
