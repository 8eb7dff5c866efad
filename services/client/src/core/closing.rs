//! What the client does after each way in which a connection can end.
//!
//! | close code | what it says | session | jobs without an outcome | log |
//! |---|---|---|---|---|
//! | 1000 | finished; the scheduler's idle close | resumed | kept | info |
//! | 1001 | the peer goes away | resumed | kept | info |
//! | 1002 | the peer found our framing broken | resumed | kept | warn |
//! | 1003 | the peer does not take such data | resumed | kept, those in flight under suspicion | warn |
//! | 1005 | a Close frame without a code | resumed | kept | warn |
//! | 1006 | no Close frame: a reset, an end of stream, silence | resumed | kept | warn |
//! | 1007 | data that contradicts its type | resumed | kept, those in flight under suspicion | warn |
//! | 1008 | a rule of the application was broken | resumed | kept, those in flight under suspicion | warn |
//! | 1009 | a message was too big | resumed | kept, those in flight under suspicion | warn |
//! | 1010, 1011 | the peer failed | resumed | kept | warn |
//! | 1012 | the service restarts | resumed; a new one if it is not known any more | kept | info |
//! | 1013 | overloaded, or we did not read | resumed | kept | info |
//! | 3000 to 3999 | a library's or framework's own code | resumed | kept | warn |
//! | 4001 | another connection owns the session | left to it, for good | `Unknown` | warn |
//! | 4003 | the token is wrong | a new one | kept, all sent again | warn |
//! | 4008 | our hello did not come in time | resumed | kept | warn |
//! | 4000 to 4999 | another code of the application | resumed | kept | warn |
//!
//! Each of them, except 4001, is followed by attempts to reconnect after 1, 2, 4, 8, 16 and then 30 s. The codes of the
//! table are the peer's. When it is the client that ends a connection (by `us`: 1007 for what is not JSON, 1008 for a
//! message out of turn) nothing is held against any job.
//!
//! A job under suspicion is sent again, by itself; in flight at a second such close, without another kind of close
//! between the two, it resolves [`Rejected`](crate::JobOutcome::Rejected). In flight means sent and not acknowledged.
//!
//! tungstenite reports a code that must not travel (0 to 999, 1004 to 1006, 1014 to 2999, 5000 and above) as 1002.

use halfopen_link::close::code;
use halfopen_link::{By, ConnectionEnd};

/// What the client does with its session and its open jobs after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAction {
    /// Asks for the session again, and sends what may not have arrived again.
    Resume,
    /// Does the same, but a message of ours is to blame: the jobs in flight are suspects.
    ResumeSuspectingInFlight,
    /// Asks for a new session, because the old one is not ours any more, and sends every job without an outcome.
    NewSession,
    /// Stops for good: the session has another owner.
    Stop,
}

/// What follows after an ending; the table of this module.
#[must_use]
pub fn close_action(ending: &ConnectionEnd) -> CloseAction {
    match (ending.by, ending.close_code) {
        (By::Peer, code::REPLACED) => CloseAction::Stop,
        (By::Peer, code::WRONG_TOKEN) => CloseAction::NewSession,
        (By::Peer, code::UNSUPPORTED | code::INVALID | code::POLICY | code::TOO_BIG) => {
            CloseAction::ResumeSuspectingInFlight
        }
        (By::Peer | By::Us | By::Network | By::Timeout, _) => CloseAction::Resume,
    }
}

/// Whether a handshake that was answered with this status may be answered otherwise the next time: a server that is overloaded or
/// behind a broken proxy (5xx), a redirection that is being changed (3xx), and what RFC 9110 (15.5.9), RFC 8470 and RFC 6585 tell a
/// client to try again (408, 425, 429). The other 4xx say that the request is wrong, and it is the same each time.
#[must_use]
pub fn may_change(status: u16) -> bool {
    !(400..500).contains(&status) || matches!(status, 408 | 425 | 429)
}

/// What a close code says, for people.
#[must_use]
pub fn meaning(close_code: u16) -> &'static str {
    match close_code {
        code::NORMAL => "normal closure",
        code::AWAY => "going away",
        code::PROTOCOL => "protocol error",
        code::UNSUPPORTED => "unsupported data",
        code::NONE_GIVEN => "no code given",
        code::ABNORMAL => "no Close frame",
        code::INVALID => "invalid data",
        code::POLICY => "policy violation",
        code::TOO_BIG => "message too big",
        1010 => "extension missing",
        code::INTERNAL => "internal error",
        code::RESTART => "service restart",
        code::TRY_LATER => "try again later",
        code::REPLACED => "session taken over by another connection",
        code::WRONG_TOKEN => "wrong token",
        code::NO_HELLO => "no hello in time",
        3000..=3999 => "a library's own code",
        4000..=4999 => "an application's own code",
        _ => "a code that must not travel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_peers_has_its_row() {
        use CloseAction::{NewSession, Resume, ResumeSuspectingInFlight as Suspect, Stop};
        let rows = [
            (1000, Resume, "normal closure"),
            (1001, Resume, "going away"),
            (1002, Resume, "protocol error"),
            (1003, Suspect, "unsupported data"),
            (1005, Resume, "no code given"),
            (1006, Resume, "no Close frame"),
            (1007, Suspect, "invalid data"),
            (1008, Suspect, "policy violation"),
            (1009, Suspect, "message too big"),
            (1010, Resume, "extension missing"),
            (1011, Resume, "internal error"),
            (1012, Resume, "service restart"),
            (1013, Resume, "try again later"),
            (3000, Resume, "a library's own code"),
            (3999, Resume, "a library's own code"),
            (4000, Resume, "an application's own code"),
            (4001, Stop, "session taken over by another connection"),
            (4003, NewSession, "wrong token"),
            (4008, Resume, "no hello in time"),
            (4999, Resume, "an application's own code"),
        ];
        for (close_code, expected, words) in rows {
            let ending = ConnectionEnd { close_code, by: By::Peer, detail: String::new() };
            assert_eq!((close_action(&ending), meaning(close_code)), (expected, words), "{close_code}");
        }
    }

    #[test]
    fn a_wrong_key_and_a_wrong_path_are_no_outage() {
        let for_good = [400, 401, 403, 404, 405, 421, 426].map(may_change);
        let for_now = [200, 302, 408, 425, 429, 500, 502, 503, 504].map(may_change);
        assert_eq!((for_good, for_now), ([false; 7], [true; 9]));
    }

    #[test]
    fn only_the_peer_can_blame_a_job_or_take_the_session_away() {
        for by in [By::Us, By::Network, By::Timeout] {
            for close_code in [1003, 1006, 1007, 1008, 1009, 4001, 4003] {
                let ending = ConnectionEnd { close_code, by, detail: String::new() };
                assert_eq!(close_action(&ending), CloseAction::Resume, "{ending}");
            }
        }
    }
}
