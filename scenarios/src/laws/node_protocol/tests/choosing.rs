//! Rests, pauses, benches and turns: what is in order, and what convicts.

use super::{CALM, assert_judged, verdict, with};

/// The job fails at 3 s, rests, and is done by its second attempt.
fn tried_again() -> String {
    let begin: String = CALM.lines().filter(|line| !line.starts_with("30")).map(|line| format!("{line}\n")).collect();
    begin
        + r#"3000 node: job done | attempt_id=att-1
3000 node#1 > {"type":"job_result","job_id":"job-1","attempt_id":"att-1","ok":false,"text":"no"}
3020 scheduler: attempt spent | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | trace_id=t-1 | reason=failed: no
3020 node#1 < {"type":"result_ack","job_id":"job-1","attempt_id":"att-1","accepted":false}
3040 node: result acknowledged | attempt_id=att-1
3420 scheduler: job assigned | session_id=s-1 | job_id=job-1 | attempt_id=att-2 | node_id=node-1 | trace_id=t-1
3420 node#1 < {"type":"job_assign","job_id":"job-1","attempt_id":"att-2","trace_id":"t-1","text":"hello","src_lang":"en","tgt_lang":"de"}
3440 node: job taken | attempt_id=att-2
3440 node#1 > {"type":"job_ack","job_id":"job-1","attempt_id":"att-2"}
4000 node: job done | attempt_id=att-2
4000 node#1 > {"type":"job_result","job_id":"job-1","attempt_id":"att-2","ok":true,"text":"[de] hello"}
4020 scheduler: job finished | job_id=job-1 | session_id=s-1 | trace_id=t-1 | outcome=result | attempt_id=att-2
4020 node#1 < {"type":"result_ack","job_id":"job-1","attempt_id":"att-2","accepted":true}
4020 alice#1 < {"type":"result","job_id":"job-1","attempt_id":"att-2","text":"[de] hello"}
4040 node: result acknowledged | attempt_id=att-2
"#
}

/// The same, but at 3 s the node cannot ask for 300 ms.
fn deferred() -> String {
    tried_again()
        .replacen(r#""ok":false,"text":"no""#, r#""ok":false,"text":"no","retry":"later","retry_after_ms":300"#, 1)
        .replacen(
            "reason=failed: no\n",
            "reason=deferred: no\n3020 scheduler: node paused | node_id=node-1 | pause_ms=350\n",
            1,
        )
        .replace("\n3420 ", "\n3370 ")
}

#[test]
fn a_job_that_rests_and_one_that_waits_for_a_paused_node_are_in_order() {
    assert_eq!(verdict(&tried_again(), 5500), "1 registrations, 2 attempts");
    assert_eq!(verdict(&deferred(), 5500), "1 registrations, 2 attempts");
}

#[test]
fn what_comes_too_soon_too_late_or_without_a_reason_convicts() {
    let mut judged = Vec::new();
    for (run, said, instead, clause) in [
        (tried_again(), "\n3420 ", "\n3200 ", "tries again too soon"),
        (tried_again(), "reason=failed: no", "reason=deferred: no", "spends an attempt without a reason"),
        (deferred(), "reason=deferred: no", "reason=failed: no", "spends an attempt without a reason"),
        (deferred(), "\n3370 ", "\n3200 ", "gives work to a node that is held back"),
        (deferred(), "pause_ms=350", "pause_ms=250", "pauses a node for another time"),
        (deferred(), "pause_ms=350", "pause_ms=1300", "pauses a node for another time"),
        (deferred(), "outcome=result | attempt_id=att-2", "outcome=REJECTED", "ends a job without a reason"),
    ] {
        let changed = run.replace(said, instead);
        assert_ne!(changed, run, "{said}");
        judged.push((instead.to_owned(), verdict(&changed, 5500), clause));
    }
    for (line, clause) in [
        (
            "2000 scheduler: node benched | node_id=node-1 | pause_ms=1000 | strikes=1",
            "benches a node without a reason",
        ),
        ("2000 scheduler: node paused | node_id=node-1 | pause_ms=1000", "pauses a node without a reason"),
        ("2000 scheduler: node trusted again | node_id=node-1", "trusts a node without a reason"),
    ] {
        judged.push((line.to_owned(), verdict(&with(line), 5500), clause));
    }
    let run = tried_again();
    let rests_on = run.split("3420 ").next().unwrap_or_default();
    judged.push(("never".to_owned(), verdict(rests_on, 3900), "lets a job wait where there is room"));
    assert_judged(&judged);
}

/// The node leaves an assignment unanswered, and is benched for it.
const DEAF: &str = r#"4020 scheduler: attempt spent | session_id=s-1 | job_id=job-1 | attempt_id=att-1 | trace_id=t-1 | reason=not acknowledged
4020 scheduler: node benched | node_id=node-1 | pause_ms=1000 | strikes=1
"#;

#[test]
fn a_node_that_leaves_an_assignment_unanswered_is_benched_for_its_time() {
    let begin: String = CALM
        .lines()
        .filter(|line| !["100 ", "1040", "30", "5080"].iter().any(|at| line.starts_with(at)))
        .map(|line| format!("{line}\n"))
        .collect();
    let run = |said: &str, instead: &str| verdict(&(begin.clone() + &DEAF.replacen(said, instead, 1)), 4100);
    assert_eq!(run("", ""), "1 registrations, 1 attempts", "a wayward node, and a scheduler that keeps the protocol");
    let without = DEAF.lines().next().unwrap_or_default();
    let silent = format!("{begin}{without}\n4021 scheduler: accepting failed");
    let judged = [
        ("another time".to_owned(), run("pause_ms=1000", "pause_ms=2000"), "benches a node for another time"),
        ("not at all".to_owned(), verdict(&silent, 4100), "does not bench a node"),
    ];
    assert_judged(&judged);
}
