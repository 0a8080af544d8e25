//! `holdline run`: the proxy, until it is told to stop.
use std::collections::BTreeSet;
use std::io::{self, Write};

use tokio::sync::Notify;

use super::{Exit, Source};
use crate::app::App;
use crate::config::Resolved;
use crate::process::{self, Stop};
use crate::telemetry;

/// Reads the configuration, serves, and drains at SIGTERM or SIGINT; a second signal ends the
/// drain at once.
pub async fn run(source: &Source, complaints: &mut impl Write) -> io::Result<Exit> {
    let resolved = match source.read() {
        Ok(resolved) => resolved,
        Err(faults) => {
            write!(complaints, "holdline: {faults}")?;
            return Ok(Exit::Config);
        }
    };
    if let Err(error) = telemetry::install(&resolved.config.log) {
        writeln!(complaints, "holdline: {error}")?;
        return Ok(Exit::Failure);
    }
    let mut stop = Stop::listen()?;
    let descriptors = process::harden();
    tell_start(&resolved, descriptors);
    let mut resolved = resolved;
    let addresses: BTreeSet<_> = resolved
        .config
        .gateways
        .iter()
        .map(|it| it.listen)
        .collect();
    let connections = &mut resolved.config.listener.connections;
    keep_descriptors_back(connections, descriptors, addresses.len());
    match App::build(resolved.config) {
        Ok(app) => {
            serve(app, &mut stop).await;
            Ok(Exit::Success)
        }
        Err(error) => {
            tracing::error!(error = telemetry::with_causes(&error), "failed to start");
            Ok(Exit::Failure)
        }
    }
}

/// Serves until the first signal and drains until the second.
pub(super) async fn serve(app: App, stop: &mut Stop) {
    let (first, second) = (Notify::new(), Notify::new());
    let signals = async {
        stop.signalled().await;
        first.notify_one();
        stop.signalled().await;
        second.notify_one();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = app.run(first.notified(), second.notified()) => {}
        () = signals => {}
    }
}

/// Leaves half of the descriptors to calls to the gateway: clients that take the last one would keep
/// what is accepted already from being polled. The listeners share the other half evenly. Who finds
/// no place waits unaccepted.
fn keep_descriptors_back(connections: &mut usize, descriptors: u64, listeners: usize) {
    let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
    let most = (half / listeners.max(1)).max(1);
    if *connections > most {
        tracing::warn!(
            connections = most,
            "limits.connections is reduced: the listeners together have half the descriptors"
        );
        *connections = most;
    }
}

fn tell_start(resolved: &Resolved, descriptors: u64) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, descriptors, "holdline starts");
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let config = &resolved.config;
    if config.journal.in_memory {
        tracing::warn!(
            "exchanges and answers are kept in memory only: a restart forgets them, and a client \
             that repeats a payment across one may pay twice"
        );
    }
    // A held request has a descriptor, and for a moment its submit another; polls share theirs.
    let polls = config.upstream.connections * config.gateways.len();
    let wanted = config.proxy.held + polls;
    if descriptors < wanted as u64 {
        tracing::warn!(
            descriptors,
            wanted,
            "the limit of descriptors is below limits.held and upstream.connections together"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listeners_together_leave_half_of_the_descriptors() {
        let reduced = |descriptors, listeners| {
            let mut connections = 16_384;
            keep_descriptors_back(&mut connections, descriptors, listeners);
            connections
        };
        assert_eq!(reduced(1 << 20, 4), 16_384);
        assert_eq!(reduced(1024, 1), 512);
        assert_eq!(reduced(1024, 4), 128);
        assert_eq!(reduced(1, 3), 1);
    }
}
