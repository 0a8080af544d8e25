//! Which gateway a request is for, where several share a listener.
use std::sync::Arc;

use http::uri::Authority;

use crate::exchange::Gateway;

/// A gateway and the hosts under which its clients ask for it.
#[derive(Clone)]
pub struct Site {
    /// Host names in lower case; empty if it takes every request of its listener.
    pub hosts: Vec<String>,
    /// The gateway.
    pub gateway: Arc<Gateway>,
}

/// The gateways of one listener.
#[derive(Clone)]
pub struct Sites(Arc<[Site]>);

impl From<Vec<Site>> for Sites {
    fn from(sites: Vec<Site>) -> Self {
        Self(sites.into())
    }
}

impl Sites {
    /// The gateway that serves a host, whatever its port.
    pub(super) fn find(&self, host: &Authority) -> Option<&Arc<Gateway>> {
        let is_named = |name: &String| name.eq_ignore_ascii_case(host.host());
        let serves = |site: &&Site| site.hosts.is_empty() || site.hosts.iter().any(is_named);
        self.0.iter().find(serves).map(|site| &site.gateway)
    }
}
