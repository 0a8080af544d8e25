//! What outlives the process: the journal, or memory alone where that is asked for.
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;

use super::Error;
use crate::config::Config;
use crate::exchange::{HashKey, InMemory, Past, Recorder};
use crate::journal::{self, Journal, Opened, SystemDisk, Writer};
use crate::timing::{self, Ages, Clock, Stamps};

/// Where records go, and what an earlier process left there.
pub(super) struct Keeping {
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) hash_key: HashKey,
    pub(super) journal: Option<(Journal, Writer)>,
    pub(super) past: Past,
}

impl Keeping {
    /// Opens the journal and reads all of it, or makes do without one.
    pub(super) fn open(
        config: &Config,
        clock: Clock,
        stamps: Stamps,
        metrics: &journal::Metrics,
    ) -> Result<Self, Error> {
        let retention = config.results.retention;
        if config.journal.in_memory {
            let hash_key = HashKey::random(aws_lc_rs::default_provider().secure_random)?;
            return Ok(Self {
                recorder: Arc::new(InMemory),
                hash_key: hash_key.clone(),
                journal: None,
                past: Past::new(hash_key, Ages::new(stamps, Vec::new()), retention, []),
            });
        }
        // Where a relative path leads is seen here, before a second directory makes a second journal.
        let path = &config.journal.path;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        tracing::info!(path = %path.display(), bytes, "reading the journal");
        let parts = journal::Parts {
            config: config.journal.clone(),
            retention: Some(retention),
            disk: Arc::new(SystemDisk),
            clock,
            stamps,
            metrics: metrics.clone(),
        };
        let claimed = journal::claim(parts)?;
        let hash_key = HashKey::from(claimed.hash_key());
        let gateways = config.gateways.iter();
        let origins = gateways.map(|it| (it.name.clone().into(), it.origin.clone()));
        let prepared = claimed.prepare()?;
        let ages = prepared.ages().clone();
        let mut past = Past::new(hash_key.clone(), ages, retention, origins);
        let Opened { journal, writer } = prepared.read(|exchange| past.take(exchange))?;
        tracing::info!(path = %path.display(), "the journal is open");
        if !timing::boot_is_told() {
            tracing::warn!(
                "the system hides which boot this is (/proc/sys/kernel/random/boot_id): what is in the \
                 journal ages only while holdline runs, and what a restart interrupted is not resubmitted"
            );
        }
        Ok(Self {
            recorder: Arc::new(journal.clone()),
            hash_key,
            journal: Some((journal, writer)),
            past,
        })
    }
}
