//! How the journal is opened: everything in it is looked at before anybody is served.
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::disk::Disk;
use super::error::OpenError;
use super::fault::StoreError;
use super::handle::{Files, Journal, Shared};
use super::key::KeyFile;
use super::mark;
use super::metrics::Metrics;
use super::queue::Queue;
use super::room::{Room, Way};
use super::site::{Gone, Site};
use super::store::Store;
use super::work::contained;
use super::writer::Writer;
use super::{Config, Number, Remembered, Standing};
use crate::timing::{Clock, Stamps};

/// What a journal needs.
#[derive(Debug)]
pub struct Parts {
    /// Where it is and how large it may become.
    pub config: Config,
    /// `cache.retention`: how long what is delivered or ended is remembered. Where there is none nothing is
    /// forgotten, not for want of room either.
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

/// Opens and locks the key file of a journal, and makes it where there is neither. Blocks.
pub fn claim(parts: Parts) -> Result<Claimed, OpenError> {
    let path = &parts.config.path;
    mark::check_journal(&*parts.disk, path)?;
    let key = KeyFile::open(&*parts.disk, path)?;
    Ok(Claimed { parts, key })
}

/// Claims a journal and reads it, for those who need no hash while they read.
pub fn open(parts: Parts, remember: impl FnMut(Remembered)) -> Result<Opened, OpenError> {
    claim(parts)?.read(remember)
}

impl Claimed {
    /// The key of every hash of what a client sent.
    pub fn hash_key(&self) -> [u8; 32] {
        self.key.hash_key()
    }

    /// Opens the journal, and makes it where there is none. Blocks; it is called before anything is
    /// served. Every exchange that has not ended is given to `remember`, in the order in which they
    /// began; none of them is kept here.
    pub fn read(self, mut remember: impl FnMut(Remembered)) -> Result<Opened, OpenError> {
        let Self { parts, key } = self;
        let path = parts.config.path;
        let site = Site {
            disk: parts.disk,
            path: path.clone(),
            room: Room::new(parts.config.max_bytes),
            metrics: parts.metrics.clone(),
        };
        let looked_at = contained(|| looked_at(&site, &key, &mut remember));
        let (store, next) = looked_at.unwrap_or_else(|| {
            Err(OpenError::Damaged {
                path,
                what: "it cannot be read to its end".to_owned(),
            })
        })?;
        parts.metrics.is_up(true);
        parts.metrics.used(site.room.share());
        let shared = Arc::new(Shared {
            site,
            clock: parts.clock,
            queue: Mutex::new(Queue::new(parts.metrics.clone())),
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
            writer: Writer::new(shared, parts.stamps, parts.retention),
        })
    }
}

/// Opens the file and reads all of it.
fn looked_at(
    site: &Site,
    key: &KeyFile,
    remember: &mut impl FnMut(Remembered),
) -> Result<(Store, u64), OpenError> {
    let mut prepared = prepared(site, key);
    // A start never fails because the file is full.
    while prepared.is_err() && site.room.next_way() != Way::None {
        prepared = self::prepared(site, key);
    }
    let store = prepared?;
    let failed = |error: StoreError| site.open_error(&error);
    let walked = store.walk(Number(0), |remembered| {
        if matches!(
            remembered.standing,
            Standing::Submitted | Standing::Accepted
        ) {
            site.room.runs(remembered.number.0);
        }
        if remembered.standing != Standing::Ended {
            remember(remembered);
        }
        true
    });
    walked.map_err(failed)?;
    let next = store.next_number().map_err(failed)?;
    Ok((store, next))
}

/// Opens the file and does all that is written to it before it is read.
fn prepared(site: &Site, key: &KeyFile) -> Result<Store, OpenError> {
    let mut store = site.open(key, Gone::Make)?;
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
