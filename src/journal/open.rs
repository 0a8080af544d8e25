//! How the journal is opened: everything in it is looked at before anybody is served.
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::error::OpenError;
use super::fault::StoreError;
use super::files::disk::Disk;
use super::files::key::KeyFile;
use super::files::mark;
use super::files::site::{Gone, Site};
use super::handle::{Files, Journal, READERS, Shared};
use super::keeping::store::Store;
use super::metrics::Metrics;
use super::space::{Space, Way};
use super::writing::queue::Queue;
use super::writing::work::contained;
use super::writing::writer::Writer;
use super::{Config, LastRecord, Number, Remembered};
use crate::timing::{Ages, Clock, Stamp, Stamps};

/// What a journal needs.
#[derive(Debug)]
pub struct Parts {
    /// Where it is and how large it may become.
    pub config: Config,
    /// `cache.retention`: how long what is delivered or ended is remembered. Where there is none nothing is
    /// forgotten, not for want of space either.
    pub retention: Option<Duration>,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The process's clock.
    pub clock: Clock,
    /// The process's stamps.
    pub stamps: Stamps,
    /// What it counts.
    pub metrics: Metrics,
}

/// A journal that was looked at from end to end.
#[derive(Debug)]
pub struct Opened {
    /// For the exchanges.
    pub journal: Journal,
    /// To be run on a tracker that outlives them.
    pub writer: Writer,
}

/// A journal that is ours, and was not looked at yet.
#[derive(Debug)]
pub struct Claimed {
    parts: Parts,
    key: KeyFile,
}

/// A journal that is open, of which little was read yet.
#[derive(Debug)]
pub struct Prepared {
    parts: Parts,
    key: KeyFile,
    site: Site,
    store: Store,
    ages: Ages,
}

/// Opens and locks the key file of a journal, and makes it where there is neither. Blocks.
pub fn claim(parts: Parts) -> Result<Claimed, OpenError> {
    let path = &parts.config.path;
    mark::check_journal(&*parts.disk, path)?;
    let key = KeyFile::open(&*parts.disk, path)?;
    Ok(Claimed { parts, key })
}

/// Claims a journal and reads it, for those who need no hash while they read.
pub fn open(parts: Parts, remember: impl FnMut(Remembered)) -> Result<Opened, OpenError> {
    claim(parts)?.prepare()?.read(remember)
}

impl Claimed {
    /// The key of every hash of what a client sent.
    pub fn hash_key(&self) -> [u8; 32] {
        self.key.hash_key()
    }

    /// Opens the journal, and makes it where there is none. Blocks; it is called before anything is
    /// served.
    pub fn prepare(self) -> Result<Prepared, OpenError> {
        let Self { parts, key } = self;
        let site = Site {
            disk: Arc::clone(&parts.disk),
            path: parts.config.path.clone(),
            space: Space::new(parts.config.max_bytes),
            metrics: parts.metrics.clone(),
        };
        let now = parts.stamps.now();
        let (store, boots) = to_its_end(&site, || {
            let store = opened(&site, &key, now)?;
            let boots = store.boots().map_err(|error| site.open_error(&error))?;
            Ok((store, boots))
        })?;
        Ok(Prepared {
            ages: Ages::new(parts.stamps, boots),
            parts,
            key,
            site,
            store,
        })
    }
}

impl Prepared {
    /// How old what it holds is.
    pub const fn ages(&self) -> &Ages {
        &self.ages
    }

    /// Reads all of it. Blocks. Every exchange is given to `remember`, in the order in which they began;
    /// none of them is kept here.
    pub fn read(self, mut remember: impl FnMut(Remembered)) -> Result<Opened, OpenError> {
        let Self {
            parts,
            key,
            site,
            store,
            ages,
        } = self;
        let next = to_its_end(&site, || looked_at(&site, &store, &mut remember))?;
        parts.metrics.used(site.space.share());
        let shared = Arc::new(Shared {
            site,
            clock: parts.clock,
            queue: Mutex::new(Queue::new()),
            readers: Arc::new(Semaphore::new(READERS)),
            metrics: parts.metrics,
            files: RwLock::new(Files {
                key: Some(key),
                store: Some(store),
                commits: 0,
            }),
            at_work: Mutex::default(),
            wake: Notify::new(),
            up: AtomicBool::new(true),
            downfall: Mutex::new("it is being opened".into()),
            full: AtomicBool::new(false),
            next: AtomicU64::new(next),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
        });
        Ok(Opened {
            journal: Journal(Arc::clone(&shared)),
            writer: Writer::new(shared, ages, parts.retention),
        })
    }
}

/// Does what a file that is damaged may break off in the middle of.
fn to_its_end<T>(site: &Site, work: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    contained(work).unwrap_or_else(|| {
        Err(OpenError::Damaged {
            path: site.path.clone(),
            what: "it cannot be read to its end".to_owned(),
        })
    })
}

/// Opens the file. A start never fails because it is full.
fn opened(site: &Site, key: &KeyFile, now: Stamp) -> Result<Store, OpenError> {
    let mut prepared = prepared(site, key, now);
    while prepared.is_err() && site.space.next_way() != Way::None {
        prepared = self::prepared(site, key, now);
    }
    prepared
}

/// Reads all of the file; the number that the next exchange has.
fn looked_at(
    site: &Site,
    store: &Store,
    remember: &mut impl FnMut(Remembered),
) -> Result<u64, OpenError> {
    let failed = |error: StoreError| site.open_error(&error);
    let walked = store.walk(Number(0), |remembered| {
        if matches!(
            remembered.last_record,
            LastRecord::Submitted | LastRecord::Accepted
        ) {
            site.space.runs(remembered.number.0);
        }
        remember(remembered);
        true
    });
    walked.map_err(failed)?;
    store.next_number().map_err(failed)
}

/// Opens the file and does all that is written to it before it is read.
fn prepared(site: &Site, key: &KeyFile, now: Stamp) -> Result<Store, OpenError> {
    let mut store = site.open(key, Gone::Make(now))?;
    let failed = |error: StoreError| site.open_error(&error);
    if !store.check().map_err(failed)? {
        return Err(OpenError::Damaged {
            path: site.path.clone(),
            what: "pages of it were mended, and what was on them may be lost".to_owned(),
        });
    }
    // Not before the check: what is written over a page that is damaged has a sound checksum again.
    store.upgrade().map_err(failed)?;
    store.checkpoint().map_err(failed)?;
    store.measure().map_err(failed)?;
    if store.compact().map_err(failed)? {
        drop(store);
        store = site.open(key, Gone::Fail)?;
    }
    Ok(store)
}
