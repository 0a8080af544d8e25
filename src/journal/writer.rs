//! The one task that writes: it gathers what is appended into commits, and brings a journal back that
//! went down.
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Place;
use super::error::chain;
use super::handle::Shared;
use super::queue::{Queued, State};
use super::store::Batch;
use super::work::perform;
use crate::timing::Moment;

/// From the start of one commit to that of the next, while entries are waited for: what comes in
/// between shares the next. A commit costs some twenty times what a record in it does.
const SPACING: Duration = Duration::from_millis(6);

/// How long an entry that nobody waits for may wait for company.
const LAZY: Duration = Duration::from_millis(100);

/// How often a journal that is down is opened again.
const REOPEN: Duration = Duration::from_secs(2);

/// The writer of a journal.
#[derive(Debug)]
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) last_commit: Option<Moment>,
    pub(super) reopen_at: Moment,
}

enum Turn {
    Write,
    Reopen,
    Close,
}

impl Writer {
    /// Writes until the journal is closed.
    pub async fn run(mut self) {
        loop {
            match self.turn().await {
                Turn::Write => self.write().await,
                Turn::Reopen => self.reopen().await,
                Turn::Close => return self.close().await,
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
            let due = self.due();
            if let Some((turn, at)) = due
                && at <= shared.clock.now()
            {
                return turn;
            }
            let at = self.due().map(|(_, at)| at);
            tokio::select! {
                () = woken => {}
                () = shared.closing.cancelled() => {}
                () = async { shared.clock.sleep_until(at.unwrap_or_default()).await }, if at.is_some() => {}
            }
        }
    }

    fn due(&self) -> Option<(Turn, Moment)> {
        let queue = self.shared.queue();
        if queue.state() == State::Down {
            return Some((Turn::Reopen, self.reopen_at));
        }
        let (since, urgent) = queue.waits()?;
        let spaced = self.last_commit.map_or(since, |last| last + SPACING);
        let at = if urgent { spaced } else { since + LAZY };
        Some((Turn::Write, at))
    }

    async fn write(&mut self) {
        let queued = self.shared.queue().take();
        if queued.is_empty() {
            return;
        }
        let began = self.shared.clock.now();
        self.last_commit = Some(began);
        let entries = queued.iter().map(|it| it.entry.clone()).collect();
        match self
            .commit(Batch {
                entries,
                removals: Vec::new(),
            })
            .await
        {
            Ok(()) => queued.into_iter().for_each(durable),
            Err(error) => self.fall(&error, queued),
        }
    }

    /// Commits a batch where that may block.
    async fn commit(&self, batch: Batch) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        let (began, records) = (self.shared.clock.now(), batch.entries.len());
        let committed = perform(&*self.shared.site.disk, move || {
            shared.with_store(|store| store.commit(&batch))
        });
        match committed.await.flatten() {
            Some(Ok(())) => {
                let span = self.shared.clock.now().since(began);
                self.shared.metrics.committed(records, span);
                Ok(())
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it panicked, or is not open".to_owned()),
        }
    }

    /// The journal is down: what was on its way is owed.
    fn fall(&mut self, error: &str, queued: Vec<Queued>) {
        let mut queue = self.shared.queue();
        self.shared.up.store(false, Ordering::Release);
        queue.fail(queued);
        self.shared.metrics.is_up(false);
        self.shared.metrics.owed(queue.owed());
        self.reopen_at = self.shared.clock.now() + REOPEN;
        tracing::error!(
            error,
            owed = queue.owed(),
            "the journal is down: new exchanges are refused"
        );
    }

    /// Opens the file anew and writes what is owed.
    async fn reopen(&mut self) {
        match self.reopened().await {
            Ok(()) => tracing::info!("the journal is up again"),
            Err(error) => {
                tracing::error!(error, "the journal is still down");
                self.reopen_at = self.shared.clock.now() + REOPEN;
            }
        }
    }

    async fn reopened(&self) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        let opened = perform(&*self.shared.site.disk, move || {
            let mut files = shared.files.write().unwrap_or_else(PoisonError::into_inner);
            // The old one goes first: it would write to the file that the new one has.
            files.store = None;
            let key = files.key.as_ref().ok_or("it is closed")?;
            let store = shared.site.open(key).map_err(|error| chain(&error))?;
            files.store = Some(store);
            Ok::<_, String>(())
        });
        opened.await.ok_or("it panicked")??;
        loop {
            let owed = {
                let mut queue = self.shared.queue();
                let Some(owed) = queue.rise() else {
                    self.shared.up.store(true, Ordering::Release);
                    self.shared.metrics.is_up(true);
                    return Ok(());
                };
                owed
            };
            let written: HashSet<Place> = owed.iter().map(|entry| entry.place).collect();
            let batch = Batch {
                entries: owed,
                removals: Vec::new(),
            };
            self.commit(batch).await?;
            let mut queue = self.shared.queue();
            queue.settle(&written);
            self.shared.metrics.owed(queue.owed());
        }
    }

    /// Writes what waits, and once more tries to write what is owed; then the file is let go.
    async fn close(mut self) {
        self.write().await;
        if self.shared.queue().state() == State::Down {
            self.reopen().await;
        }
        let owed = {
            let mut queue = self.shared.queue();
            queue.close();
            self.shared.up.store(false, Ordering::Release);
            queue.owed()
        };
        if owed > 0 {
            tracing::error!(owed, "stopped with entries that could not be written");
        }
        let shared = Arc::clone(&self.shared);
        perform(&*self.shared.site.disk, move || {
            let mut files = shared.files.write().unwrap_or_else(PoisonError::into_inner);
            files.store = None;
            files.key = None;
        })
        .await;
        self.shared.closed.cancel();
    }
}

/// Who asked may have gone.
fn durable(queued: Queued) {
    let _ = queued.done.send(Ok(()));
}
