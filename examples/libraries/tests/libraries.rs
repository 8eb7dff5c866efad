//! Each library under a fault that its user survives, and under one that it does not.

use std::time::Duration;

use halfopen::builder::*;
use halfopen::{BoxError, FactKind, HostContext, Plan, Seed};
use libraries::{ledger, shop, ticker, vault};
use tokio::time::{sleep, timeout};

#[test]
fn an_order_over_reqwest_survives_a_connection_that_breaks_or_falls_silent() {
    orders("reqwest_bounded", Some(Duration::from_secs(3)))
        .fault("customer -> shop", one_of![reset(), drop(), half_open()], anywhere())
        .check();
}

/// reqwest's own bound on what is not acknowledged (TCP_USER_TIMEOUT, 30 s) is of no help where the peer's kernel acknowledges.
#[test]
fn an_order_over_reqwest_waits_for_ever_where_no_bound_was_set() {
    let test = orders("reqwest_unbounded", None).faults(
        r#"
        [[fault]]
        link = "customer -> shop"
        connection = 1
        do = "half_open"
        kind = "discard"
        when = { at = "2500ms" }
        "#,
    );
    assert_broken(&test, "delivery: silent loss @ customer");
}

fn orders(name: &str, bound: Option<Duration>) -> Test {
    halfopen::test(name)
        .host_without_shutdown("shop", |cx| shop::run(move |order| cx.received(order)))
        .script("customer", move |cx| async move {
            let customer = shop::Customer::new(bound)?;
            say(&cx, "order", async |order| Ok(customer.order(order).await?)).await
        })
        .tells("shop", &[FactKind::Received])
        .tells("customer", &[FactKind::Offered])
        .checks(ONCE)
}

#[test]
fn an_entry_in_redis_survives_a_restart_over_a_connection_that_is_made_again() {
    entries("redis_managed", true).fault("ledger", crash(ms(1_500)), at(ms(2_500))).check();
}

#[test]
fn no_entry_is_made_after_a_reset_over_a_connection_that_is_made_once() {
    let test = entries("redis_single", false).fault("clerk -> ledger", reset(), at(ms(2_500)));
    assert_broken(&test, "delivery: silent loss @ clerk");
}

fn entries(name: &str, is_managed: bool) -> Test {
    halfopen::test(name)
        .host_without_shutdown("ledger", |cx| ledger::run(move |key| cx.received(key)))
        .script("clerk", move |cx| async move {
            if is_managed {
                let mut connection = ledger::managed().await?;
                say(&cx, "entry", async |entry| Ok(ledger::enter(&mut connection, entry).await?)).await
            } else {
                let mut connection = ledger::single().await?;
                say(&cx, "entry", async |entry| Ok(ledger::enter(&mut connection, entry).await?)).await
            }
        })
        .tells("ledger", &[FactKind::Received])
        .tells("clerk", &[FactKind::Offered])
        .checks(AT_LEAST_ONCE)
}

#[test]
fn a_note_over_rustls_survives_a_reset_where_its_answer_is_waited_for() {
    notes("rustls_answered", true).fault("guest -> vault", one_of![reset(), drop()], at(ms(2_530))).check();
}

#[test]
fn a_note_over_rustls_is_lost_by_who_takes_it_for_kept_when_it_is_written() {
    let test = notes("rustls_tossed", false).fault("guest -> vault", reset(), at(ms(3_070)));
    assert_broken(&test, "delivery: silent loss @ guest");
}

fn notes(name: &str, waits: bool) -> Test {
    // One certificate for both ends; its making draws on this machine's entropy, which no record of a run shows.
    let identity = vault::Identity::new().expect("there is entropy");
    let vault = identity.clone();
    halfopen::test(name)
        .host_without_shutdown("vault", move |cx| vault::run(vault.clone(), move |note| cx.received(note)))
        .script("guest", move |cx| {
            let depositor = vault::Depositor::new(&identity);
            async move {
                let mut depositor = depositor?;
                say(&cx, "note", async |note| match waits {
                    true => Ok(depositor.leave(note).await?),
                    false => Ok(depositor.toss(note).await?),
                })
                .await
            }
        })
        .tells("vault", &[FactKind::Received])
        .tells("guest", &[FactKind::Offered])
        .checks(AT_LEAST_ONCE)
}

#[test]
fn events_survive_a_reset_since_eventsource_client_asks_for_what_is_behind_the_last() {
    events("eventsource_reset", None).fault("reader -> ticker", reset(), anywhere()).check();
}

#[test]
fn events_survive_a_silence_only_with_a_bound_on_it() {
    let fault = |test: Test| test.fault("reader -> ticker", half_open(), at(ms(4_500)));
    fault(events("eventsource_bounded", Some(Duration::from_secs(5)))).check();
    assert_broken(&fault(events("eventsource_unbounded", None)), "delivery: silent loss @ ticker");
}

fn events(name: &str, silence: Option<Duration>) -> Test {
    let ticker = |cx: HostContext| {
        (1..=ticker::EVENTS).for_each(|n| cx.offered(format!("event-{n}")));
        ticker::run()
    };
    halfopen::test(name)
        .host_without_shutdown("ticker", ticker)
        .script("reader", move |cx| async move {
            let reading = ticker::read(silence, |event| cx.received(event));
            // Who has waited for five minutes has been left without.
            timeout(Duration::from_secs(300), reading).await.unwrap_or(Ok(())).map_err(|error| error.to_string())
        })
        .tells("ticker", &[FactKind::Offered])
        .tells("reader", &[FactKind::Received])
        .checks(ONCE)
}

/// What is offered arrives once, and no loss is silent.
const ONCE: &str = "[delivery]\nlaw = 'exactly_once'\n[survival]";
/// What is offered arrives, and no loss is silent; who does not know whether it has says it again.
const AT_LEAST_ONCE: &str = "[delivery]\nlaw = 'at_least_once'\n[survival]";

/// Says three things, a second apart, as long as each is taken within two minutes.
async fn say(
    cx: &HostContext,
    what: &str,
    mut take: impl AsyncFnMut(&str) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    for n in 1..=3 {
        sleep(Duration::from_secs(1)).await;
        let name = format!("{what}-{n}");
        cx.offered(&name);
        if timeout(Duration::from_secs(120), take(&name)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The law is broken in each of sixteen runs, and each of them is the same when it is played again.
fn assert_broken(test: &Test, signature: &str) {
    let scenario = test.scenario().expect("it is in order");
    for seed in 1..=16 {
        let plan = Plan::draw(&scenario, Seed(seed));
        let play = || test.catalogue().run(&plan).expect("the harness is in order");
        let (played, again) = (play(), play());
        let broken: Vec<_> = played.violations().map(|violation| violation.signature.to_string()).collect();
        assert!(broken.iter().any(|broken| broken == signature), "seed {seed}: {broken:?}\n{}", played.story());
        assert_eq!(played.difference(&again), None);
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
