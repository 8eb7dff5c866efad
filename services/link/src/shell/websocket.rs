//! What tungstenite is told at a handshake, and what its errors mean.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::close::{ConnectionEnd, code, is_expected_io};
use crate::config::LinkConfig;

impl LinkConfig {
    /// What tungstenite has to be told at the handshake so that memory is bounded: the largest incoming message, and a
    /// write buffer that holds one outgoing message behind one that is stuck. Its read buffer is cleared before every
    /// read, so it is one for the small messages of these legs (the default of 128 KiB made clearing it nine tenths of an
    /// idle session's work).
    #[must_use]
    pub fn websocket(&self) -> WebSocketConfig {
        let write_buffer = 128 * 1024;
        WebSocketConfig::default()
            .max_message_size(Some(self.largest_message))
            .max_frame_size(Some(self.largest_message))
            .read_buffer_size(8 * 1024)
            .write_buffer_size(write_buffer)
            .max_write_buffer_size(2 * (write_buffer + self.largest_message))
    }
}

impl ConnectionEnd {
    /// The ending that an error of tungstenite amounts to. Which call sees a broken connection, and as which error, is
    /// a race: reset, broken pipe and "without closing handshake" are all one ending.
    #[must_use]
    pub fn from_error(error: &Error) -> Self {
        match error {
            Error::Io(error) => Self::by_network(error.kind().to_string()),
            Error::ConnectionClosed | Error::AlreadyClosed => Self::by_network("end of stream"),
            Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::SendAfterClosing
                | ProtocolError::HandshakeIncomplete,
            ) => Self::by_network("end of stream without a close frame"),
            Error::Protocol(error) => Self::by_us(code::PROTOCOL, error.to_string()),
            Error::Utf8(_) => Self::by_us(code::INVALID, "text that is not UTF-8"),
            Error::Capacity(error) => Self::by_us(code::TOO_BIG, error.to_string()),
            Error::WriteBufferFull(_) => Self::by_us(code::TRY_LATER, "write buffer full"),
            other => Self::by_network(other.to_string()),
        }
    }
}

/// Whether an error of tungstenite is part of a normal day, as [`is_expected_io`] says it of an operating system's.
#[must_use]
pub fn is_expected(error: &Error) -> bool {
    match error {
        Error::Io(error) => is_expected_io(error.kind()),
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(error) => matches!(
            error,
            ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::SendAfterClosing
                | ProtocolError::ReceivedAfterClosing
        ),
        _ => false,
    }
}

/// Tells of a call whose failure ended a link, unless the peer or the network is simply gone: that is told with the ending.
pub(crate) fn report_failure(error: &Error) {
    if let Error::Io(error) = error
        && !is_expected_io(error.kind())
    {
        tracing::warn!(error = %error.kind(), "a call on a websocket failed");
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio_tungstenite::tungstenite::error::CapacityError;

    use super::*;
    use crate::close::{By, is_sendable};

    #[test]
    fn a_write_buffer_holds_one_message_behind_one_that_is_stuck() {
        let config = LinkConfig::default().websocket();
        assert!(config.max_write_buffer_size > config.write_buffer_size);
    }

    #[test]
    fn an_abrupt_loss_is_one_ending_whichever_call_sees_it() {
        let seen = [
            Error::Io(io::ErrorKind::ConnectionReset.into()),
            Error::Io(io::ErrorKind::BrokenPipe.into()),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
            Error::AlreadyClosed,
        ];
        for error in seen {
            let ending = ConnectionEnd::from_error(&error);
            assert_eq!((ending.close_code, ending.by), (1006, By::Network), "{error:?}");
            assert!(is_expected(&error), "{error:?}");
        }
    }

    #[test]
    fn what_the_peer_did_wrong_becomes_the_code_that_we_send() {
        let cases = [
            (Error::Protocol(ProtocolError::NonZeroReservedBits), 1002),
            (Error::Utf8("bad".into()), 1007),
            (Error::Capacity(CapacityError::MessageTooLong { size: 2, max_size: 1 }), 1009),
        ];
        for (error, close_code) in cases {
            let ending = ConnectionEnd::from_error(&error);
            assert_eq!((ending.close_code, ending.by), (close_code, By::Us), "{error:?}");
            assert!(is_sendable(ending.close_code));
            assert!(!is_expected(&error), "{error:?}");
        }
    }
}
