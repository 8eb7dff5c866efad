//! The reader of an event stream.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;

use super::super::SseReader;
use super::super::keys::filled;
use super::http::ask;
use super::{Search, hear, key};
use crate::catalogue::{BoxError, HostContext};
use crate::fact::FactKind;

pub(super) async fn play(cx: HostContext) -> Result<(), BoxError> {
    let script: SseReader = cx.config()?;
    if script.until.is_none() {
        cx.rests();
    }
    let dismissed = cx.dismissed();
    let mut reader = Reader { cx, script, streams: 0, last: None };
    tokio::select! {
        () = dismissed.cancelled() => Ok(()),
        read = reader.read_on(&dismissed) => read,
    }
}

struct Reader {
    cx: HostContext,
    script: SseReader,
    /// How many were opened.
    streams: u32,
    /// The id of the last event that had one.
    last: Option<String>,
}

impl Reader {
    /// Reads streams until one is whole, or for ever.
    async fn read_on(&mut self, dismissed: &CancellationToken) -> Result<(), BoxError> {
        let mut search = Search::new();
        loop {
            let reached = search.was_reached;
            let error = match self.one(&mut search).await {
                Ok(Ended::Whole) => return Ok(()),
                Ok(Ended::TooSoon) => BoxError::from("the stream ended"),
                Err(error) => error,
            };
            if search.was_reached {
                self.cx.fact(FactKind::Detected, self.cx.name(), &error);
            }
            if !self.script.reconnects {
                return if reached || search.was_reached { Ok(()) } else { Err(error) };
            }
            if search.was_reached && !reached {
                search.lost();
            }
            search.go_on(&self.script.url, error).await?;
            if dismissed.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Reads one stream.
    async fn one(&mut self, search: &mut Search) -> Result<Ended, BoxError> {
        let key = key(&self.cx, self.streams + 1);
        if self.script.offers() {
            self.cx.offered(&key);
        }
        let post = self.script.post.as_ref().map(|body| filled(body, &key));
        let mut exchange = ask(&self.script.url, post, self.last.as_deref()).await?;
        let status = exchange.response.status();
        if !status.is_success() {
            return Err(format!("answered with {status}").into());
        }
        if search.was_reached {
            self.cx.fact(FactKind::Recovered, self.cx.name(), "reads again");
        }
        search.found();
        self.streams += 1;
        let stream = format!("{}/{}", self.cx.name(), self.streams);
        self.cx.fact(FactKind::StreamOpened, &stream, status.as_u16());
        let mut lines = Lines::default();
        let ended = loop {
            match exchange.response.body_mut().frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    for event in lines.take(&bytes) {
                        if self.event(&stream, event, search) {
                            return Ok(Ended::Whole);
                        }
                    }
                }
                Some(Err(error)) => {
                    self.cx.fact(FactKind::StreamError, &stream, &error);
                    break Err(error.into());
                }
                None => break Ok(Ended::TooSoon),
            }
        };
        self.cx.fact(FactKind::StreamEnded, &stream, "end");
        ended
    }

    /// Tells an event, and whether it is the one that ends the stream.
    fn event(&mut self, stream: &str, event: Event, search: &mut Search) -> bool {
        if let Some(id) = event.id {
            self.last = Some(id);
        }
        if let Some(pause) = event.retry {
            search.pause = pause;
        }
        let Some(data) = event.data else { return false };
        if self.script.until.as_ref() == Some(&data) {
            self.cx.fact(FactKind::StreamTerminator, stream, &data);
            return true;
        }
        hear(&self.cx, &data, true);
        self.cx.fact(FactKind::StreamEvent, stream, &data);
        false
    }
}

/// How a stream ended.
enum Ended {
    /// By the event that was waited for.
    Whole,
    TooSoon,
}

/// One block of an event stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: Option<String>,
    retry: Option<Duration>,
    data: Option<String>,
}

/// Events out of bytes (the WHATWG event-stream format).
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    after_cr: bool,
    event: Event,
}

impl Lines {
    /// The events that these bytes end.
    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            let follows_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                other => self.line.push(*other),
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (event != Event::default()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.event.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.event.data = Some(value.to_owned()),
            },
            "id" => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry = value.parse().ok().map(Duration::from_millis),
            // Comments have no name, and names of events change nothing here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whatever_their_line_ends_and_however_they_are_cut() {
        let stream = b": hello\r\nid: 7\r\ndata: one\r\ndata: two\r\n\r\nretry: 20\n\ndata: [DONE]\n\n";
        let mut whole = Lines::default();
        let events = whole.take(stream);
        let mut cut = Lines::default();
        let pieces: Vec<_> = stream.iter().flat_map(|byte| cut.take(&[*byte])).collect();
        assert_eq!(events, pieces);
        assert_eq!(events[0].data.as_deref(), Some("one\ntwo"));
        assert_eq!(events[0].id.as_deref(), Some("7"));
        assert_eq!(events[1].retry, Some(Duration::from_millis(20)));
        assert_eq!(events[2].data.as_deref(), Some("[DONE]"));
    }
}
