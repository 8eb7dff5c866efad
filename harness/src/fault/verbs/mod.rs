//! One verb a file, and the list of them: who adds a verb adds its file, and its three lines here.

use super::registry::Entry;

mod accept_then_reset;
mod buffer;
mod clock_jump;
mod close;
mod connect_hang;
mod corrupt;
mod crash;
mod cut;
mod delay;
mod drip;
mod drop;
mod duplicate_message;
mod freeze;
mod half_close;
mod half_open;
mod handshake_stall;
mod illegal;
mod io_error;
mod jitter;
mod lookup_fails;
mod lookup_moves;
mod partition;
mod power_loss;
mod refuse;
mod reorder_messages;
mod reset;
mod restart;
mod split;
mod throttle;
mod truncate_clean;
mod upstream;

pub use accept_then_reset::AcceptThenReset;
pub use buffer::Buffer;
pub use clock_jump::ClockJump;
pub use close::Close;
pub use connect_hang::ConnectHang;
pub use corrupt::Corrupt;
pub use crash::Crash;
pub use cut::{Cut, CutEnding};
pub use delay::Delay;
pub use drip::Drip;
pub use drop::Drop;
pub use duplicate_message::DuplicateMessage;
pub use freeze::Freeze;
pub use half_close::HalfClose;
pub use half_open::{HalfOpen, HalfOpenKind};
pub use handshake_stall::HandshakeStall;
pub use illegal::{Illegal, IllegalKind};
pub use io_error::{AcceptError, ConnectError, IoError, StreamCall};
pub use jitter::Jitter;
pub use lookup_fails::LookupFails;
pub use lookup_moves::LookupMoves;
pub use partition::Partition;
pub use power_loss::PowerLoss;
pub use refuse::Refuse;
pub use reorder_messages::ReorderMessages;
pub use reset::Reset;
pub use restart::Restart;
pub use split::Split;
pub use throttle::Throttle;
pub use truncate_clean::TruncateClean;
pub use upstream::Upstream;

/// Every verb, in the order in which documents list them.
pub(super) const ALL: &[Entry] = &[
    Entry::of::<Reset>(),
    Entry::of::<Drop>(),
    Entry::of::<Close>(),
    Entry::of::<HalfClose>(),
    Entry::of::<HalfOpen>(),
    Entry::of::<Illegal>(),
    Entry::of::<Cut>(),
    Entry::of::<TruncateClean>(),
    Entry::of::<Freeze>(),
    Entry::of::<Partition>(),
    Entry::of::<Refuse>(),
    Entry::of::<ConnectHang>(),
    Entry::of::<HandshakeStall>(),
    Entry::of::<AcceptThenReset>(),
    Entry::of::<LookupFails>(),
    Entry::of::<LookupMoves>(),
    Entry::of::<Buffer>(),
    Entry::of::<Delay>(),
    Entry::of::<Jitter>(),
    Entry::of::<Throttle>(),
    Entry::of::<Drip>(),
    Entry::of::<Split>(),
    Entry::of::<Corrupt>(),
    Entry::of::<DuplicateMessage>(),
    Entry::of::<ReorderMessages>(),
    Entry::read_by::<Upstream>(upstream::read),
    Entry::read_by::<IoError>(io_error::read),
    Entry::of::<Crash>(),
    Entry::of::<PowerLoss>(),
    Entry::read_by::<ClockJump>(clock_jump::read),
    Entry::of::<Restart>(),
];
