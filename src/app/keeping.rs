//! What outlives the process: the journal, or memory alone where that is asked for.
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;

use super::Error;
use crate::config::Config;
use crate::exchange::{HashKey, InMemory, Recorder};
use crate::journal::{self, Journal, Opened, Remembered, SystemDisk, Writer};
use crate::timing::{Clock, Stamps};

/// Where records go, and what an earlier process left there.
pub(super) struct Keeping {
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) hash_key: HashKey,
    pub(super) journal: Option<(Journal, Writer)>,
    pub(super) remembered: Vec<Remembered>,
}

impl Keeping {
    /// Opens the journal and reads all of it, or makes do without one.
    pub(super) fn open(
        config: &Config,
        clock: Clock,
        stamps: Stamps,
        metrics: &journal::Metrics,
    ) -> Result<Self, Error> {
        if config.journal.in_memory {
            return Ok(Self {
                recorder: Arc::new(InMemory),
                hash_key: HashKey::random(aws_lc_rs::default_provider().secure_random)?,
                journal: None,
                remembered: Vec::new(),
            });
        }
        let parts = journal::Parts {
            config: config.journal.clone(),
            retention: config.results.retention,
            disk: Arc::new(SystemDisk),
            clock,
            stamps,
            metrics: metrics.clone(),
        };
        let mut remembered = Vec::new();
        let Opened {
            journal,
            writer,
            hash_key,
        } = journal::open(parts, |exchange| remembered.push(exchange))?;
        Ok(Self {
            recorder: Arc::new(journal.clone()),
            hash_key: HashKey::from(hash_key),
            journal: Some((journal, writer)),
            remembered,
        })
    }
}
