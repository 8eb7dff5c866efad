//! The first packet that a fault kept from its receiver, as far as the trace tells of it.

use halfopen::fault::FaultIndex;
use halfopen::name::HostName;
use halfopen::trace::{FaultEvent, Record, RecordKind};

/// Verbs that keep from its receiver what they strike; others change it, or let it come later.
const LOSING: [&str; 6] = ["half_open", "cut", "drop", "truncate_clean", "partition", "freeze"];

/// Data that was sent and did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) from: HostName,
    pub(crate) to: HostName,
    /// `184 bytes lost`, and of a message that was cut `the rest lost, 184 bytes`.
    pub(crate) label: String,
}

/// What the first packet that a fault changed says, if that fault struck one connection, and the packet was lost.
pub(crate) fn of(records: &[Record], fault: FaultIndex, packet: &str) -> Option<Lost> {
    let (direction, what) = packet.split_once(' ')?;
    let bytes = what.strip_prefix("data, ")?;
    let fired = records.iter().find_map(|record| match &record.what {
        RecordKind::Fault { fault: fired, event: FaultEvent::Fired { on, verb } } if *fired == fault => {
            Some((on, verb))
        }
        _ => None,
    });
    let (on, verb) = fired?;
    if !LOSING.iter().any(|losing| verb.starts_with(losing)) {
        return None;
    }
    let (link, nth) = on.split_once('#')?;
    let (client, server) = link.split_once("->")?;
    // A fault that struck several connections does not say to which the packet belongs.
    nth.parse::<u32>().ok()?;
    let (from, to) = match direction {
        "to_server" => (client, server),
        "to_client" => (server, client),
        _ => return None,
    };
    let is_torn = verb.starts_with("cut") || verb.starts_with("truncate");
    let label = if is_torn { format!("the rest lost, {bytes}") } else { format!("{bytes} lost") };
    Some(Lost { from: from.into(), to: to.into(), label })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use halfopen::name::Incarnation;

    use super::*;

    #[test]
    fn a_fault_that_loses_data_of_one_connection_tells_whose() {
        let label = |on: &str, verb: &str, packet: &str| {
            let event = FaultEvent::Fired { on: on.to_owned(), verb: verb.to_owned() };
            let what = RecordKind::Fault { fault: FaultIndex(0), event };
            let fired = Record { at: Duration::ZERO, host: None, incarnation: Incarnation(0), what };
            of(&[fired], FaultIndex(0), packet).map(|lost| format!("{} to {}: {}", lost.from, lost.to, lost.label))
        };
        let on = "alice->chat#2";
        let told = label(on, "half_open(discard)", "to_client data, 184 bytes");
        assert_eq!(told.as_deref(), Some("chat to alice: 184 bytes lost"));
        let told = label(on, "cut(silence)", "to_server data, 5 bytes");
        assert_eq!(told.as_deref(), Some("alice to chat: the rest lost, 5 bytes"));
        assert_eq!(label(on, "delay(1s)", "to_server data, 5 bytes"), None, "it comes later");
        assert_eq!(label(on, "cut(fin)", "to_server FIN"), None, "it was made, not lost");
        assert_eq!(label("alice->chat#1, alice->chat#2", "drop", "to_server data, 5 bytes"), None, "whose is not said");
    }
}
