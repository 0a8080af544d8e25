//! The handle on the journal that every exchange has.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::{AppendError, ReadError, Unready};
use super::fault::StoreError;
use super::files::key::KeyFile;
use super::files::site::Site;
use super::keeping::store::Store;
use super::metrics::Metrics;
use super::writing::queue::{Queue, Queued, State};
use super::writing::work::perform;
use super::{Change, Entry, Number, Page, Place, Report, Sealed};
use crate::timing::{Clock, Moment};

/// A disk that has not done a piece of work for so long has hung: an exchange whose answer is at hand
/// goes on without it, as it would if the disk had failed.
const HUNG: Duration = Duration::from_secs(5);

/// So many read at once: a disk that hangs must not take every thread that may block, since names are
/// resolved in those too.
pub(super) const READERS: usize = 16;

/// An entry on its way to the disk. It goes its way whether this is awaited or not.
pub type Appending = Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send>>;

/// An answer on its way from the disk.
pub type Reading = Pin<Box<dyn Future<Output = Result<Sealed, ReadError>> + Send>>;

/// What exchanges write to and read from; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal(pub(super) Arc<Shared>);

/// What the handles and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) site: Site,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    /// The open file, while it is up. Work that blocks takes it to read; only the writer, who
    /// reopens it, takes it to write.
    pub(super) files: RwLock<Files>,
    pub(super) queue: Mutex<Queue>,
    /// The turns of who reads.
    pub(super) readers: Arc<Semaphore>,
    /// Since when the writer waits for the disk, if it does.
    pub(super) at_work: Mutex<Option<Moment>>,
    /// Wakes the writer.
    pub(super) wake: Notify,
    pub(super) up: AtomicBool,
    /// What keeps it down, in words. Set by the writer.
    pub(super) downfall: Mutex<Arc<str>>,
    /// Set by the writer when what may not be dropped fills the file.
    pub(super) full: AtomicBool,
    pub(super) next: AtomicU64,
    pub(super) closing: CancellationToken,
    pub(super) closed: CancellationToken,
}

/// What is let go at the end.
#[derive(Debug)]
pub(super) struct Files {
    /// Locked from the start to the end.
    pub(super) key: Option<KeyFile>,
    pub(super) store: Option<Store>,
    /// How many commits the last open file had, while there is none.
    pub(super) commits: u64,
}

impl Shared {
    /// It is down from now on; says why.
    pub(super) fn goes_down(&self, why: &str) {
        *self.downfall.lock().unwrap_or_else(PoisonError::into_inner) = why.into();
        self.up.store(false, Ordering::Release);
    }

    /// Why nothing can be written.
    fn downfall(&self) -> Unready {
        let why = self.downfall.lock().unwrap_or_else(PoisonError::into_inner);
        Unready::Down(Arc::clone(&why))
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says since when the writer waits for the disk.
    pub(super) fn works_since(&self, since: Option<Moment>) {
        *self.at_work.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn has_hung(&self) -> bool {
        let since = *self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| self.clock.now().since(since) >= HUNG)
    }

    /// Does something with the open file; `None` while it is down.
    pub(super) fn with_store<T>(&self, work: impl FnOnce(&Store) -> T) -> Option<T> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.store.as_ref().map(work)
    }
}

impl Journal {
    /// The number of a new exchange.
    pub fn begin(&self) -> Number {
        Number(self.0.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Appends an entry: it is queued now, and durable when the future is ready. Entries of one
    /// exchange are written in the order in which they are appended.
    ///
    /// Where this fails the entry is owed: it is written before the journal is up again. An intent
    /// is not; for one that may have reached the disk its withdrawal is owed. Nothing is owed any more
    /// once the journal is closed, or its writer has panicked.
    ///
    /// What follows upon a gateway's answer, or tells that nothing was sent, also fails where the disk has
    /// hung. It stays in the queue, and is written when the disk goes on. An intent is waited for: nothing
    /// may leave before it.
    pub fn append(&self, entry: Entry) -> Appending {
        let (done, durable) = oneshot::channel();
        let has_patience = match entry.change {
            Change::Accepted(_)
            | Change::Candidate(_)
            | Change::Completed(_)
            | Change::Withdrawn
            | Change::Refused => false,
            Change::Submitted(_)
            | Change::Resubmitted(_)
            | Change::Delivered
            | Change::InDoubt(_)
            | Change::Closed(_) => true,
        };
        let (clock, at) = (self.0.clock, self.0.clock.now());
        let is_news = self.0.queue().push(Queued { entry, done }, at);
        if is_news {
            self.0.wake.notify_one();
        }
        let durable = async { durable.await.unwrap_or(Err(AppendError)) };
        if has_patience {
            return Box::pin(durable);
        }
        Box::pin(async move {
            tokio::select! {
                biased;
                written = durable => written,
                () = clock.sleep_until(at + HUNG) => Err(AppendError),
            }
        })
    }

    /// The answer at a place, sealed as it was appended.
    pub fn answer(&self, place: Place) -> Reading {
        let journal = self.clone();
        Box::pin(async move {
            let entry = journal.read_soon(move |store| store.find(place)).await?;
            match entry.map(|entry| entry.change) {
                Some(Change::Candidate(Some(sealed)) | Change::Completed(Some(sealed))) => {
                    Ok(sealed)
                }
                // It may be owed.
                None if !journal.is_up() => Err(ReadError::Down),
                None
                | Some(
                    Change::Submitted(_)
                    | Change::Resubmitted(_)
                    | Change::Accepted(_)
                    | Change::Candidate(None)
                    | Change::Completed(None)
                    | Change::Delivered
                    | Change::InDoubt(_)
                    | Change::Withdrawn
                    | Change::Refused
                    | Change::Closed(_),
                ) => Err(ReadError::Absent(place)),
            }
        })
    }

    /// True while entries can be made durable, and nothing is owed.
    pub fn is_up(&self) -> bool {
        self.0.up.load(Ordering::Acquire)
    }

    /// Whether a new exchange may start.
    pub fn may_start(&self) -> Result<(), Unready> {
        if !self.is_up() {
            Err(self.0.downfall())
        } else if self.0.has_hung() {
            Err(Unready::Hung)
        } else if self.0.full.load(Ordering::Acquire) {
            Err(Unready::Full)
        } else {
            Ok(())
        }
    }

    /// Sets the gauges of whether it is up and of what it owes to what is true now: nothing happens when a
    /// disk begins to hang, and what is not on it then is in memory only.
    pub fn observe(&self) {
        let has_hung = self.0.has_hung();
        self.0.metrics.is_up(self.is_up() && !has_hung);
        let queue = self.0.queue();
        let owed = if has_hung {
            queue.unwritten()
        } else {
            queue.owed()
        };
        self.0.metrics.owed(owed);
    }

    /// What is remembered of at most `limit` exchanges from a number on; one transaction a call, so
    /// that a long list holds nothing back.
    pub async fn remembered(&self, from: Number, limit: usize) -> Result<Page, ReadError> {
        self.read(move |store| Page::read(store, from, limit)).await
    }

    /// Every entry of one exchange, in their order; none where the journal does not have it.
    pub async fn entries(&self, number: Number) -> Result<Vec<Entry>, ReadError> {
        self.read_soon(move |store| store.entries(number)).await
    }

    /// Looks at every record while the journal is in use, a piece at a time, so that nothing waits for
    /// long. The pages under them are looked at when nobody holds the file, by
    /// [`Reader::verify`](super::Reader::verify).
    pub async fn verify(&self) -> Result<Report, ReadError> {
        let (mut report, mut from) = self.read(Report::begin).await?;
        while let Some(number) = from {
            let piece = move |store: &Store| {
                let next = report.add(store, number);
                Ok((report, next))
            };
            (report, from) = self.read(piece).await?;
        }
        Ok(report)
    }

    /// Reads what somebody waits for: where the disk has hung it cannot be read now.
    async fn read_soon<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        if self.0.has_hung() {
            return Err(ReadError::Down);
        }
        let clock = self.0.clock;
        tokio::select! {
            biased;
            read = self.read(read) => read,
            () = clock.sleep_until(clock.now() + HUNG) => Err(ReadError::Down),
        }
    }

    /// Reads the open file where that may block, and tells in the log what fails.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let shared = Arc::clone(&self.0);
        let turn = Arc::clone(&shared.readers).acquire_owned().await;
        let done = perform(&*self.0.site.disk, move || {
            // Kept until the disk has answered, however little patience who asked has.
            let _turn = turn;
            shared.with_store(read)
        });
        let read = done.await.flatten().ok_or(ReadError::Down)?;
        read.map_err(|error| {
            tracing::error!(%error, "failed to read the journal");
            error.read_error()
        })
    }

    /// Makes everything that was appended durable and lets the file go. Returns when the writer has
    /// ended, with how many entries it could not write; what is appended from now on fails.
    pub async fn close(&self) -> usize {
        self.0.closing.cancel();
        self.0.closed.cancelled().await;
        self.0.queue().owed()
    }

    /// How many entries are not known to be on disk.
    pub fn unwritten(&self) -> usize {
        self.0.queue().unwritten()
    }

    /// How many entries could not be written, once it is being closed and that is known; the file may not
    /// be let go yet.
    pub fn left_over(&self) -> Option<usize> {
        let queue = self.0.queue();
        (queue.state() == State::Closed).then(|| queue.owed())
    }
}
