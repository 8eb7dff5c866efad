//! `junit.xml`: a suite a scenario, a case a series.

use halfopen::report::{SeriesReport, SweepReport};

use super::name;
use crate::text::visible;

pub(super) fn of(sweep: &SweepReport) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let failures = sweep.series.iter().filter(|series| !series.passed).count();
    xml.push_str(&format!(
        "<testsuites name=\"halfopen\" tests=\"{}\" failures=\"{failures}\" errors=\"0\">\n",
        sweep.series.len()
    ));
    let mut scenarios: Vec<&str> = sweep.series.iter().map(|series| series.scenario.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let cases: Vec<_> = sweep.series.iter().filter(|series| series.scenario == scenario).collect();
        let failures = cases.iter().filter(|series| !series.passed).count();
        let time: f64 = cases.iter().map(|series| series.wall.as_secs_f64()).sum();
        xml.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{time:.3}\">\n",
            escaped(scenario),
            cases.len(),
        ));
        cases.iter().for_each(|series| xml.push_str(&case(series)));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(series: &SeriesReport) -> String {
    let mut xml = format!(
        "    <testcase classname=\"halfopen\" name=\"{}\" time=\"{:.3}\"",
        escaped(&name(series)),
        series.wall.as_secs_f64()
    );
    if series.passed {
        xml.push_str("/>\n");
        return xml;
    }
    let first = series.signatures.first();
    let message = first.map(|first| first.sentence.clone()).or_else(|| series.complaint.clone()).unwrap_or_default();
    let kind = first.map_or(series.verdict.as_str(), |first| first.signature.as_str());
    xml.push_str(&format!(">\n      <failure message=\"{}\" type=\"{}\">", escaped(&message), escaped(kind)));
    for one in &series.signatures {
        let page = one.page.as_deref().unwrap_or("no page of its own");
        xml.push_str(&escaped(&format!("{} (seed {}): {} [{page}]", one.signature, one.seed, one.sentence)));
        xml.push('\n');
    }
    xml.push_str("</failure>\n    </testcase>\n");
    xml
}

/// A text as XML has it: no character that XML forbids is left in it.
fn escaped(text: &str) -> String {
    let mut xml = String::new();
    for c in visible(text).chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use halfopen::report::SignatureReport;

    use super::*;

    #[test]
    fn a_series_is_a_case_and_a_broken_law_a_failure() {
        let held = SeriesReport { scenario: "calm".to_owned(), passed: true, ..SeriesReport::default() };
        let signature = SignatureReport {
            signature: "delivery: silent loss @ alice".to_owned(),
            sentence: "<m-1> & \"all\" were lost\u{0}".to_owned(),
            seed: "0x1".to_owned(),
            ..SignatureReport::default()
        };
        let broken =
            SeriesReport { scenario: "reset".to_owned(), signatures: vec![signature], ..SeriesReport::default() };
        let xml = of(&SweepReport { series: vec![held, broken] });
        assert!(xml.contains("<testsuites name=\"halfopen\" tests=\"2\" failures=\"1\" errors=\"0\">"), "{xml}");
        assert!(xml.contains("<testcase classname=\"halfopen\" name=\"calm\" time=\"0.000\"/>"), "{xml}");
        assert!(xml.contains("message=\"&lt;m-1&gt; &amp; &quot;all&quot; were lost␀\""), "{xml}");
    }
}
