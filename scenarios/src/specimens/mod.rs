//! Defective services. Each has exactly one defect, most of them from docs/failures.md; the scenario that convicts
//! it acquits the real service under the same plan.
//!
//! - [`prober`]: the noisy health check.
//! - [`scheduler`]: the racing close and the silent success.
//! - [`client`]: the unnoticed close.
//! - [`gateway`]: the shared exit.
//! - [`room`]: what a channel that drops the oldest does to a slow listener.

pub mod client;
pub mod gateway;
pub mod prober;
pub mod room;
pub mod scheduler;

use std::io;

use halfopen::Catalogue;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use client::Defect as OfClient;
use gateway::Defect as OfGateway;
use prober::Defect as OfProber;
use scheduler::Defect as OfScheduler;

/// A connection to what an `http://` URL names.
async fn dial(url: &Uri) -> io::Result<TokioIo<TcpStream>> {
    let stream = TcpStream::connect((url.host().unwrap_or_default(), url.port_u16().unwrap_or(80))).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

/// Adds every specimen to a catalogue: the name that scenarios convict it by, what it runs, and its defect. Those of one
/// service stand in for the same host.
pub(crate) fn with_specimens(mut catalogue: Catalogue) -> Catalogue {
    let of_prober = [
        ("body-unread", "specimen_body_unread", OfProber::BodyUnread),
        ("error-level-noise", "specimen_error_level_noise", OfProber::ErrorLevelNoise),
        ("refused-is-failure", "specimen_refused_is_failure", OfProber::RefusedIsFailure),
        ("first-ready-is-enough", "specimen_first_ready_is_enough", OfProber::FirstReadyIsEnough),
    ];
    let of_scheduler = [
        ("closes-twice", "specimen_closes_twice", OfScheduler::ClosesTwice),
        ("closes-without-bound", "specimen_closes_without_bound", OfScheduler::ClosesWithoutBound),
        ("every-error-is-an-error", "specimen_every_error_is_an_error", OfScheduler::EveryErrorIsAnError),
        ("send-counts-as-delivered", "specimen_send_counts_as_delivered", OfScheduler::SendCountsAsDelivered),
        ("stays-registered", "specimen_stays_registered", OfScheduler::StaysRegistered),
        ("node-at-submit", "specimen_node_at_submit", OfScheduler::NodeAtSubmit),
        ("timer-outlives-result", "specimen_timer_outlives_result", OfScheduler::TimerOutlivesResult),
        ("cleanup-by-id", "specimen_cleanup_by_id", OfScheduler::CleanupById),
        ("seen-before-processed", "specimen_seen_before_processed", OfScheduler::SeenBeforeProcessed),
        ("unregisters-late", "specimen_unregisters_late", OfScheduler::UnregistersLate),
        ("trusts-its-input", "specimen_trusts_its_input", OfScheduler::TrustsItsInput),
        ("exits-with-a-failed-accept", "specimen_exits_with_a_failed_accept", OfScheduler::ExitsWithAFailedAccept),
        ("no-error-is-logged", "specimen_no_error_is_logged", OfScheduler::NoErrorIsLogged),
        ("takes-any-token", "specimen_takes_any_token", OfScheduler::TakesAnyToken),
        ("takes-any-epoch", "specimen_takes_any_epoch", OfScheduler::TakesAnyEpoch),
        ("keeps-the-first-owner", "specimen_keeps_the_first_owner", OfScheduler::KeepsTheFirstOwner),
    ];
    let of_client = [
        ("wrong-flag", "specimen_wrong_flag", OfClient::WrongFlag),
        ("counter-reset-at-open", "specimen_counter_reset_at_open", OfClient::CounterResetAtOpen),
        ("no-hello-timeout", "specimen_no_hello_timeout", OfClient::NoHelloTimeout),
        ("never-pings", "specimen_never_pings", OfClient::NeverPings),
        ("longest-pause-first", "specimen_longest_pause_first", OfClient::LongestPauseFirst),
        ("every-end-is-normal", "specimen_every_end_is_normal", OfClient::EveryEndIsNormal),
        ("submits-once", "specimen_submits_once", OfClient::SubmitsOnce),
        ("takes-a-result-twice", "specimen_takes_a_result_twice", OfClient::TakesAResultTwice),
        ("accepts-gaps", "specimen_accepts_gaps", OfClient::AcceptsGaps),
        ("returns-after-a-takeover", "specimen_returns_after_a_takeover", OfClient::ReturnsAfterATakeover),
        ("shows-a-refused-token", "specimen_shows_a_refused_token", OfClient::ShowsARefusedToken),
        ("sends-the-blamed-again", "specimen_sends_the_blamed_again", OfClient::SendsTheBlamedAgain),
    ];
    let of_gateway = [
        ("exits-with-its-client", "specimen_exits_with_its_client", OfGateway::ExitsWithItsClient),
        ("exits-with-its-upstream", "specimen_exits_with_its_upstream", OfGateway::ExitsWithItsUpstream),
        ("quiet-truncation", "specimen_quiet_truncation", OfGateway::QuietTruncation),
        ("secret-in-errors", "specimen_secret_in_errors", OfGateway::SecretInErrors),
        ("panics-in-its-handler", "specimen_panics_in_its_handler", OfGateway::PanicsInItsHandler),
        ("id-with-heartbeats", "specimen_id_with_heartbeats", OfGateway::IdWithHeartbeats),
        ("drains-without-bound", "specimen_drains_without_bound", OfGateway::DrainsWithoutBound),
        ("a-read-is-an-event", "specimen_a_read_is_an_event", OfGateway::AReadIsAnEvent),
        ("every-leaving-is-an-error", "specimen_every_leaving_is_an_error", OfGateway::EveryLeavingIsAnError),
        ("silence-by-wall-clock", "specimen_silence_by_wall_clock", OfGateway::SilenceByWallClock),
        ("streams-on", "specimen_streams_on", OfGateway::StreamsOn),
        (
            "gateway-exits-with-a-failed-accept",
            "specimen_gateway_exits_with_a_failed_accept",
            OfGateway::ExitsWithAFailedAccept,
        ),
    ];
    for (name, run, defect) in of_prober {
        catalogue = catalogue.actor(run, move |cx| prober::play(cx, defect)).specimen(name, "core", run);
    }
    for (name, run, defect) in of_scheduler {
        catalogue = catalogue.host(run, move |cx| scheduler::run(cx, defect)).specimen(name, "scheduler", run);
    }
    for (name, run, defect) in of_client {
        catalogue = catalogue.actor(run, move |cx| client::play(cx, defect)).specimen(name, "alice", run);
    }
    for (name, run, defect) in of_gateway {
        catalogue = catalogue.host(run, move |cx| gateway::run(cx, defect)).specimen(name, "gateway", run);
    }
    let slow = "specimen_slow_listeners_miss_lines";
    catalogue.host(slow, room::run).specimen("slow-listeners-miss-lines", "room", slow)
}
