//! A journal that nobody holds, looked at and not changed: for the operator's commands.
use std::sync::Arc;

use super::error::{OpenError, ReadError};
use super::files::disk::Disk;
use super::files::key::KeyFile;
use super::files::log;
use super::files::mark::{self, Mark};
use super::files::site::{Beside, Site};
use super::files::storage::Overlay;
use super::keeping::listing::{Page, Report};
use super::keeping::store::Store;
use super::space::Space;
use super::writing::work::contained;
use super::{Config, Entry, Metrics, Number};
use crate::telemetry::with_causes;

/// An open file. While this lives, no holdline can start on it.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    site: Site,
    _key: KeyFile,
}

impl Reader {
    /// Opens the journal of a configuration. Blocks.
    pub fn open(config: &Config, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let path = config.path.clone();
        let failed = |step| OpenError::of(step, &path);
        mark::check_journal(&*disk, &path)?;
        let key = KeyFile::open_existing(&*disk, &path)?;
        let file = disk.open(&path).map_err(failed("open"))?;
        let file = file.ok_or_else(|| failed("open")(std::io::ErrorKind::NotFound.into()))?;
        let site = Site {
            disk,
            path: path.clone(),
            space: Space::new(u64::MAX),
            metrics: Metrics::default(),
        };
        let beside = Beside {
            mark: Mark::open_existing(&site, &key)?,
            log: log::open(&*site.disk, &path)?,
            guard: None,
        };
        let storage = Overlay::new(file).map_err(failed("read"))?;
        let store = contained(|| site.opened(storage, &key, beside));
        let store = store.unwrap_or_else(|| {
            Err(OpenError::Damaged {
                path,
                what: "it cannot be opened".to_owned(),
            })
        })?;
        Ok(Self {
            store,
            site,
            _key: key,
        })
    }

    /// What is remembered of at most `limit` exchanges from a number on. Blocks.
    pub fn remembered(&self, from: Number, limit: usize) -> Result<Page, ReadError> {
        let page = contained(|| Page::read(&self.store, from, limit)).ok_or(ReadError::Down)?;
        page.map_err(|error| error.read_error())
    }

    /// Every entry of one exchange, in their order. Blocks.
    pub fn entries(&self, number: Number) -> Result<Vec<Entry>, ReadError> {
        let entries = contained(|| self.store.entries(number)).ok_or(ReadError::Down)?;
        entries.map_err(|error| error.read_error())
    }

    /// Looks at every page and every record. Blocks. In words, where it cannot be looked at now.
    pub fn verify(&mut self) -> Result<Report, String> {
        let checked = contained(|| self.store.check());
        let mut report = match contained(|| Report::of(&self.store)) {
            Some(report) => report.map_err(|error| with_causes(&error))?,
            None => Report::stopped("redb panicked over a page"),
        };
        match checked {
            Some(Ok(true)) => {}
            Some(Ok(false)) => {
                report.fault("pages had to be mended, and what was on them may be lost");
            }
            Some(Err(error)) => report.fault(&error.to_string()),
            None => report.fault("redb panicked over a page"),
        }
        if let Some(Err(error)) = contained(|| self.store.check_newest(&self.site)) {
            report.fault(&error.to_string());
        }
        Ok(report)
    }
}
