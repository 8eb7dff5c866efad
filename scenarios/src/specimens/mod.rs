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

use halfopen::Catalogue;

use client::Defect as OfClient;
use gateway::Defect as OfGateway;
use prober::Defect as OfProber;
use scheduler::Defect as OfScheduler;

/// Adds every specimen to a catalogue, by the name that scenarios run it by.
pub(crate) fn with_specimens(mut catalogue: Catalogue) -> Catalogue {
    let of_prober = [
        ("specimen_body_unread", OfProber::BodyUnread),
        ("specimen_error_level_noise", OfProber::ErrorLevelNoise),
        ("specimen_refused_is_failure", OfProber::RefusedIsFailure),
    ];
    let of_scheduler = [
        ("specimen_closes_twice", OfScheduler::ClosesTwice),
        ("specimen_closes_without_bound", OfScheduler::ClosesWithoutBound),
        ("specimen_every_error_is_an_error", OfScheduler::EveryErrorIsAnError),
        ("specimen_send_counts_as_delivered", OfScheduler::SendCountsAsDelivered),
        ("specimen_stays_registered", OfScheduler::StaysRegistered),
        ("specimen_node_at_submit", OfScheduler::NodeAtSubmit),
        ("specimen_timer_outlives_result", OfScheduler::TimerOutlivesResult),
        ("specimen_cleanup_by_id", OfScheduler::CleanupById),
        ("specimen_seen_before_processed", OfScheduler::SeenBeforeProcessed),
    ];
    let of_client = [
        ("specimen_wrong_flag", OfClient::WrongFlag),
        ("specimen_counter_reset_at_open", OfClient::CounterResetAtOpen),
        ("specimen_no_hello_timeout", OfClient::NoHelloTimeout),
        ("specimen_never_pings", OfClient::NeverPings),
        ("specimen_longest_pause_first", OfClient::LongestPauseFirst),
        ("specimen_every_end_is_normal", OfClient::EveryEndIsNormal),
    ];
    let of_gateway = [
        ("specimen_exits_with_its_client", OfGateway::ExitsWithItsClient),
        ("specimen_exits_with_its_upstream", OfGateway::ExitsWithItsUpstream),
        ("specimen_quiet_truncation", OfGateway::QuietTruncation),
        ("specimen_secret_in_errors", OfGateway::SecretInErrors),
        ("specimen_id_with_heartbeats", OfGateway::IdWithHeartbeats),
        ("specimen_drains_without_bound", OfGateway::DrainsWithoutBound),
    ];
    for (name, defect) in of_prober {
        catalogue = catalogue.actor(name, move |cx| prober::play(cx, defect));
    }
    for (name, defect) in of_scheduler {
        catalogue = catalogue.host(name, move |cx| scheduler::run(cx, defect));
    }
    for (name, defect) in of_client {
        catalogue = catalogue.actor(name, move |cx| client::play(cx, defect));
    }
    for (name, defect) in of_gateway {
        catalogue = catalogue.host(name, move |cx| gateway::run(cx, defect));
    }
    catalogue.host("specimen_slow_listeners_miss_lines", room::run)
}
