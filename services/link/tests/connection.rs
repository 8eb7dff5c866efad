//! A connection against a peer that is played by hand, over an in-memory stream and a paused clock.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use halfopen_link::close::By;
use halfopen_link::{Connection, ConnectionEnd, Incoming, LinkConfig, Metered, SendError, connection};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

type Peer = WebSocketStream<DuplexStream>;

#[tokio::test(start_paused = true)]
async fn messages_pass_both_ways_in_order() {
    let (mut link, mut peer, _driver) = linked(LinkConfig::default()).await;
    for text in ["one", "two"] {
        link.outbox.try_send(text).expect("room");
        peer.send(Message::text(text)).await.expect("the peer sends");
    }
    for text in ["one", "two"] {
        assert_eq!(link.inbox.next().await, Incoming::Text(text.into()));
        assert_eq!(peer.next().await.expect("a message").expect("a message"), Message::text(text));
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_1000_is_noticed_at_once_and_after_every_message_before_it() {
    let (mut link, mut peer, driver) = linked(LinkConfig::default()).await;
    let started = Instant::now();
    peer.send(Message::text("last")).await.expect("the peer sends");
    peer.close(Some(goodbye(1000, "idle"))).await.expect("the peer closes");
    assert_eq!(link.inbox.next().await, Incoming::Text("last".into()));
    let ending = ended(&mut link).await;
    assert_eq!((ending.close_code, ending.by, ending.detail.as_str()), (1000, By::Peer, "idle"));
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(ended(&mut link).await, ending, "the ending stays");
    drop(peer);
    assert_eq!(driver.await.expect("the driver"), ending);
}

#[tokio::test(start_paused = true)]
async fn a_reader_can_wait_until_the_queue_is_nearly_empty_and_does_not_wait_for_a_connection_that_has_ended() {
    let (link, mut peer, driver) = linked(LinkConfig::default()).await;
    let kilobyte = "x".repeat(1024);
    for _ in 0..200 {
        link.outbox.try_send(kilobyte.as_str()).expect("room");
    }
    let second = Duration::from_secs(1);
    let waited = timeout(second, link.outbox.until_waiting_at_most(3)).await;
    assert!(waited.is_err(), "the peer reads nothing");
    let reading = async {
        for _ in 0..200 {
            peer.next().await.expect("a message").expect("a message");
        }
    };
    let (waited, ()) = tokio::join!(timeout(second, link.outbox.until_waiting_at_most(3)), reading);
    waited.expect("the peer has read");
    for _ in 0..200 {
        link.outbox.try_send(kilobyte.as_str()).expect("room");
    }
    driver.abort();
    timeout(second, link.outbox.until_waiting_at_most(3)).await.expect("the connection has ended");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_without_a_close_frame_is_1006() {
    let (mut link, peer, _driver) = linked(LinkConfig::default()).await;
    drop(peer);
    let ending = ended(&mut link).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Network));
    assert_eq!(link.outbox.try_send("late"), Err(SendError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_noticed_within_forty_seconds() {
    let (mut link, _peer, _driver) = linked(LinkConfig::default()).await;
    let started = Instant::now();
    let ending = ended(&mut link).await;
    assert_eq!((ending.close_code, ending.by), (1006, By::Timeout));
    assert_eq!(started.elapsed(), LinkConfig::default().silence_bound());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_noticed_as_soon_while_a_write_is_stuck() {
    let (mut link, _peer, _driver) = linked(LinkConfig::default()).await;
    let started = Instant::now();
    link.outbox.try_send("x".repeat(512 * 1024)).expect("room");
    assert_eq!(ended(&mut link).await.by, By::Timeout);
    assert!(started.elapsed() <= LinkConfig::default().silence_bound());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_is_never_given_up() {
    let (mut link, mut peer, _driver) = linked(LinkConfig::default()).await;
    let answering = tokio::spawn(async move { while peer.next().await.is_some() {} });
    let hour = timeout(Duration::from_secs(3600), link.inbox.next()).await;
    assert!(hour.is_err(), "{hour:?}");
    answering.abort();
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_lets_out_what_is_queued_first() {
    let (mut link, mut peer, driver) = linked(LinkConfig::default()).await;
    link.outbox.try_send("one").expect("room");
    link.outbox.try_send("two").expect("room");
    link.outbox.close(1012, "restarting");
    link.outbox.close(1000, "a second closer");
    assert_eq!(link.outbox.try_send("late"), Err(SendError::Closed));
    assert_eq!(peer.next().await.expect("a message").expect("a message"), Message::text("one"));
    assert_eq!(peer.next().await.expect("a message").expect("a message"), Message::text("two"));
    let close = peer.next().await.expect("a message").expect("a message");
    assert_eq!(close, Message::Close(Some(goodbye(1012, "restarting"))));
    while peer.next().await.is_some() {}
    assert_eq!(ended(&mut link).await, ConnectionEnd::by_us(1012, "restarting"));
    assert_eq!(driver.await.expect("the driver").close_code, 1012);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_to_a_peer_that_reads_nothing_is_over_within_the_close_timeout() {
    let config = LinkConfig::default();
    let (link, _peer, driver) = linked(config.clone()).await;
    link.outbox.try_send("x".repeat(512 * 1024)).expect("room");
    tokio::task::yield_now().await;
    let started = Instant::now();
    link.outbox.close(1000, "");
    assert_eq!(driver.await.expect("the driver").close_code, 1000);
    assert!(started.elapsed() <= config.close_timeout, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_given_up_while_bytes_move() {
    let config = LinkConfig { pong_timeout: Duration::from_secs(3600), ..LinkConfig::default() };
    let (mut link, peer, _driver) = linked(config).await;
    link.outbox.try_send("x".repeat(512 * 1024)).expect("room");
    let reading = tokio::spawn(trickle(peer, Duration::from_secs(15)));
    let quiet = timeout(Duration::from_secs(100), link.inbox.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn a_write_that_makes_no_progress_ends_the_connection() {
    let config = LinkConfig { pong_timeout: Duration::from_secs(3600), ..LinkConfig::default() };
    let (mut link, _peer, _driver) = linked(config.clone()).await;
    let started = Instant::now();
    link.outbox.try_send("x".repeat(512 * 1024)).expect("room");
    let ending = ended(&mut link).await;
    assert_eq!(ending.by, By::Timeout);
    assert!(ending.detail.contains("no write progress"), "{ending}");
    assert!(started.elapsed() <= 2 * config.write_stall);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_an_error_and_not_a_wait() {
    let config = LinkConfig { queue: 1, ..LinkConfig::default() };
    let (link, _peer, _driver) = linked(config).await;
    let big = "x".repeat(512 * 1024);
    let refused = (0..3).map(|_| link.outbox.try_send(big.clone())).collect::<Vec<_>>();
    assert_eq!(refused.last(), Some(&Err(SendError::Full)), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn bad_frames_end_the_connection_with_the_code_that_names_them() {
    let cases: [(&[u8], u16); 3] = [
        (&[0x82, 0x01, 0x00], 1003), // a binary message
        (&[0xC1, 0x01, b'x'], 1002), // a reserved bit
        (&[0x81, 0x01, 0xFF], 1007), // text that is not UTF-8
    ];
    for (bytes, close_code) in cases {
        let (mut link, mut peer, _driver) = linked(LinkConfig::default()).await;
        peer.get_mut().write_all(bytes).await.expect("the peer writes");
        let ending = ended(&mut link).await;
        assert_eq!((ending.close_code, ending.by), (close_code, By::Us));
        let Some(Ok(Message::Close(Some(told)))) = peer.next().await else { panic!("no close frame for {close_code}") };
        assert_eq!(u16::from(told.code), close_code);
    }
}

#[tokio::test(start_paused = true)]
async fn an_oversize_message_is_1009() {
    let config = LinkConfig { largest_message: 1024, ..LinkConfig::default() };
    let (mut link, mut peer, _driver) = linked(config).await;
    peer.send(Message::text("x".repeat(1025))).await.expect("the peer sends");
    assert_eq!(ended(&mut link).await.close_code, 1009);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_read_is_left_after_the_silence_bound_with_what_came_intact() {
    let config = LinkConfig { queue: 2, ..LinkConfig::default() };
    let (mut link, mut peer, driver) = linked(config).await;
    for number in 0..5 {
        peer.send(Message::text(number.to_string())).await.expect("the peer sends");
    }
    assert_eq!(driver.await.expect("the driver").close_code, 1013);
    assert_eq!(link.inbox.next().await, Incoming::Text("0".into()));
    assert_eq!(link.inbox.next().await, Incoming::Text("1".into()));
    assert_eq!(ended(&mut link).await.close_code, 1013);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_owners_side_closes_with_1001_and_ends_the_driver() {
    let (link, mut peer, driver) = linked(LinkConfig::default()).await;
    drop(link);
    let close = peer.next().await.expect("a message").expect("a message");
    assert_eq!(close, Message::Close(Some(goodbye(1001, "going away"))));
    drop(peer);
    driver.await.expect("the driver");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_dropped_leaves_an_ending_behind() {
    let (mut link, _peer, driver) = linked(LinkConfig::default()).await;
    driver.abort();
    assert_eq!(ended(&mut link).await.close_code, 1001);
}

#[tokio::test(start_paused = true)]
async fn many_closers_and_a_lost_peer_are_one_ending_within_the_close_timeout() {
    for peer_leaves in [false, true] {
        let config = LinkConfig::default();
        let (mut link, peer, driver) = linked(config.clone()).await;
        let started = Instant::now();
        let closers: Vec<_> = (0..8_u16)
            .map(|number| {
                let outbox = link.outbox.clone();
                tokio::spawn(async move { outbox.close(4000 + number, "one of many") })
            })
            .collect();
        let silent = if peer_leaves { None } else { Some(peer) };
        for closer in closers {
            closer.await.expect("no panic");
        }
        let ending = ended(&mut link).await;
        assert_eq!(driver.await.expect("the driver"), ending, "one ending, whichever asks");
        assert!(started.elapsed() <= config.close_timeout, "{:?}", started.elapsed());
        assert_eq!(link.outbox.try_send("late"), Err(SendError::Closed));
        link.outbox.close(1000, "after the end");
        assert_eq!(ended(&mut link).await, ending, "a late closer changes nothing");
        drop(silent);
    }
}

/// Lets a few bytes through every so often.
async fn trickle(mut peer: Peer, every: Duration) {
    let mut some = [0; 64];
    loop {
        tokio::time::sleep(every).await;
        if tokio::io::AsyncReadExt::read(peer.get_mut(), &mut some).await.is_err() {
            return;
        }
    }
}

async fn ended(link: &mut Connection) -> ConnectionEnd {
    loop {
        if let Incoming::Ended(ending) = link.inbox.next().await {
            return ending;
        }
    }
}

fn goodbye(close_code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code: close_code.into(), reason: reason.into() }
}

async fn linked(config: LinkConfig) -> (Connection, Peer, JoinHandle<ConnectionEnd>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let near = WebSocketStream::from_raw_socket(Metered::new(near), Role::Client, Some(config.websocket())).await;
    let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let (connection, driver) = connection::open(near, config);
    (connection, far, tokio::spawn(driver))
}
