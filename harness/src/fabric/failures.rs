//! Calls that a fault makes fail in the process itself, and lookups that it answers.

use std::io;
use std::time::Duration;

use super::{ConnectionIndex, Fabric, HostId, Ready, Socket};
use crate::fault::{FaultIndex, IoCall, IoErrorKind, LookupError};
use crate::name::{Link, Side};
use crate::plane::Answer;

/// How long glibc's resolver waits when no name server answers: two attempts of five seconds (`resolv.conf`'s defaults).
const RESOLVER_PATIENCE: Duration = Duration::from_secs(10);

/// A local call that a fault makes fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmedError {
    pub(crate) call: IoCall,
    pub(crate) kind: IoErrorKind,
    /// Calls still to come up to the first failing one, itself included.
    pub(crate) countdown: u32,
    /// Those after the first fail as well.
    pub(crate) lasting: bool,
    pub(crate) fault: FaultIndex,
}

impl ArmedError {
    /// A call is made: whether it fails.
    fn strikes(&mut self) -> bool {
        self.countdown = self.countdown.saturating_sub(1);
        self.countdown == 0
    }
}

/// The error of such a call, once more for every one that is armed for it; spent ones are gone.
pub(super) fn strike(armed: &mut Vec<ArmedError>, call: IoCall) -> Option<ArmedError> {
    let position = armed.iter().position(|armed| armed.call == call)?;
    if !armed[position].strikes() {
        return None;
    }
    Some(if armed[position].lasting { armed[position] } else { armed.remove(position) })
}

/// What a call that fails so is told in records: the kind that std has for it, or else its own name.
pub(super) fn outcome(kind: IoErrorKind) -> String {
    match kind {
        IoErrorKind::TooManyOpenFiles | IoErrorKind::TooManyOpenFilesInSystem | IoErrorKind::NoBufferSpace => {
            format!("{kind:?}")
        }
        IoErrorKind::ConnectionReset
        | IoErrorKind::ConnectionAborted
        | IoErrorKind::NotConnected
        | IoErrorKind::BrokenPipe
        | IoErrorKind::TimedOut
        | IoErrorKind::ConnectionRefused
        | IoErrorKind::NetworkUnreachable
        | IoErrorKind::HostUnreachable
        | IoErrorKind::NetworkDown
        | IoErrorKind::AddressNotAvailable
        | IoErrorKind::AddressInUse
        | IoErrorKind::PermissionDenied
        | IoErrorKind::NotPermitted => format!("{:?}", kind.error().kind()),
    }
}

/// Lookups that are answered otherwise than by the scenario's hosts.
#[derive(Debug)]
pub(crate) struct ArmedLookup {
    pub(super) link: Link,
    pub(super) answer: Answer,
    pub(super) once: bool,
    pub(super) fault: FaultIndex,
}

/// What a lookup comes to: an error after a while, or another host.
#[derive(Debug)]
pub(crate) enum LookedUp {
    Failed { after: Duration, kind: LookupError, error: io::Error },
    Host(HostId),
}

impl Fabric {
    /// The connect call itself fails.
    pub(super) fn fail_connect(&mut self, index: ConnectionIndex, fault: FaultIndex, kind: IoErrorKind) {
        self.record_effect(fault, index, || "the connect call itself".to_owned());
        let client = &mut self.connection_mut(index).client;
        client.tcp.fail(None);
        client.failed = Some(kind);
        self.wake(Socket { connection: index, side: Side::Client }, Ready::ForAll);
    }

    /// What a fault answers to a host that looks up another's name, if one does.
    pub(crate) fn look_up(&mut self, asker: HostId, name: &str) -> Option<LookedUp> {
        let client = &self.machines.get(asker).name;
        let position = self
            .lookups
            .iter()
            .position(|lookup| lookup.link.client == *client && lookup.link.server.as_str() == name)?;
        let (fault, once) = (self.lookups[position].fault, self.lookups[position].once);
        let answer = self.lookups[position].answer.clone();
        if once {
            self.lookups.remove(position);
        }
        self.record_effect_anywhere(fault, || format!("the lookup of {name}"));
        match answer {
            Answer::Failure(kind) => {
                let (words, after) = words(kind);
                self.record_outcome(fault, asker, format!("lookup of {name}: {words}"));
                Some(LookedUp::Failed { after, kind, error: lookup_error(words) })
            }
            Answer::AddressOf(other) => {
                self.record_outcome(fault, asker, format!("lookup of {name}: the address of {other}"));
                self.machines.by_name(other.as_str()).map(LookedUp::Host)
            }
        }
    }

    /// Calls and lookups that a fault made fail succeed again.
    pub(super) fn disarm(&mut self, fault: FaultIndex) {
        self.lookups.retain(|lookup| lookup.fault != fault);
        self.listeners.iter_mut().for_each(|listener| listener.armed.retain(|armed| armed.fault != fault));
        for connection in &mut self.connections {
            connection.client.armed.retain(|armed| armed.fault != fault);
            connection.server.armed.retain(|armed| armed.fault != fault);
        }
    }
}

/// What glibc says, and after how long.
fn words(kind: LookupError) -> (&'static str, Duration) {
    match kind {
        LookupError::NoSuchName => ("Name or service not known", Duration::ZERO),
        LookupError::NoAddress => ("No address associated with hostname", Duration::ZERO),
        LookupError::ServerFailure => ("Temporary failure in name resolution", Duration::ZERO),
        LookupError::NoAnswer => ("Temporary failure in name resolution", RESOLVER_PATIENCE),
    }
}

/// The error that std makes of what `getaddrinfo` says. Its kind is one that std has no public name for: that of every number
/// that it does not know.
fn lookup_error(words: &str) -> io::Error {
    let unnamed = io::Error::from_raw_os_error(i32::MAX).kind();
    io::Error::new(unnamed, format!("failed to lookup address information: {words}"))
}
