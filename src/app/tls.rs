//! TLS as the configuration wants it: to the gateway, and on the listeners.
use std::net::SocketAddr;

use rustls::pki_types::ServerName;

use super::Error;
use crate::certificates::{FileError, issuers};
use crate::config::{Config, Gateway};
use crate::listener::{self, Certificates, Keyring, Pair, Tls};
use crate::upstream::{Connector, PlatformRootsError, TlsConfig};

/// Why TLS to a gateway cannot be set up; completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum GatewayTlsError {
    /// One of its files.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system's certificate roots.
    #[error(transparent)]
    PlatformRoots(#[from] PlatformRootsError),
    /// The library's own words.
    #[error("set TLS up")]
    Tls(#[from] rustls::Error),
}

/// How a gateway is reached; its files are read.
pub(super) fn connector(gateway: &Gateway) -> Result<Connector, Error> {
    prepared(gateway).map_err(|source| Error::GatewayTls {
        gateway: gateway.name.clone(),
        source: Box::new(source),
    })
}

fn prepared(gateway: &Gateway) -> Result<Connector, GatewayTlsError> {
    let reach = gateway.address.clone();
    if !gateway.origin.is_tls() {
        return Ok(Connector::network_without_tls().by_way_of(reach));
    }
    let mut tls = match &gateway.ca_file {
        None => TlsConfig::platform()?,
        Some(path) => TlsConfig::from_roots(issuers(path)?)?,
    };
    if let Some(pair) = &gateway.client {
        tls = tls.with_identity(&pair.read()?);
    }
    let name = gateway
        .server_name
        .as_ref()
        .map(|name| name.as_str().to_owned());
    // A name that is none did not pass the configuration.
    if let Some(name) = name.and_then(|name| ServerName::try_from(name).ok()) {
        tls = tls.with_server_name(name);
    }
    Ok(Connector::network(tls).by_way_of(reach))
}

/// The certificates of a listener; none if it speaks no TLS.
pub(super) fn keyring(
    config: &Config,
    address: SocketAddr,
    metrics: &listener::Metrics,
) -> Result<Option<Keyring>, Error> {
    let Some(tls) = listener_tls(config, address) else {
        return Ok(None);
    };
    let keyring = Keyring::load(tls, metrics);
    keyring
        .map(Some)
        .map_err(|source| unusable(address, source))
}

/// The same, read again for a listener that has one, but for what is kept of before.
pub(super) fn renewed(
    config: &Config,
    address: SocketAddr,
    kept: Vec<Pair>,
) -> Result<Option<(SocketAddr, Certificates)>, Error> {
    let Some(tls) = listener_tls(config, address) else {
        return Ok(None);
    };
    let read = Certificates::read_but(tls, kept);
    let read = read.map_err(|source| unusable(address, source))?;
    Ok(Some((address, read)))
}

fn unusable(address: SocketAddr, source: listener::Error) -> Error {
    Error::Certificates {
        address,
        source: Box::new(source),
    }
}

/// What the gateways of a listener show together; each file once.
fn listener_tls(config: &Config, address: SocketAddr) -> Option<Tls> {
    let gateways = config.gateways.iter();
    let here = gateways.filter(|gateway| gateway.listen == address);
    here.filter_map(|gateway| gateway.tls.clone())
        .reduce(|mut all, more| {
            for pair in more.pairs {
                if !all.pairs.contains(&pair) {
                    all.pairs.push(pair);
                }
            }
            all
        })
}
