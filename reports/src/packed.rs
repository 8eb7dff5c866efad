//! The records inside a page: lines of JSON, deflated, in base64, for the script of the page to unpack.

use data_encoding::BASE64;
use halfopen::trace::Record;
use serde_json::{Value, json};

use crate::run::Run;
use crate::text::clipped;

/// As much of a text as a page carries, in characters; the trace beside it has the rest.
const LONGEST_TEXT: usize = 4096;

/// How closely data is packed, of 10: above it pages get no smaller.
const LEVEL: u8 = 9;

/// The packed form of a head (what the buttons of the page give away) and all records.
pub(crate) fn packed(run: &mut Run<'_>, head: &Value) -> String {
    let mut lines = head.to_string();
    for index in 0..run.records.len() {
        let said = run.in_full(index);
        let record = &run.records[index];
        let line = json!([
            u64::try_from(record.at.as_nanos()).unwrap_or(u64::MAX),
            said.who,
            run.kind_word(index),
            said.text,
            shortened(record)
        ]);
        lines.push('\n');
        lines.push_str(&line.to_string());
    }
    BASE64.encode(&miniz_oxide::deflate::compress_to_vec(lines.as_bytes(), LEVEL))
}

/// A record as the trace has it, its longest texts cut.
fn shortened(record: &Record) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or(Value::Null);
    shorten(&mut value);
    value
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => {
            *text = format!("{} ({} bytes in all)", clipped(text, LONGEST_TEXT), text.len());
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
