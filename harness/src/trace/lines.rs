//! A trace as a file: one JSON object a line, so that `grep`, `jq` and a diff work on it.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::{Record, Trace};

/// The format in which traces are written. Format 1 had no line that says so, and no times of arrival.
const FORMAT: u32 = 2;

/// The first line of a trace's file.
#[derive(Serialize, Deserialize)]
struct Head {
    trace_format: u32,
}

impl Trace {
    /// Writes a line that names the format, and one line of JSON per record. The same records give the same bytes.
    ///
    /// # Errors
    ///
    /// When the writer fails.
    pub fn write_lines(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, &Head { trace_format: FORMAT })?;
        out.write_all(b"\n")?;
        for record in &self.records {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads what [`Trace::write_lines`] of this or an earlier version wrote. Empty lines are skipped.
    ///
    /// # Errors
    ///
    /// When the reader fails, the format is a later one, or a line is no record; the error names the line.
    pub fn read_lines(input: impl BufRead) -> Result<Self, TraceError> {
        let mut records = Vec::new();
        for (above, line) in input.lines().enumerate() {
            let line = line.map_err(TraceError::Read)?;
            if line.trim().is_empty() {
                continue;
            }
            if records.is_empty()
                && let Ok(Head { trace_format }) = serde_json::from_str(&line)
            {
                if trace_format > FORMAT {
                    return Err(TraceError::Format { format: trace_format });
                }
                continue;
            }
            let record: Record =
                serde_json::from_str(&line).map_err(|source| TraceError::Record { line: above + 1, source })?;
            records.push(record);
        }
        Ok(Self { records })
    }
}

/// Why a trace's file was not read: "failed to ...".
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The reader failed.
    #[error("read the trace")]
    Read(#[source] io::Error),
    /// A later version of halfopen wrote it.
    #[error("read a trace of format {format}: halfopen {} reads formats 1 to {FORMAT}", env!("CARGO_PKG_VERSION"))]
    Format {
        /// What its first line says.
        format: u32,
    },
    /// A line is no record.
    #[error("understand line {line} of the trace")]
    Record {
        /// A number that counts from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fact::{Fact, FactKind};
    use crate::name::{ConnectionId, Incarnation, Link};
    use crate::trace::{ConnectionEvent, Level, LogEvent, RecordKind};

    #[test]
    fn what_is_written_is_read_back() {
        let trace = sample();
        let mut file = Vec::new();
        trace.write_lines(&mut file).expect("a Vec takes everything");
        assert_eq!(Trace::read_lines(file.as_slice()).expect("own lines are readable"), trace);
    }

    #[test]
    fn a_line_holds_whole_nanoseconds_and_the_words_of_the_record() {
        let mut file = Vec::new();
        sample().write_lines(&mut file).expect("a Vec takes everything");
        let text = String::from_utf8(file).expect("JSON is UTF-8");
        assert_eq!(text.lines().next(), Some(r#"{"trace_format":2}"#), "the first line names the format");
        assert_eq!(
            text.lines().nth(1),
            Some(
                r#"{"at_ns":1500000001,"incarnation":0,"what":{"connection":{"id":{"link":{"client":"alice","server":"chat"},"nth":2},"event":"established"}}}"#
            )
        );
    }

    #[test]
    fn a_file_of_the_first_format_is_read_and_one_of_a_later_format_is_refused() {
        let unit = r#"{"at_ns":5,"incarnation":0,"what":{"unit":{"connection":{"link":{"client":"a","server":"b"},"nth":1},"direction":"to_server","unit":{"http_chunk":{"bytes":3}}}}}"#;
        let old = Trace::read_lines(unit.as_bytes()).expect("the first format");
        assert!(matches!(old.records[0].what, RecordKind::Unit { arrived: None, .. }), "it said nothing of arrivals");
        let new = format!("{{\"trace_format\":2}}\n{}", unit.replace("}}}}}", "}},\"arrived_ns\":7}}}"));
        let new = Trace::read_lines(new.as_bytes()).expect("this format");
        let at = Duration::from_nanos(7);
        assert!(matches!(new.records[0].what, RecordKind::Unit { arrived: Some(arrived), .. } if arrived == at));
        let error = Trace::read_lines("{\"trace_format\":3}".as_bytes()).expect_err("a later format");
        assert_eq!(error.to_string(), "read a trace of format 3: halfopen 0.1.0 reads formats 1 to 2");
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let error = Trace::read_lines("\n{\"at_ns\":1}\n".as_bytes()).expect_err("a record says what happened");
        assert_eq!(error.to_string(), "understand line 2 of the trace");
    }

    fn sample() -> Trace {
        let link = Link { client: "alice".into(), server: "chat".into() };
        let record = |host: Option<&str>, what| Record {
            at: Duration::from_nanos(1_500_000_001),
            host: host.map(Into::into),
            incarnation: Incarnation(0),
            what,
        };
        let event = LogEvent {
            level: Level::Warn,
            target: "chat".to_owned(),
            message: "slow".to_owned(),
            fields: vec![("job_id".to_owned(), "job-1".to_owned())],
        };
        Trace {
            records: vec![
                record(
                    None,
                    RecordKind::Connection { id: ConnectionId { link, nth: 2 }, event: ConnectionEvent::Established },
                ),
                record(Some("chat"), RecordKind::Event(event)),
                record(Some("alice"), RecordKind::Fact(Fact::new(FactKind::Received, "job-1"))),
            ],
        }
    }
}
