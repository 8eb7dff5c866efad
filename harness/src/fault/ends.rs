//! The ends of a connection that a fault tells.

use serde::{Deserialize, Serialize};

use crate::name::Side;

/// Which ends of a connection a fault tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// Both.
    #[default]
    Both,
    /// The end that connected; the other hears nothing.
    Client,
    /// The end that accepted; the other hears nothing.
    Server,
}

impl Ends {
    /// Those that are told, the client first.
    pub fn told(self) -> &'static [Side] {
        match self {
            Self::Both => &[Side::Client, Side::Server],
            Self::Client => &[Side::Client],
            Self::Server => &[Side::Server],
        }
    }

    /// The one that is not told.
    pub fn untold(self) -> Option<Side> {
        match self {
            Self::Both => None,
            Self::Client => Some(Side::Server),
            Self::Server => Some(Side::Client),
        }
    }

    /// How a story shows it: nothing when both are told.
    pub(super) fn told_only(self) -> Option<String> {
        match self {
            Self::Both => None,
            Self::Client => Some("client only".to_owned()),
            Self::Server => Some("server only".to_owned()),
        }
    }
}
