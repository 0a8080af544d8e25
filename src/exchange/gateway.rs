//! A gateway as an exchange sees it: its name, its protocol, and the way to it.
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
