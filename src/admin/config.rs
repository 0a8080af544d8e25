//! `[admin]`.
use std::net::{Ipv4Addr, SocketAddr};

/// Where the operator's listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `admin.listen`.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9900)),
        }
    }
}
