//! `close`: a legal Close frame at a frame boundary, then FIN.

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::fault::{ConnectionVerb, Ends, Holds, Key, Mistake, OnConnection, Trigger, Verb, refusal, to_word};
use crate::plane::{Open, Struck};

/// RFC 6455, 5.5: a control frame has at most 125 bytes, and the code takes two of them.
const REASON_BYTES_AT_MOST: usize = 123;

/// A legal Close frame at a frame boundary, then FIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// 1000 to 1014 or 3000 to 4999; a Close frame without a code (which its reader sees as 1005) without.
    #[serde(default)]
    pub code: Option<u16>,
    /// At most 123 bytes; empty without a code.
    #[serde(default)]
    pub reason: String,
    /// Which ends get it.
    #[serde(default)]
    pub to: Ends,
}

impl Verb for Close {
    type Place = OnConnection;
    const WORD: &'static str = "close";
    const DOES: &'static str = "a legal Close frame at a frame boundary, then FIN";
    const KEYS: &'static [Key] = &[
        Key::optional(
            "code",
            Holds::Whole { least: 1000, most: 4999 },
            "an empty Close frame, which its reader sees as 1005",
            "the close code: 1000 to 1003, 1007 to 1014 or 3000 to 4999",
        ),
        Key::or("reason", Holds::Text, "\"\"", "the reason behind the code, at most 123 bytes"),
        Key::TO,
    ];

    fn arguments(&self) -> Vec<String> {
        let reason = (!self.reason.is_empty()).then(|| format!("{:?}", self.reason));
        let code = self.code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
        [Some(code), reason, self.to.told_only()].into_iter().flatten().collect()
    }

    fn mistake(&self) -> Option<Mistake> {
        let Some(code) = self.code else {
            let sentence = "a reason stands behind a code: a Close frame without a `code` has none";
            return (!self.reason.is_empty()).then(|| Mistake::new("reason", sentence));
        };
        // RFC 6455, 7.4: 1004 is reserved, 1005 and 1006 never travel, below 1000 and from 1015 to 2999 nothing is assigned
        // that may.
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            let legal = "1000 to 1003, 1007 to 1014 and 3000 to 4999";
            let mut sentence = format!("{code} is no close code that may travel; legal are {legal}");
            if code == 1005 {
                sentence.push_str(", and a frame that is read as 1005 has no `code` at all");
            }
            return Some(Mistake::new("code", sentence));
        }
        let length = self.reason.len();
        (length > REASON_BYTES_AT_MOST).then(|| {
            let sentence = format!("a close reason has at most {REASON_BYTES_AT_MOST} bytes, and this has {length}");
            Mistake::new("reason", sentence)
        })
    }

    fn refuses(&self, trigger: &Trigger) -> Option<String> {
        refusal::unless_frames(Self::WORD, trigger)
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        // Without a code there is no reason either.
        let code = |code: u16| [("code", Value::Integer(code.into())), ("reason", Value::String(self.reason.clone()))];
        let to = ("to", Value::String(to_word(&self.to)));
        self.code.map(code).into_iter().flatten().chain([to]).collect()
    }
}

impl ConnectionVerb for Close {
    fn strike(&self, struck: &mut Struck<'_>) {
        struck.close(self.to, self.code, &self.reason);
    }

    fn obstacle(&self, open: &Open<'_>) -> Option<&'static str> {
        (!open.is_websocket()).then_some("the connection is not a WebSocket")
    }

    fn takes_service_away(&self) -> bool {
        true
    }

    fn is_final(&self) -> bool {
        true
    }

    fn silences(&self) -> bool {
        self.to != Ends::Both
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::tests::told;

    #[test]
    fn it_reads_as_it_is_told() {
        told("do = 'close'\ncode = 1000\nreason = 'idle'", r#"close(1000, "idle")"#);
    }

    #[test]
    fn a_frame_without_a_code_has_no_reason() {
        told("do = 'close'\nto = 'client'", "close(no code, client only)");
    }
}
