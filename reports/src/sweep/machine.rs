//! `report.json`: what a sweep came to, for other programs. docs/reports.md describes it.

use halfopen::report::{SeriesReport, SweepReport};
use serde_json::{Value, json};

/// The format's number. A field that is added does not change it; one that is taken away or means something else does.
const FORMAT: u32 = 1;

pub(super) fn of(sweep: &SweepReport) -> String {
    let series: Vec<Value> = sweep.series.iter().map(one).collect();
    let passed = sweep.series.iter().all(|series| series.passed);
    let mut text = json!({ "format": FORMAT, "passed": passed, "series": series }).to_string();
    text.push('\n');
    text
}

fn one(series: &SeriesReport) -> Value {
    let signatures: Vec<Value> = series
        .signatures
        .iter()
        .map(|one| {
            json!({
                "signature": one.signature, "check": one.check, "sentence": one.sentence, "seed": one.seed, "page": one.page,
            })
        })
        .collect();
    let faults: Vec<Value> = series.faults.iter().map(|(leg, verb)| json!({ "on": leg, "verb": verb })).collect();
    let convictions: Vec<Value> =
        series.convictions.iter().map(|(law, seed)| json!({ "check": law, "seed": seed })).collect();
    json!({
        "scenario": series.scenario,
        "proves": series.proves,
        "defect": series.defect.as_ref().map(|defect| json!({
            "kind": defect.kind, "name": defect.name, "convicted_by": defect.convicted_by,
        })),
        "verdict": series.verdict,
        "passed": series.passed,
        "complaint": series.complaint,
        "runs": series.runs,
        "faults_fired": series.fired,
        "faults_planned": series.planned,
        "simulated_seconds": series.simulated.as_secs_f64(),
        "wall_seconds": series.wall.as_secs_f64(),
        "figures": series.figures,
        "faults": faults,
        "convictions": convictions,
        "signatures": signatures,
        "page": series.page,
    })
}
