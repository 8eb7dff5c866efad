//! The bytes of an answer, as its manner has them, piece by piece.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::manner::{Finishes, Manner};

/// Between two pieces of what a careful server would write at once.
const BETWEEN_PIECES: Duration = Duration::from_millis(1);

/// What the model reads of a request.
pub(super) struct Question {
    /// The first word of the text: the stream's name in facts.
    pub(super) key: String,
    /// What each event of the answer is called.
    pub(super) id: String,
    pub(super) stream: bool,
    text: String,
    choices: u64,
    usage: bool,
}

impl Question {
    /// Reads a request's body; `number` counts the requests of the server.
    pub(super) fn read(body: &[u8], number: usize) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let last = body["messages"].as_array().and_then(|messages| messages.last());
        let text = last.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned();
        let key = text.split_whitespace().next().unwrap_or_default().to_owned();
        Self {
            id: format!("chatcmpl-{key}-{number}"),
            stream: body["stream"].as_bool().unwrap_or(false),
            choices: body["n"].as_u64().unwrap_or(1),
            usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            key,
            text,
        }
    }

    /// The words of the answer.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive(' ')
    }
}

/// Bytes that are written at once.
pub(super) struct Piece {
    /// The pause before them.
    pub(super) after: Duration,
    pub(super) bytes: Bytes,
    /// The words of the events that begin in them.
    pub(super) words: Vec<String>,
    /// Whether the answer is whole with them.
    pub(super) ends: bool,
}

/// One event of an answer.
struct Event {
    after: Duration,
    word: Option<String>,
    name: Option<String>,
    data: String,
}

impl Event {
    fn new(after: Duration, data: String) -> Self {
        Self { after, word: None, name: None, data }
    }

    fn text(&self, number: usize, manner: &Manner) -> String {
        let mut lines = Vec::new();
        if manner.decorated {
            lines.extend([format!(": before event {number}"), String::new(), "retry: 10000".to_owned()]);
            lines.extend([format!("id: {number}"), "x-unknown: field".to_owned(), ": inside".to_owned()]);
        }
        if let Some(name) = &self.name {
            lines.push(format!("event: {name}"));
        } else if manner.decorated {
            lines.push("event: message".to_owned());
        }
        for (n, line) in self.data.split('\n').enumerate() {
            if n == 1 && manner.decorated {
                lines.push(": between two lines of data".to_owned());
            }
            lines.push(format!("data: {line}"));
        }
        lines.push(String::new());
        lines.iter().fold(String::new(), |text, line| text + line + manner.line_end.text())
    }
}

/// The whole answer, in pieces.
pub(super) fn pieces(question: &Question, manner: &Manner, word_delay: Duration) -> Vec<Piece> {
    let mut events = events(question, manner, word_delay);
    if let Some(pause) = &manner.pause
        && let Some(event) = events.get_mut(pause.before.saturating_sub(1))
    {
        event.after += pause.time;
    }
    if let Some(error) = &manner.error {
        let event = Event { name: error.name.clone(), ..Event::new(word_delay, error.data.clone()) };
        events.insert(error.before.saturating_sub(1).min(events.len()), event);
    }
    let mut pieces = Vec::new();
    let mut number = 0;
    for written in events.chunks(manner.together.max(1)) {
        let mut text = String::new();
        for event in written {
            number += 1;
            text.push_str(&event.text(number, manner));
        }
        let after = written.iter().map(|event| event.after).sum();
        let words = written.iter().filter_map(|event| event.word.clone()).collect();
        let whole = Piece { after, bytes: Bytes::from(text), words, ends: false };
        match manner.piece_bytes {
            None => pieces.push(whole),
            Some(bytes) => cut(whole, bytes.max(1), &mut pieces),
        }
    }
    if let Some(last) = pieces.last_mut() {
        last.ends = true;
    }
    if let Some(time) = manner.lingers {
        let bytes = Bytes::from_static(b": bye\n\n");
        pieces.push(Piece { after: time, bytes, words: Vec::new(), ends: true });
    }
    pieces
}

/// Cuts a piece, wherever that is.
fn cut(whole: Piece, bytes: usize, pieces: &mut Vec<Piece>) {
    let Piece { mut after, bytes: mut rest, mut words, .. } = whole;
    while !rest.is_empty() {
        let bytes = rest.split_to(bytes.min(rest.len()));
        pieces.push(Piece { after, bytes, words: std::mem::take(&mut words), ends: false });
        after = BETWEEN_PIECES;
    }
}

fn events(question: &Question, manner: &Manner, word_delay: Duration) -> Vec<Event> {
    let mut events = Vec::new();
    let choices = manner.choices.unwrap_or(question.choices);
    let padding = ".".repeat(manner.padding_bytes);
    for _ in 0..manner.repeat {
        for word in question.words() {
            let word = format!("{word}{padding}");
            for index in 0..choices {
                let delta = json!({ "content": word });
                let data = chunk(question, manner, &json!([{ "index": index, "delta": delta, "finish_reason": null }]));
                let after = if index == 0 { word_delay } else { Duration::ZERO };
                events.push(Event { word: Some(word.clone()), ..Event::new(after, data) });
            }
        }
    }
    let finished = match manner.finishes {
        Finishes::All => choices,
        Finishes::AllButLast => choices.saturating_sub(1),
        Finishes::None => 0,
    };
    for index in 0..finished {
        let end = json!([{ "index": index, "delta": {}, "finish_reason": "stop" }]);
        events.push(Event::new(Duration::ZERO, chunk(question, manner, &end)));
    }
    if question.usage && manner.usage {
        let mut last = object(question, "chat.completion.chunk", &json!([]));
        last["usage"] = usage(question);
        events.push(Event::new(Duration::ZERO, written(&last, manner)));
    }
    if manner.done {
        events.push(Event::new(Duration::ZERO, "[DONE]".to_owned()));
    }
    events
}

/// The body of an answer that does not stream.
pub(super) fn completion(question: &Question, manner: &Manner) -> String {
    let content = format!("{}{}", question.text.repeat(manner.repeat), ".".repeat(manner.padding_bytes));
    let choice = |index| json!({ "index": index, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" });
    let choices: Vec<_> = (0..question.choices).map(choice).collect();
    let mut body = object(question, "chat.completion", &json!(choices));
    body["usage"] = usage(question);
    body.to_string()
}

fn chunk(question: &Question, manner: &Manner, choices: &Value) -> String {
    let mut chunk = object(question, "chat.completion.chunk", choices);
    if manner.decorated {
        chunk["error"] = Value::Null;
    }
    written(&chunk, manner)
}

fn written(value: &Value, manner: &Manner) -> String {
    if manner.many_lines { format!("{value:#}") } else { value.to_string() }
}

fn object(question: &Question, kind: &str, choices: &Value) -> Value {
    json!({ "id": question.id, "object": kind, "created": 0, "model": "model", "choices": choices })
}

fn usage(question: &Question) -> Value {
    let words = question.words().count();
    json!({ "prompt_tokens": words, "completion_tokens": words, "total_tokens": 2 * words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manner::{ErrorEvent, LineEnd, Pause};

    #[test]
    fn an_answer_is_an_event_a_word_its_end_and_its_terminator() {
        let pieces = pieces(&question(1), &Manner::default(), Duration::from_secs(1));
        let texts: Vec<_> = pieces.iter().map(text).collect();
        assert_eq!(texts.len(), 4);
        assert!(texts[0].contains(r#""content":"one ""#) && texts[1].contains(r#""content":"two""#), "{texts:?}");
        assert!(texts[2].contains(r#""finish_reason":"stop""#), "{texts:?}");
        assert_eq!(texts[3], "data: [DONE]\n\n");
        assert_eq!(pieces.iter().map(|piece| piece.after.as_secs()).collect::<Vec<_>>(), [1, 1, 0, 0]);
        assert!(pieces.iter().map(|piece| piece.ends).eq([false, false, false, true]));
    }

    #[test]
    fn pieces_are_cut_anywhere_and_add_up_to_the_events() {
        let manner = Manner { line_end: LineEnd::CrLf, decorated: true, many_lines: true, ..Manner::default() };
        let whole: String = pieces(&question(2), &manner, Duration::ZERO).iter().map(text).collect();
        let cut = Manner { piece_bytes: Some(3), together: 2, ..manner };
        let cut = pieces(&question(2), &cut, Duration::ZERO);
        assert!(cut.iter().all(|piece| piece.bytes.len() <= 3));
        assert_eq!(cut.iter().map(text).collect::<String>(), whole);
        assert!(whole.contains("\r\ndata:   \"choices\": [\r\n"), "{whole}");
    }

    #[test]
    fn a_choice_that_does_not_finish_an_error_and_a_pause_are_where_they_should_be() {
        let manner = Manner {
            finishes: Finishes::AllButLast,
            done: false,
            pause: Some(Pause { before: 2, time: Duration::from_secs(9) }),
            error: Some(ErrorEvent { before: 3, data: "no".to_owned(), name: Some("error".to_owned()) }),
            ..Manner::default()
        };
        let pieces = pieces(&question(2), &manner, Duration::ZERO);
        let texts: Vec<_> = pieces.iter().map(text).collect();
        assert_eq!(pieces[1].after, Duration::from_secs(9));
        assert_eq!(texts[2], "event: error\ndata: no\n\n");
        assert_eq!(texts.concat().matches("\"stop\"").count(), 1);
    }

    fn question(choices: u64) -> Question {
        let body = json!({ "stream": true, "n": choices, "messages": [{ "role": "user", "content": "one two" }] });
        Question::read(body.to_string().as_bytes(), 1)
    }

    fn text(piece: &Piece) -> String {
        String::from_utf8(piece.bytes.to_vec()).expect("it was text")
    }
}
