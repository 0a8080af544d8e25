//! The listeners as tasks: clients on the drain that a stop begins with, the operator on the last one.
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::doors::Door;
use super::pillars::Pillars;
use crate::admin;
use crate::drain::Drain;
use crate::listener::{self, Evidence, Keyring, Server};
use crate::live::Live;
use crate::timing::Clock;

/// Connections of operators and scrapers at once: they may not take the clients' descriptors.
const OPERATORS: usize = 64;
/// For so long each may say nothing. Their places are few, and who asks whether the process lives must not
/// wait for one that nobody uses.
const SILENCE: Duration = Duration::from_secs(5);

/// What every listener is served with.
pub(super) struct Serving {
    pub(super) config: Live<listener::Config>,
    pub(super) clock: Clock,
    pub(super) evidence: Evidence,
}

impl Serving {
    /// Serves clients at every door. Returns the tasks that accept them.
    pub(super) fn clients(
        &self,
        doors: Vec<Door>,
        metrics: &listener::Metrics,
        drain: &Drain,
        pillars: &mut Pillars,
    ) -> Vec<AbortHandle> {
        let mut accepting = Vec::new();
        for door in doors {
            if let Some(keyring) = door.keyring.clone() {
                drain.spawn(keyring.follow(self.clock, drain.clone()));
            }
            let server = self.server(metrics.clone(), drain, door.keyring);
            let serving = drain.spawn(server.run(door.listener, door.proxy));
            accepting.push(serving.abort_handle());
            pillars.add("the listener for clients", serving);
        }
        accepting
    }

    /// Serves the operator, who may ask until the very last.
    pub(super) fn operators(
        &self,
        (listener, service): (TcpListener, admin::Service),
        last: &Drain,
        pillars: &mut Pillars,
    ) {
        last.spawn(service.clone().watch(last.clone()));
        // Who scrapes is no client, so its connections are counted nowhere.
        let mut server = self.server(listener::Metrics::default(), last, None);
        let config = server.config.now();
        server.config = Live::new(listener::Config {
            connections: OPERATORS,
            fields_timeout: config.fields_timeout.min(SILENCE),
            idle_timeout: config.idle_timeout.min(SILENCE),
            ..(*config).clone()
        });
        let serving = last.spawn(server.run(listener, service));
        pillars.add("the listener for the operator", serving);
    }

    fn server(&self, metrics: listener::Metrics, drain: &Drain, tls: Option<Keyring>) -> Server {
        Server {
            config: self.config.clone(),
            clock: self.clock,
            drain: drain.clone(),
            metrics,
            evidence: self.evidence,
            tls,
        }
    }
}
