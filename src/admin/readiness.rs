//! Whether new payments can be taken, which part keeps them out if not, and that it is told once.
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::task::AbortHandle;

use crate::drain::Drain;
use crate::journal::Journal;

/// The tasks of the clients' listeners, once they are spawned.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Arc<OnceLock<Vec<AbortHandle>>>);

impl Listeners {
    /// Says which tasks accept clients. Called once.
    pub fn are(&self, tasks: Vec<AbortHandle>) {
        // A second list would be of the same listeners.
        let _ = self.0.set(tasks);
    }

    fn fault(&self) -> Option<String> {
        let Some(tasks) = self.0.get() else {
            return Some("listeners: not serving yet".to_owned());
        };
        let ended = tasks.iter().filter(|task| task.is_finished()).count();
        (ended > 0).then(|| format!("listeners: {ended} of {} ended", tasks.len()))
    }
}

/// Readiness, and what was told of it last.
pub(super) struct Readiness {
    drain: Drain,
    listeners: Listeners,
    journal: Option<Journal>,
    told: Mutex<Option<String>>,
}

impl Readiness {
    pub(super) const fn new(drain: Drain, listeners: Listeners, journal: Option<Journal>) -> Self {
        Self {
            drain,
            listeners,
            journal,
            told: Mutex::new(None),
        }
    }

    /// The parts that keep new payments out, a line each; `None` if none does. A change is logged by
    /// whoever sees it first, a probe or the sampler.
    pub(super) fn fault(&self) -> Option<String> {
        let fault = self.look();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != fault {
            match &fault {
                // The stop has told so itself, and nothing is wrong with it.
                Some(_) if self.drain.is_draining() => {}
                Some(parts) => tracing::warn!(parts = %parts.replace('\n', ", "), "not ready"),
                None => tracing::info!("ready again"),
            }
            told.clone_from(&fault);
        }
        fault
    }

    fn look(&self) -> Option<String> {
        let draining = self.drain.is_draining();
        let journal = self.journal.as_ref().map(Journal::may_start);
        let parts = [
            draining.then(|| "draining".to_owned()),
            // They end because the process does.
            self.listeners.fault().filter(|_| !draining),
            journal.and_then(Result::err).map(|why| why.to_string()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_part_that_keeps_payments_out_is_told() {
        let (drain, listeners) = (Drain::new(), Listeners::default());
        let readiness = Readiness::new(drain.clone(), listeners.clone(), None);
        assert_eq!(
            readiness.fault().as_deref(),
            Some("listeners: not serving yet")
        );
        let lives = drain.spawn(std::future::pending::<()>());
        let dies = drain.spawn(std::future::pending::<()>());
        listeners.are(vec![lives.abort_handle(), dies.abort_handle()]);
        assert_eq!(readiness.fault(), None);
        dies.abort();
        assert!(dies.await.is_err());
        assert_eq!(
            readiness.fault().as_deref(),
            Some("listeners: 1 of 2 ended")
        );
        drain.begin();
        assert_eq!(readiness.fault().as_deref(), Some("draining"));
    }
}
