//! `truncate_clean`: ends a chunked body with a valid terminal chunk.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::fault::{ConnectionVerb, Keep, Key, OnConnection, Trigger, Verb};
use crate::name::Direction;
use crate::plane::{Open, Struck};

/// Ends a chunked body with a valid terminal chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruncateClean;

impl Verb for TruncateClean {
    type Place = OnConnection;
    const WORD: &'static str = "truncate_clean";
    const DOES: &'static str = "ends a chunked body with a valid terminal chunk";
    const KEYS: &'static [Key] = &[];

    fn arguments(&self) -> Vec<String> {
        Vec::new()
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        let sentence = match trigger {
            Trigger::Connect => "`truncate_clean` ends a body, and at `connect` there is none",
            Trigger::Message { .. } | Trigger::Frame { .. } => {
                "`truncate_clean` ends a chunked body, and WebSocket has none"
            }
            Trigger::Bytes { direction: Direction::ToServer, .. }
            | Trigger::Chunk { direction: Direction::ToServer, .. }
            | Trigger::Line { direction: Direction::ToServer, .. }
            | Trigger::HttpHead { direction: Direction::ToServer, .. } => {
                "`truncate_clean` ends the body of a response: it takes `to_client`"
            }
            Trigger::At(_)
            | Trigger::Event { .. }
            | Trigger::Idle(_)
            | Trigger::SseEvent { .. }
            | Trigger::Chunk { direction: Direction::ToClient, .. }
            | Trigger::Line { direction: Direction::ToClient, .. }
            | Trigger::Bytes { direction: Direction::ToClient, .. }
            | Trigger::HttpHead { direction: Direction::ToClient, .. } => return None,
        };
        Some(sentence.to_owned())
    }
}

impl ConnectionVerb for TruncateClean {
    fn strike(&self, struck: &mut Struck<'_>) {
        struck.end_body(Bytes::new());
    }

    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        open.body_obstacle()
    }

    fn keeps(&self) -> Keep {
        Keep::ChunkSize
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'truncate_clean'", "truncate_clean");
    }
}
