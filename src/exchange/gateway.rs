//! A gateway as an exchange sees it: its name, its protocol, and the way to it.
use std::sync::Arc;

use crate::protocol::Profile;
use crate::upstream::Client;

/// A configured gateway.
#[derive(Clone)]
pub struct Gateway {
    /// The configured name: the identity of its exchanges.
    pub name: Box<str>,
    /// What it speaks.
    pub profile: &'static Profile,
    /// The way to its origin, and to no other.
    pub client: Client,
}

/// Where an exchange belongs.
pub(super) enum Home {
    /// A gateway that is configured, at the origin where the exchange began.
    InForce(Arc<Gateway>),
    /// A gateway of this name, which is configured no longer or elsewhere: nobody is asked.
    Gone(Box<str>),
}

impl Home {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::InForce(gateway) => &gateway.name,
            Self::Gone(name) => name,
        }
    }

    /// The gateway that may be asked.
    pub(super) const fn gateway(&self) -> Option<&Arc<Gateway>> {
        match self {
            Self::InForce(gateway) => Some(gateway),
            Self::Gone(_) => None,
        }
    }
}
