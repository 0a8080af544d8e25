//! The one task that writes: it gathers what is appended into commits, forgets what may be forgotten
//! (`forgetting.rs`), and brings a journal back that went down.
use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Duration;

use super::forgetting::Pass;
use super::queue::State;
use super::reopen::{Down, reopen};
use super::work::perform;
use crate::journal::error::AppendError;
use crate::journal::fault::StoreError;
use crate::journal::handle::Shared;
use crate::journal::keeping::store::Store;
use crate::journal::space::Way;
use crate::journal::{Entry, Number, Place};
use crate::telemetry::with_causes;
use crate::timing::{Ages, Moment};

/// How long an entry stands in the log before the file takes it in: long enough for most exchanges to end,
/// since what has come of one by then becomes one record.
const CHECKPOINT: Duration = Duration::from_secs(2);

/// How often a journal that is down is opened again.
const REOPEN: Duration = Duration::from_secs(2);

/// How often it is looked whether the files still have their names.
const LOOK: Duration = Duration::from_secs(1);

/// The writer of a journal.
#[derive(Debug)]
pub struct Writer {
    pub(in crate::journal) shared: Arc<Shared>,
    pub(in crate::journal) ages: Ages,
    /// Where there is none nothing is forgotten.
    pub(in crate::journal) retention: Option<Duration>,
    reopen_at: Moment,
    look_at: Moment,
    /// Set while the log may hold what the file does not.
    checkpoint_at: Option<Moment>,
    pub(in crate::journal) sweep: Pass,
    /// Under way while space is short.
    pub(in crate::journal) eviction: Option<Pass>,
    /// While its pages are counted nothing that comes free in the file can be used.
    is_counting: bool,
    /// Where the next eviction goes on; what is before has gone.
    pub(in crate::journal) evicted: Number,
    /// When one began at the first exchange.
    pub(in crate::journal) round_at: Moment,
    /// Records that were told to be damaged: every walk meets them again.
    pub(in crate::journal) damaged: HashSet<Place>,
}

/// A count of the pages that is under way.
type Counting = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

enum Turn {
    Counted(Result<(), String>),
    Write,
    Checkpoint,
    Look,
    Sweep,
    Evict,
    Reopen,
    Close,
}

impl Writer {
    pub(in crate::journal) fn new(
        shared: Arc<Shared>,
        ages: Ages,
        retention: Option<Duration>,
    ) -> Self {
        let now = shared.clock.now();
        Self {
            shared,
            ages,
            retention,
            reopen_at: Moment::START,
            look_at: now + LOOK,
            checkpoint_at: None,
            sweep: Pass::begins(now),
            eviction: None,
            is_counting: false,
            evicted: Number(0),
            round_at: now,
            damaged: HashSet::new(),
        }
    }

    /// Writes until the journal is closed.
    pub async fn run(mut self) {
        let _watch = PanicWatch(Arc::clone(&self.shared));
        let mut counting = None;
        loop {
            let turn = tokio::select! {
                biased;
                counted = ended(&mut counting) => Turn::Counted(counted),
                turn = self.turn() => turn,
            };
            match turn {
                Turn::Counted(counted) => {
                    (counting, self.is_counting) = (None, false);
                    self.counted(counted);
                }
                Turn::Write => self.write().await,
                Turn::Checkpoint => self.checkpoint().await,
                Turn::Look => self.look().await,
                Turn::Sweep => self.sweep().await,
                Turn::Evict => self.evict().await,
                Turn::Reopen => self.reopen().await,
                Turn::Close => return self.close().await,
            }
            if counting.is_none() && self.wants_count() {
                (counting, self.is_counting) = (Some(self.count()), true);
            }
        }
    }

    /// Waits for the next thing that is due.
    async fn turn(&self) -> Turn {
        let shared = &self.shared;
        loop {
            let woken = shared.wake.notified();
            if shared.closing.is_cancelled() {
                return Turn::Close;
            }
            let (turn, at) = self.due();
            if at <= shared.clock.now() {
                return turn;
            }
            tokio::select! {
                () = woken => {}
                () = shared.closing.cancelled() => {}
                () = shared.clock.sleep_until(at) => {}
            }
        }
    }

    /// What is to be done next, and when. Entries go before tidying.
    fn due(&self) -> (Turn, Moment) {
        let queue = self.shared.queue();
        if queue.state() == State::Down {
            return (Turn::Reopen, self.reopen_at);
        }
        let mut due = (Turn::Look, self.look_at);
        let mut or = |turn, at| {
            if at <= due.1 {
                due = (turn, at);
            }
        };
        if self.retention.is_some() {
            or(Turn::Sweep, self.sweep.at);
        }
        if let Some(pass) = &self.eviction
            && (!self.is_counting || self.shared.site.space.is_pressed())
        {
            or(Turn::Evict, pass.at);
        }
        if let Some(at) = queue.due() {
            or(Turn::Write, at);
        } else if let Some(at) = self.checkpoint_at {
            or(Turn::Checkpoint, at);
        }
        due
    }

    async fn write(&mut self) {
        let now = self.shared.clock.now();
        let queued = self.shared.queue().take(now);
        if queued.is_empty() {
            return;
        }
        let (entries, waiting): (Vec<_>, Vec<_>) =
            queued.into_iter().map(|it| (it.entry, it.done)).unzip();
        let entries = Arc::new(entries);
        let appended = self.append(&entries).await;
        match &appended {
            Ok(()) => {
                self.shared.queue().written();
                self.weigh();
            }
            Err(error) => self.fall(error, &entries),
        }
        for done in waiting {
            // Who asked may have gone.
            let _ = done.send(appended.as_ref().map_err(|_| AppendError).copied());
        }
        if self.is_time_to_checkpoint() {
            self.checkpoint().await;
        }
    }

    /// Makes entries durable where that may block.
    async fn append(&mut self, entries: &Arc<Vec<Entry>>) -> Result<(), String> {
        let began = self.shared.clock.now();
        self.checkpoint_at.get_or_insert(began + CHECKPOINT);
        let appended = Arc::clone(entries);
        self.with_store(move |store| store.append(&appended))
            .await?;
        let span = self.shared.clock.now().since(began);
        self.shared.metrics.committed(entries.len(), span);
        Ok(())
    }

    /// True if a checkpoint is due. Asked right after a commit: the next one is then farthest off, so that the
    /// fewest clients are delayed.
    fn is_time_to_checkpoint(&self) -> bool {
        let now = self.shared.clock.now();
        self.checkpoint_at.is_some_and(|at| at <= now)
    }

    /// Has the file take in what the log holds.
    async fn checkpoint(&mut self) {
        self.checkpoint_at = None;
        if self.shared.queue().state() == State::Down {
            return;
        }
        // Opened anew it has all the length that it may have.
        let taken_in = if self.shared.site.space.wants_length() && !self.is_read() {
            self.open_anew().await.map_err(|down| down.to_string())
        } else {
            self.with_store(Store::checkpoint).await
        };
        if let Err(error) = taken_in {
            self.fall(&error, &[]);
        }
        self.weigh();
    }

    /// True while somebody reads the open file, as a count of its pages does for seconds. What can be done
    /// later does not wait for that, and every commit with it.
    fn is_read(&self) -> bool {
        let files = self.shared.files.try_write();
        matches!(files, Err(TryLockError::WouldBlock))
    }

    /// Does something with the open file where that may block. Where the file would grow beyond its
    /// limit it is opened anew, with all the length that it may have, and the work is done again.
    pub(in crate::journal) async fn with_store<T: Send + 'static>(
        &self,
        work: impl Fn(&Store) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, String> {
        let work = Arc::new(work);
        let mut worked = self.attempt(Arc::clone(&work)).await;
        while worked.is_err() && self.shared.site.space.next_way() != Way::None {
            worked = match self.open_anew().await {
                Ok(()) => self.attempt(Arc::clone(&work)).await,
                Err(down) => Err(down.to_string()),
            };
        }
        worked
    }

    async fn attempt<T: Send + 'static>(
        &self,
        work: Arc<impl Fn(&Store) -> Result<T, StoreError> + Send + Sync + 'static>,
    ) -> Result<T, String> {
        let shared = Arc::clone(&self.shared);
        let worked = self.at_work(move || in_words(shared.with_store(|store| work(store))));
        worked.await.unwrap_or_else(panicked)
    }

    /// Does what may block, and lets everybody know since when; `None` where it panicked.
    async fn at_work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.shared.works_since(Some(self.shared.clock.now()));
        let worked = perform(&*self.shared.site.disk, work).await;
        self.shared.works_since(None);
        worked
    }

    /// True if so much has come and gone that the pages should be counted.
    fn wants_count(&self) -> bool {
        self.shared.up.load(Ordering::Acquire) && self.shared.site.space.is_vague()
    }

    /// Counts the pages, which may take seconds, beside whatever is written meanwhile.
    fn count(&self) -> Counting {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let counted = Arc::clone(&shared);
            let work = move || in_words(counted.with_store(Store::measure));
            let counted = perform(&*shared.site.disk, work).await;
            counted.unwrap_or_else(panicked)
        })
    }

    fn counted(&mut self, counted: Result<(), String>) {
        match counted {
            Ok(()) => self.weigh(),
            Err(error) if self.shared.up.load(Ordering::Acquire) => self.fall(&error, &[]),
            // Whatever keeps it down is told already.
            Err(_) => {}
        }
    }

    /// Looks whether every file still has its name, and takes what is written. What can be mended is mended
    /// at once.
    async fn look(&mut self) {
        self.look_at = self.shared.clock.now() + LOOK;
        match self.with_store(Store::look).await {
            Ok(None) => {}
            Ok(Some(lost)) => {
                self.fall(&lost.to_string(), &[]);
                self.reopen_at = self.shared.clock.now();
            }
            Err(error) => self.fall(&error, &[]),
        }
    }

    /// The journal is down: what was on its way is owed.
    pub(in crate::journal) fn fall(&mut self, error: &str, under_way: &[Entry]) {
        let mut queue = self.shared.queue();
        self.shared.goes_down(error);
        queue.fail(under_way);
        let owed = queue.owed();
        drop(queue);
        self.reopen_at = self.shared.clock.now() + REOPEN;
        tracing::error!(
            error,
            owed,
            "the journal is down: new exchanges are refused"
        );
    }

    /// Opens the file anew and writes what is owed; then the journal is up again.
    async fn reopen(&mut self) {
        let risen = match self.open_anew().await {
            Ok(()) => self.settle().await,
            Err(down) => Err(down.to_string()),
        };
        match risen {
            Ok(()) => {
                tracing::info!("the journal is up again");
                self.weigh();
            }
            Err(error) => {
                self.shared.goes_down(&error);
                tracing::error!(error, "the journal is still down");
                self.reopen_at = self.shared.clock.now() + REOPEN;
            }
        }
    }

    async fn open_anew(&self) -> Result<(), Down> {
        let shared = Arc::clone(&self.shared);
        let may_forget = self.retention.is_some();
        let opened = self.at_work(move || {
            let mut files = shared.files.write().unwrap_or_else(PoisonError::into_inner);
            reopen(&mut files, &shared.site, may_forget)
        });
        let panicked = || Err("redb panicked over the file".into());
        opened.await.unwrap_or_else(panicked)
    }

    /// Writes what is owed until nothing is.
    async fn settle(&mut self) -> Result<(), String> {
        while let Some(owed) = self.rise() {
            let written: HashSet<Place> = owed.iter().map(|entry| entry.place).collect();
            self.append(&Arc::new(owed)).await?;
            self.shared.queue().settle(&written);
        }
        Ok(())
    }

    /// What is owed; where nothing is, entries are taken from now on.
    fn rise(&self) -> Option<Vec<Entry>> {
        let mut queue = self.shared.queue();
        let owed = queue.rise();
        self.shared.up.store(owed.is_none(), Ordering::Release);
        owed
    }

    /// Writes what waits, and once more tries to write what is owed; then the file is let go, which waits
    /// for whoever reads.
    async fn close(mut self) {
        self.write().await;
        self.look().await;
        if self.shared.queue().state() == State::Down {
            self.reopen().await;
        }
        let is_up = self.shared.up.swap(false, Ordering::AcqRel);
        let owed = {
            let mut queue = self.shared.queue();
            queue.close();
            queue.owed()
        };
        if owed > 0 {
            tracing::error!(owed, "stopped with entries that could not be written");
        }
        if is_up && let Err(error) = self.with_store(Store::checkpoint).await {
            tracing::warn!(error, "the next start takes in what stands in the log");
        }
        let shared = Arc::clone(&self.shared);
        let let_go = perform(&*self.shared.site.disk, move || {
            let mut files = shared.files.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(store) = files.store.take() {
                store.let_go();
            }
            files.key = None;
        });
        let_go.await;
        self.shared.closed.cancel();
    }
}

/// What came of a count, when it ends.
async fn ended(counting: &mut Option<Counting>) -> Result<(), String> {
    match counting {
        Some(counting) => counting.await,
        None => std::future::pending().await,
    }
}

/// What came of work with the file, in words where it failed; `None` where no file is open.
fn in_words<T>(worked: Option<Result<T, StoreError>>) -> Result<T, String> {
    let worked = worked.ok_or("it is not open")?;
    worked.map_err(|error| with_causes(&error))
}

fn panicked<T>() -> Result<T, String> {
    Err("the file cannot be used: redb panicked over it".to_owned())
}

/// Looks whether the writer panics. Nobody may wait for it then: everything that is appended fails from
/// now on, and the journal is down for good.
struct PanicWatch(Arc<Shared>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        let shared = &self.0;
        if !std::thread::panicking() {
            return;
        }
        tracing::error!("the journal's writer panicked: nothing is durable any more");
        shared.goes_down("its writer panicked");
        shared.queue().close();
        shared.closed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::{directory, parts};
    use crate::journal::{SystemDisk, open};

    #[test]
    fn nothing_is_evicted_while_the_pages_are_counted_unless_it_presses() {
        let directory = directory();
        let opened = open(parts(directory.path(), Arc::new(SystemDisk)), drop);
        let mut writer = opened.unwrap().writer;
        writer.eviction = Some(Pass::begins(Moment::START));
        let evicts = |writer: &Writer| matches!(writer.due(), (Turn::Evict, _));
        assert!(evicts(&writer));
        writer.is_counting = true;
        assert!(!evicts(&writer));
        let space = &writer.shared.site.space;
        space.measured(space.estimate(), space.max_bytes());
        assert!(evicts(&writer));
    }
}
