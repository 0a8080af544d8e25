//! Whom clients reach and who is reached for them: listeners, gateways, the control socket.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{Error, tls};
use crate::config::{Config, Gateway};
use crate::control::Socket;
use crate::drain::Drain;
use crate::listener::{self, Keyring, bind};
use crate::proxy::{self, Proxy, Site};
use crate::timing::Clock;
use crate::upstream::{self, Client};
use crate::{exchange, protocol};

/// Where the clients of one address come in.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) keyring: Option<Keyring>,
    pub(super) proxy: Proxy,
    address: SocketAddr,
}

impl Door {
    /// The certificates that it shows, if it speaks TLS, and the address of the configuration.
    pub(super) fn keyring(&self) -> Option<(SocketAddr, Keyring)> {
        Some((self.address, self.keyring.clone()?))
    }
}

/// A gateway and its hosts; nothing is connected yet.
pub(super) fn site(
    gateway: &Gateway,
    config: &upstream::Config,
    clock: Clock,
    drain: &Drain,
    metrics: &upstream::Metrics,
) -> Result<Site, Error> {
    let hosts = gateway.hosts.iter();
    Ok(Site {
        hosts: hosts.map(|host| host.as_str().to_owned()).collect(),
        gateway: Arc::new(exchange::Gateway {
            name: gateway.name.clone().into(),
            profile: &protocol::BEGATEWAY,
            client: client(gateway, config, clock, drain, metrics)?,
        }),
    })
}

/// The calls to a gateway, as its configuration has them.
pub fn client(
    gateway: &Gateway,
    config: &upstream::Config,
    clock: Clock,
    drain: &Drain,
    metrics: &upstream::Metrics,
) -> Result<Client, Error> {
    Ok(Client::new(
        gateway.origin.clone(),
        tls::connector(gateway)?,
        config.clone(),
        clock,
        drain.clone(),
        metrics.clone(),
    ))
}

/// The listeners for clients, bound, each with its service.
pub(super) fn doors(
    sites: BTreeMap<SocketAddr, Vec<Site>>,
    shared: &Arc<proxy::Parts>,
    config: &Config,
    metrics: &listener::Metrics,
) -> Result<Vec<Door>, Error> {
    let sites = sites.into_iter();
    sites
        .map(|(address, sites)| {
            Ok(Door {
                keyring: tls::keyring(config, address, metrics)?,
                listener: listen(address, "gateway.listen")?,
                proxy: Proxy::new(Arc::clone(shared), sites.into()),
                address,
            })
        })
        .collect()
}

/// Binds the address of a key.
pub(super) fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
    bind(address).map_err(|source| Error::Bind {
        address,
        key,
        source,
    })
}

/// Binds the control socket, if there is to be one.
pub(super) fn control_socket(config: &Config) -> Result<Option<Socket>, Error> {
    let Some(path) = config.control.path(config.journal.file()) else {
        return Ok(None);
    };
    match Socket::bind(&path) {
        Ok(socket) => Ok(Some(socket)),
        Err(source) => Err(Error::Control { path, source }),
    }
}
