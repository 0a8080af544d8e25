//! The intents of submits, as the synced disk alone knows them in the moment in which a submit
//! arrives at the gateway.
use std::sync::{Arc, Mutex, PoisonError};

use holdline::journal;
use holdline::timing::{Clock, Stamps};

use super::network::Network;
use super::process::BOOTED;
use crate::journal::disk::SimulatedDisk;

/// What was sure when each submit arrived.
#[derive(Clone, Default)]
pub(crate) struct Intents(Arc<Mutex<Vec<(String, SimulatedDisk)>>>);

impl Intents {
    /// Looks at `disk` whenever a submit arrives.
    pub(crate) fn watch(&self, network: &Network, disk: &SimulatedDisk) {
        let (intents, disk) = (Arc::clone(&self.0), disk.clone());
        network.witness(move |bytes| {
            if let Some(key) = key_of(bytes) {
                let mut intents = intents.lock().unwrap_or_else(PoisonError::into_inner);
                intents.push((key, disk.sure()));
            }
        });
    }

    /// The keys of submits that arrived while no sure record told of them.
    pub(crate) fn unsure(&self, clock: Clock) -> Vec<String> {
        let intents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unsure = intents
            .iter()
            .filter(|(key, disk)| !knows(disk, key, clock));
        unsure
            .map(|(key, _)| format!("{key}: not on the synced disk"))
            .collect()
    }

    /// How many submits arrived.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The key of a submit whose head this is.
fn key_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.starts_with("POST ").then(|| text.lines())?;
    let key = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("requestid").then_some(value)
    });
    key.map(|key| key.trim().to_owned())
}

fn knows(disk: &SimulatedDisk, key: &str, clock: Clock) -> bool {
    let mut known = false;
    let parts = journal::Parts {
        config: journal::Config::default(),
        retention: None,
        disk: Arc::new(disk.clone()),
        clock,
        stamps: Stamps::new(clock, BOOTED),
        metrics: journal::Metrics::default(),
    };
    let opened = journal::open(parts, |exchange| known |= *exchange.head.key == *key);
    known && opened.is_ok()
}
