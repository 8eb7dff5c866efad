use super::*;
use crate::check::trace_builder::TraceBuilder;
use crate::fact::Fact;
use crate::fact::FactKind::{Accepted, ClaimedFailed, Offered, Received, Refused};

#[test]
fn each_message_received_once_is_exactly_once() {
    let run = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1010, "chat", Received, "m-1");
    assert_eq!(run.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 1 of 1");
}

#[test]
fn a_message_that_vanishes_without_a_word_is_convicted() {
    let run = TraceBuilder::new()
        .fact(1000, "alice", Offered, "m-1")
        .fact(1010, "chat", Received, "m-1")
        .fact(2000, "alice", Offered, "m-2")
        .fact(2010, "chat", Accepted, "m-2")
        .pending("alice", "received m-2");
    insta::assert_snapshot!(run.failure(&law(DeliveryLaw::ExactlyOnce)));
}

#[test]
fn a_message_received_twice_breaks_exactly_once_and_keeps_at_least_once() {
    let run = TraceBuilder::new()
        .fact(1000, "alice", Offered, "m-1")
        .fact(1010, "chat", Received, "m-1")
        .fact(3000, "chat", Received, "m-1");
    insta::assert_snapshot!(run.failure(&law(DeliveryLaw::ExactlyOnce)));
    assert_eq!(run.held(&law(DeliveryLaw::AtLeastOnce)), "delivered 1 of 1");
}

#[test]
fn a_loss_that_is_told_keeps_at_most_once_and_breaks_at_least_once() {
    let run = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(2000, "alice", ClaimedFailed, "m-1");
    assert_eq!(run.held(&law(DeliveryLaw::AtMostOnce)), "delivered 0 of 1, 1 lost with a reason");
    assert_eq!(run.broken(&law(DeliveryLaw::AtLeastOnce)), "delivery: lost @ alice");
}

#[test]
fn a_refused_message_is_not_lost() {
    let run = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1000, "alice", Refused, "m-1");
    assert_eq!(run.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 0 of 1, 1 refused");
}

#[test]
fn a_message_that_overtakes_another_is_out_of_order() {
    let run = TraceBuilder::new()
        .fact(1000, "alice", Offered, "m-1")
        .fact(1100, "alice", Offered, "m-2")
        .fact(1200, "chat", Received, "m-2")
        .fact(1300, "chat", Received, "m-1");
    let ordered = Delivery { order: true, ..law(DeliveryLaw::ExactlyOnce) };
    assert_eq!(run.broken(&ordered), "delivery: out of order @ chat");
    let of = |sender: &str| Delivery { order_of: vec![sender.into()], ..law(DeliveryLaw::ExactlyOnce) };
    assert_eq!(run.broken(&of("alice")), "delivery: out of order @ chat");
    assert_eq!(run.held(&of("bob")), run.held(&law(DeliveryLaw::ExactlyOnce)));
    assert_eq!(run.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 2 of 2");
}

#[test]
fn a_message_from_nowhere_is_convicted() {
    let run = TraceBuilder::new().fact(1000, "chat", Received, "m-1");
    assert_eq!(run.broken(&law(DeliveryLaw::AtLeastOnce)), "delivery: never offered @ chat");
}

#[test]
fn a_key_that_two_senders_use_needs_receipts_that_name_the_sender() {
    let both = || TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1000, "carol", Offered, "m-1");
    let unnamed = both().fact(2000, "bob", Received, "m-1");
    insta::assert_snapshot!(unnamed.failure(&law(DeliveryLaw::ExactlyOnce)));
    let one = both().told(2000, "bob", Fact::new(Received, "m-1").from("alice"));
    assert_eq!(one.broken(&law(DeliveryLaw::ExactlyOnce)), "delivery: silent loss @ carol");
    let two = one.told(2100, "bob", Fact::new(Received, "m-1").from("carol"));
    assert_eq!(two.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 2 of 2");
    let again = two.told(2200, "bob", Fact::new(Received, "m-1").from("carol"));
    assert_eq!(again.broken(&law(DeliveryLaw::ExactlyOnce)), "delivery: received twice @ bob");
    let stranger = both().told(2000, "bob", Fact::new(Received, "m-1").from("mallory"));
    assert_eq!(stranger.broken(&law(DeliveryLaw::AtLeastOnce)), "delivery: silent loss @ alice");
    let told = both().fact(2000, "alice", ClaimedFailed, "m-1").fact(2000, "carol", ClaimedFailed, "m-1");
    assert_eq!(told.held(&law(DeliveryLaw::AtMostOnce)), "delivered 0 of 2, 2 lost with a reason");
    let other = both().fact(2000, "alice", ClaimedFailed, "m-1");
    assert_eq!(other.broken(&law(DeliveryLaw::AtMostOnce)), "delivery: silent loss @ carol");
}

#[test]
fn what_reaches_somebody_else_than_its_addressee_is_convicted() {
    let offer = |to: &str| TraceBuilder::new().told(1000, "alice", Fact::new(Offered, "m-1").to(to));
    let astray = offer("bob").fact(2000, "carol", Received, "m-1");
    insta::assert_snapshot!(astray.failure(&law(DeliveryLaw::ExactlyOnce)));
    assert_eq!(
        offer("carol").fact(2000, "carol", Received, "m-1").held(&law(DeliveryLaw::ExactlyOnce)),
        "delivered 1 of 1"
    );
    let observed = offer("bob").told(2000, "chat", Fact::new(Received, "m-1").to("bob"));
    assert_eq!(observed.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 1 of 1");
    let also = offer("bob").fact(2000, "bob", Received, "m-1").fact(2000, "carol", Received, "m-1");
    assert_eq!(also.broken(&law(DeliveryLaw::AtLeastOnce)), "delivery: wrong receiver @ carol");
    let group = offer("bob").told(1000, "alice", Fact::new(Offered, "m-1").to("carol"));
    let half = group.fact(2000, "bob", Received, "m-1");
    assert_eq!(half.broken(&law(DeliveryLaw::ExactlyOnce)), "delivery: silent loss @ alice");
    assert_eq!(half.fact(2000, "carol", Received, "m-1").held(&law(DeliveryLaw::ExactlyOnce)), "delivered 2 of 2");
}

#[test]
fn a_refusal_contradicts_an_acceptance_and_a_receipt_unless_it_was_offered_again() {
    let refused = || TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1500, "alice", Refused, "m-1");
    let received = refused().fact(3000, "bob", Received, "m-1");
    insta::assert_snapshot!(received.failure(&law(DeliveryLaw::ExactlyOnce)));
    let before = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1200, "bob", Received, "m-1");
    let before = before.fact(1500, "alice", Refused, "m-1");
    assert_eq!(before.broken(&law(DeliveryLaw::AtLeastOnce)), "delivery: received, though refused @ alice, bob");
    let accepted = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(1200, "chat", Accepted, "m-1");
    let accepted = accepted.fact(1500, "alice", Refused, "m-1");
    assert_eq!(accepted.broken(&law(DeliveryLaw::ExactlyOnce)), "delivery: refused, though accepted @ chat, alice");
    let again = refused().fact(2000, "alice", Offered, "m-1").fact(2100, "chat", Accepted, "m-1");
    assert_eq!(again.broken(&law(DeliveryLaw::ExactlyOnce)), "delivery: silent loss @ alice");
    assert_eq!(again.fact(3000, "bob", Received, "m-1").held(&law(DeliveryLaw::ExactlyOnce)), "delivered 1 of 1");
    let told_twice = refused().fact(1500, "chat", Refused, "m-1").fact(2000, "alice", Offered, "m-1");
    assert_eq!(told_twice.fact(3000, "bob", Received, "m-1").held(&law(DeliveryLaw::ExactlyOnce)), "delivered 1 of 1");
}

#[test]
fn what_is_received_before_it_is_offered_is_convicted() {
    let run = TraceBuilder::new().fact(2000, "bob", Received, "m-1").fact(2001, "alice", Offered, "m-1");
    insta::assert_snapshot!(run.failure(&law(DeliveryLaw::AtLeastOnce)));
    let instant = TraceBuilder::new().fact(2000, "bob", Received, "m-1").fact(2000, "alice", Offered, "m-1");
    assert_eq!(instant.held(&law(DeliveryLaw::ExactlyOnce)), "delivered 1 of 1");
}

#[test]
fn a_failure_that_was_told_before_the_last_offer_tells_nothing_of_it() {
    let early = TraceBuilder::new().fact(500, "alice", ClaimedFailed, "m-1").fact(1000, "alice", Offered, "m-1");
    assert_eq!(early.broken(&law(DeliveryLaw::AtMostOnce)), "delivery: silent loss @ alice");
    let late = early.fact(2000, "alice", ClaimedFailed, "m-1");
    assert_eq!(late.held(&law(DeliveryLaw::AtMostOnce)), "delivered 0 of 1, 1 lost with a reason");
    let again = late.fact(3000, "alice", Offered, "m-1");
    assert_eq!(again.broken(&law(DeliveryLaw::AtMostOnce)), "delivery: silent loss @ alice");
}

#[test]
fn a_run_in_which_nothing_is_offered_says_nothing_unless_its_source_may_be_silent() {
    insta::assert_snapshot!(TraceBuilder::new().failure(&law(DeliveryLaw::ExactlyOnce)));
    assert_eq!(TraceBuilder::new().optional(Offered).held(&law(DeliveryLaw::ExactlyOnce)), "delivered 0 of 0");
    let nameless = TraceBuilder::new().fact(1000, "alice", Offered, "").fact(2000, "bob", Received, "");
    assert_eq!(nameless.broken(&law(DeliveryLaw::ExactlyOnce)), "delivery: no key @ alice");
}

#[test]
fn what_arrives_after_the_bound_is_convicted() {
    let bound = Delivery { within: Some(Duration::from_secs(5)), ..law(DeliveryLaw::ExactlyOnce) };
    let at = |ms| TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(ms, "bob", Received, "m-1");
    assert_eq!(at(6000).held(&bound), "delivered 1 of 1");
    insta::assert_snapshot!(at(6001).failure(&bound));
    assert_eq!(at(600_000).held(&law(DeliveryLaw::ExactlyOnce)), "delivered 1 of 1");
    let repeated = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(5000, "alice", Offered, "m-1");
    assert_eq!(repeated.fact(7000, "bob", Received, "m-1").broken(&bound), "delivery: late @ bob");
    let refused = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").fact(2000, "alice", Refused, "m-1");
    let anew = refused.fact(5000, "alice", Offered, "m-1").fact(7000, "bob", Received, "m-1");
    assert_eq!(anew.held(&bound), "delivered 1 of 1");
}

#[test]
fn an_allowed_loss_needs_its_reason_in_the_trace_and_is_counted() {
    let one_death = Delivery {
        allowed_losses: vec![AllowedLoss { reason: LossReason::HostDied, host: Some("chat".into()), at_most: Some(1) }],
        ..law(DeliveryLaw::ExactlyOnce)
    };
    let one = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").crashed(1500, "chat");
    assert_eq!(one.held(&one_death), "delivered 0 of 1, 1 lost with a reason");
    let other_host = TraceBuilder::new().fact(1000, "alice", Offered, "m-1").crashed(1500, "bob");
    assert_eq!(other_host.broken(&one_death), "delivery: silent loss @ alice");
    let two = TraceBuilder::new()
        .fact(1000, "alice", Offered, "m-1")
        .fact(1000, "alice", Offered, "m-2")
        .crashed(1500, "chat");
    assert_eq!(two.broken(&one_death), "delivery: silent loss @ alice");
}

fn law(law: DeliveryLaw) -> Delivery {
    Delivery::of(law)
}
