//! What a segment of the peer does to an end.

use std::io;
use std::time::Duration;

use bytes::Bytes;

use super::endpoint::{EndState, Endpoint, Fin, TIME_WAIT};
use super::options::Options;

/// What becomes of received data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataReceived {
    /// It waits to be read.
    Taken,
    /// The connection is over for this end: it vanishes.
    Ignored,
    /// No process will read it: the answer is RST.
    Refused,
}

/// What a SYN-ACK does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SynAckReceived {
    /// The connection is open.
    Established,
    /// Nothing: the connection is open already.
    Repeated,
    /// There is no such attempt (any more): the answer is RST.
    Unwanted,
}

impl Endpoint {
    /// An end of a listening machine answers a SYN, with what its listener's sockets begin with.
    pub(crate) fn answer_syn(&mut self, options: Options, send_buffer_bytes: usize, window: usize) {
        self.options = options;
        self.send_buffer_bytes = send_buffer_bytes;
        self.window = window;
        self.state = EndState::SynReceived;
    }

    /// The peer has said how much it takes.
    pub(crate) fn open_window(&mut self, bytes: usize) {
        self.window = bytes;
    }

    pub(crate) fn receive_syn_ack(&mut self) -> SynAckReceived {
        match self.state {
            EndState::Connecting if !self.reset => {
                self.state = EndState::Established;
                SynAckReceived::Established
            }
            EndState::Established => SynAckReceived::Repeated,
            EndState::Connecting | EndState::SynReceived | EndState::Closed | EndState::Forgotten => {
                SynAckReceived::Unwanted
            }
        }
    }

    /// The third packet of the handshake. Whether the connection is open by it.
    pub(crate) fn receive_final_ack(&mut self) -> bool {
        let opens = self.state == EndState::SynReceived && !self.reset;
        if opens {
            self.state = EndState::Established;
        }
        opens
    }

    /// An answered attempt has come to nothing.
    pub(crate) fn leave_backlog(&mut self) {
        self.state = EndState::Closed;
    }

    /// To its machine, which has lost its memory, the attempt's next SYN is the first.
    pub(crate) fn forget_attempt(&mut self) {
        self.state = EndState::Connecting;
    }

    /// Data has come; the peer's window is closed for `owed` bytes of it until they are read.
    #[inline]
    pub(crate) fn receive_data(&mut self, bytes: Bytes, owed: usize) -> DataReceived {
        if self.state == EndState::Closed {
            return DataReceived::Refused;
        }
        if self.reset || self.fin_received {
            return DataReceived::Ignored;
        }
        self.received_bytes += bytes.len();
        self.surplus += bytes.len() - owed;
        self.received.push_back(bytes);
        DataReceived::Taken
    }

    /// The machine answers RST to data that no process will read. Whether it has not done so before.
    pub(crate) fn refuse_data(&mut self) -> bool {
        !std::mem::replace(&mut self.reset, true)
    }

    /// Whether the FIN is news.
    pub(crate) fn receive_fin(&mut self, now: Duration) -> bool {
        let news = !self.fin_received && !self.reset;
        if news {
            self.fin_received = true;
            self.fin_received_at = now;
            if self.fin == Fin::Sent {
                self.time_wait = Some(now + TIME_WAIT);
            }
        }
        news
    }

    /// How many unsent bytes are thrown away, if the RST is news.
    pub(crate) fn receive_rst(&mut self) -> Option<usize> {
        if self.reset {
            return None;
        }
        self.reset = true;
        // After a FIN the RST is a broken pipe to everybody but readers, who see the end of the stream (Linux).
        self.error = Some(if self.state == EndState::Connecting {
            io::ErrorKind::ConnectionRefused
        } else if self.fin_received {
            io::ErrorKind::BrokenPipe
        } else {
            io::ErrorKind::ConnectionReset
        });
        self.unacknowledged = 0;
        Some(self.discard_unsent())
    }
}
