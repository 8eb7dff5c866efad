//! Jobs and their results over real sockets, while connections and processes come and go.

use std::time::Duration;

use crate::fixture::{Peer, Scheduler, configured, impatient};
use halfopen_link::message::{FailureCode, FromNode, FromSession, ToNode, ToSession};
use halfopen_scheduler::node::{NodeConfig, WorkerConfig};
use halfopen_scheduler::{Config, Exit};

#[tokio::test]
async fn a_job_goes_through_a_real_node_and_is_delivered_when_it_is_acknowledged() {
    let scheduler = Scheduler::start(impatient()).await;
    let node = scheduler.node(quick_node());
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    assert_eq!(client.result().await, (1, "[de] text of job-1".to_owned(), false));
    scheduler.metric("halfopen_undelivered_outcomes 1").await;
    scheduler.metric("halfopen_results_delivered_total 0").await;
    client.ack(1).await;
    scheduler.metric("halfopen_results_delivered_total 1").await;
    scheduler.metric("halfopen_undelivered_outcomes 0").await;
    node.stopped().await;
    scheduler.metric("halfopen_connected_nodes 0").await;
    assert_eq!(scheduler.stopped().await, Exit::Drained);
}

#[tokio::test]
async fn a_node_killed_at_work_costs_an_attempt_and_not_the_job() {
    let scheduler = Scheduler::start(impatient()).await;
    let mut puppet = scheduler.puppet(1).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let (job_id, attempt_id) = puppet.assignment().await;
    puppet.send(&FromNode::JobAck { job_id, attempt_id }).await;
    puppet.reset();
    scheduler.metric("halfopen_attempts_spent_total{reason=\"node_lost\"} 1").await;
    let node = scheduler.node(quick_node());
    assert_eq!(client.result().await.0, 1);
    node.stopped().await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_result_lost_with_its_connection_is_sent_again_on_the_next() {
    let scheduler = Scheduler::start(impatient()).await;
    let node = scheduler.node(quick_node());
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    assert_eq!(client.result().await, (1, "[de] text of job-1".to_owned(), false));
    let credentials = client.credentials(0);
    client.peer.reset();
    scheduler.metric("halfopen_connected_sessions 0").await;
    let mut peer = Peer::connect(scheduler.address, "/ws/session").await;
    peer.send(&FromSession::SessionInit { client_version: String::new(), resume: Some(credentials) }).await;
    let _hello: ToSession = peer.receive().await;
    let again: ToSession = peer.receive().await;
    let redelivered = matches!(again, ToSession::Result { seq: 1, redelivered: true, .. });
    assert!(redelivered, "{again:?}");
    peer.send(&FromSession::Ack { upto_seq: 1 }).await;
    scheduler.metric("halfopen_results_delivered_total 1").await;
    node.stopped().await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_result_that_comes_while_its_session_is_away_waits_for_it() {
    let scheduler = Scheduler::start(impatient()).await;
    let mut puppet = scheduler.puppet(1).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let assignment = puppet.assignment().await;
    drop(client.peer.socket.close(None).await);
    scheduler.metric("halfopen_connected_sessions 0").await;
    puppet.answer(assignment, "hallo").await;
    let mut client = scheduler.resume(&client, 0).await;
    assert!(client.resumed);
    assert_eq!(client.result().await, (1, "hallo".to_owned(), false));
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_quick_reconnect_closes_the_old_connection_and_its_end_leaves_the_new_one_alone() {
    let scheduler = Scheduler::start(impatient()).await;
    let node = scheduler.node(quick_node());
    let mut old = scheduler.client().await;
    let mut new = scheduler.resume(&old, 0).await;
    assert!(new.resumed);
    assert_eq!(old.peer.close_code().await, 4001);
    drop(old);
    scheduler.metric("halfopen_session_connections 1").await;
    scheduler.metric("halfopen_connected_sessions 1").await;
    new.submit("job-1").await;
    assert_eq!(new.result().await.0, 1);
    node.stopped().await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_restarted_scheduler_loses_no_job_that_its_client_submits_again() {
    let scheduler = Scheduler::start(impatient()).await;
    let address = scheduler.address;
    let mut client = scheduler.client().await;
    let node = scheduler.node(NodeConfig { retry_interval: Duration::from_millis(20), ..quick_node() });
    scheduler.metric("halfopen_connected_nodes 1").await;
    client.submit("job-0").await;
    scheduler.begin_to_stop();
    assert_eq!(client.peer.close_code().await, 1012);
    scheduler.stopped().await;
    let scheduler = Scheduler::start(configured(|config| config.listen = address)).await;
    let mut client = scheduler.resume(&client, 7).await;
    assert!(!client.resumed);
    assert_eq!(client.next_seq, 1);
    client.submit("job-0").await;
    assert_eq!(client.result().await, (1, "[de] text of job-0".to_owned(), false));
    node.stopped().await;
    scheduler.stopped().await;
}

#[tokio::test]
async fn an_open_job_is_finished_and_acknowledged_before_the_end() {
    let scheduler = Scheduler::start(Config::default()).await;
    let mut puppet = scheduler.puppet(1).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let assignment = puppet.assignment().await;
    scheduler.begin_to_stop();
    puppet.answer(assignment, "hallo").await;
    assert_eq!(client.result().await, (1, "hallo".to_owned(), false));
    client.ack(1).await;
    assert_eq!(client.peer.close_code().await, 1012);
    assert_eq!(puppet.close_code().await, 1012);
    assert_eq!(scheduler.stopped().await, Exit::Drained);
}

#[tokio::test]
async fn session_close_ends_the_open_job_and_then_the_session() {
    let scheduler = Scheduler::start(impatient()).await;
    let mut puppet = scheduler.puppet(1).await;
    let mut client = scheduler.client().await;
    client.submit("job-1").await;
    let (job_id, attempt_id) = puppet.assignment().await;
    client.peer.send(&FromSession::SessionClose).await;
    let failed: ToSession = client.peer.receive().await;
    assert!(matches!(failed, ToSession::JobFailed { seq: 1, code: FailureCode::SessionClosed, .. }), "{failed:?}");
    let cancelled: ToNode = puppet.receive().await;
    assert_eq!(cancelled, ToNode::JobCancel { job_id, attempt_id });
    client.ack(1).await;
    assert_eq!(client.peer.close_code().await, 1000);
    scheduler.stopped().await;
}

#[tokio::test]
async fn a_burst_of_jobs_from_a_client_that_reads_is_no_slow_reader() {
    const JOBS: u64 = 1500;
    let scheduler = Scheduler::start(configured(|config| config.limits.queued_jobs = 2000)).await;
    let node = scheduler.node(NodeConfig { capacity: 50, ..quick_node() });
    scheduler.metric("halfopen_connected_nodes 1").await;
    let mut client = scheduler.client().await;
    for number in 0..JOBS {
        let submit = serde_json::json!({
            "type": "submit", "job_id": format!("job-{number}"), "utterance_index": number, "text": "x",
            "src_lang": "en", "tgt_lang": "de", "trace_id": "t",
        });
        client.peer.send(&submit).await;
    }
    let mut expected = 1;
    while expected <= JOBS {
        match client.peer.receive().await {
            ToSession::SubmitAck { .. } => {}
            ToSession::Result { seq, .. } => {
                assert_eq!(seq, expected, "in order and without gaps");
                expected += 1;
                client.ack(seq).await;
            }
            other => panic!("{other:?}"),
        }
    }
    scheduler.metric(&format!("halfopen_results_delivered_total {JOBS}")).await;
    node.stopped().await;
    scheduler.stopped().await;
}

fn quick_node() -> NodeConfig {
    NodeConfig { worker: WorkerConfig::Echo { work_time: Duration::from_millis(1) }, ..NodeConfig::default() }
}
