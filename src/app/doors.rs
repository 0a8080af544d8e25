//! Whom clients reach and who is reached for them: listeners, gateways, the control socket.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::Error;
use crate::config::{Config, Gateway};
use crate::control::Socket;
use crate::drain::Drain;
use crate::listener::bind;
use crate::proxy::{self, Proxy, Site};
use crate::timing::Clock;
use crate::upstream::{self, Client, Connector, TlsConfig};
use crate::{exchange, protocol};

/// How a gateway is connected to; its files are read.
pub(super) fn connector(gateway: &Gateway) -> Result<Connector, Error> {
    let issuers = |source| Error::CaFile {
        gateway: gateway.name.clone(),
        source,
    };
    Ok(match &gateway.ca_file {
        _ if !gateway.origin.is_tls() => Connector::network_without_tls(),
        None => Connector::network(TlsConfig::platform()?),
        Some(path) => Connector::network(TlsConfig::from_ca_file(path).map_err(issuers)?),
    })
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
        connector(gateway)?,
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
) -> Result<Vec<(TcpListener, Proxy)>, Error> {
    sites
        .into_iter()
        .map(|(address, sites)| {
            let listener = listen(address, "gateway.listen")?;
            Ok((listener, Proxy::new(Arc::clone(shared), sites.into())))
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
    let journal = (!config.journal.in_memory).then_some(config.journal.path.as_path());
    let Some(path) = config.control.path(journal) else {
        return Ok(None);
    };
    match Socket::bind(&path) {
        Ok(socket) => Ok(Some(socket)),
        Err(source) => Err(Error::Control { path, source }),
    }
}
