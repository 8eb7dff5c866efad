//! The bytes of an event stream (WHATWG HTML, 9.2.5), as strictly as a gateway that writes them itself can be held to.

use halfopen::check::Finding;

use super::Answer;
use super::envelope::error_of;

impl Answer<'_> {
    /// The data of the events that have come whole.
    pub(super) fn datas(&self) -> impl Iterator<Item = String> {
        let (whole, _) = self.text.rsplit_once("\n\n").unwrap_or_default();
        whole.split("\n\n").filter_map(|block| {
            let lines: Vec<_> = block.split('\n').filter_map(|line| line.strip_prefix("data: ")).collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        })
    }

    /// Blocks of data or of a comment, each with its blank line; no comment behind an `id:`; errors in the envelope.
    pub(super) fn stream_is_legal(&self, to_its_end: bool) -> Result<(), Finding> {
        let broken = |clause, what: &str, text: &str| {
            let text: String = text.chars().take(80).collect();
            Err(self.finding(clause, format!("the stream of the answer to {} {what}: `{text}`.", self.key), []))
        };
        let (whole, rest) = match self.text.rsplit_once("\n\n") {
            Some((whole, rest)) => (whole, rest),
            None => ("", self.text.as_str()),
        };
        if to_its_end && !rest.is_empty() {
            return broken("partial event", "ends inside an event", rest);
        }
        let mut numbered = false;
        for block in whole.split("\n\n").filter(|_| !whole.is_empty()) {
            if block == ": heartbeat" {
                if numbered {
                    return broken(
                        "comment behind an id",
                        "has a comment behind an `id:`, on which an SDK fails",
                        block,
                    );
                }
                continue;
            }
            for line in block.split('\n') {
                if line.starts_with("id:") {
                    numbered = true;
                    continue;
                }
                if !line.starts_with("data: ") {
                    return broken("illegal line", "has a line that is neither data nor a heartbeat", line);
                }
                if line.contains('\r') {
                    return broken("illegal line", "has a line with a CR in it", line);
                }
            }
        }
        for error in self.datas().filter_map(|data| error_of(&data)) {
            self.error_is_legal(&error, None)?;
        }
        let ends = self.datas().last().is_some_and(|last| last == "[DONE]");
        if to_its_end && !ends { broken("no terminator", "does not end with [DONE]", rest) } else { Ok(()) }
    }
}
