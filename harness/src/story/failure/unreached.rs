//! Ports that hosts tried and on which no process ever listened: a wrong address or port looks like a lost message.

use super::lines::wrapped;
use crate::check::Evidence;
use crate::trace::Unreached;

/// One sentence for each, under a heading; nothing when every port that was tried had a listener.
pub(super) fn told(evidence: &Evidence) -> String {
    let unreached = &evidence.last.unreached;
    if unreached.is_empty() {
        return String::new();
    }
    let sentences = unreached.iter().map(|port| wrapped("  ", "    ", &sentence(port)));
    ["never reached\n".to_owned()].into_iter().chain(sentences).collect()
}

fn sentence(tried: &Unreached) -> String {
    let Unreached { host, server, port, times, listens, is_loopback } = tried;
    let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
    let ports: Vec<_> = listens.iter().map(u16::to_string).collect();
    let instead = match (is_loopback, ports.as_slice()) {
        (true, _) => {
            format!("{server} listens there on its loopback address only: let it listen on 0.0.0.0:{port}")
        }
        (false, []) => format!("{server} listened on no port in this run"),
        (false, [only]) => format!("{server} listens on {only} only"),
        (false, several) => format!("{server} listens on {}", several.join(", ")),
    };
    format!("{host} tried {server}:{port} {times}: {instead}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trace_builder::TraceBuilder;

    #[test]
    fn a_port_without_a_listener_is_told_with_what_there_is_instead() {
        let of = |listens: &[u16], is_loopback| {
            let mut builder = TraceBuilder::new();
            builder.last.unreached.push(Unreached {
                host: "node".into(),
                server: "scheduler".into(),
                port: 5011,
                times: 49,
                listens: listens.to_vec(),
                is_loopback,
            });
            told(&builder.evidence())
        };
        insta::assert_snapshot!([of(&[5010], false), of(&[80, 81], false), of(&[], false), of(&[], true)].concat(), @"
        never reached
          node tried scheduler:5011 49 times: scheduler listens on 5010 only
        never reached
          node tried scheduler:5011 49 times: scheduler listens on 80, 81
        never reached
          node tried scheduler:5011 49 times: scheduler listened on no port in this run
        never reached
          node tried scheduler:5011 49 times: scheduler listens there on its loopback address only: let it
            listen on 0.0.0.0:5011
        ");
        assert_eq!(told(&TraceBuilder::new().evidence()), "");
    }
}
