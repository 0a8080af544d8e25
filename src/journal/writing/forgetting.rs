//! How the writer forgets: a piece at a time, between the commits that somebody waits for.
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::writer::Writer;
use crate::journal::Number;
use crate::journal::keeping::tidy::{Found, Goal, look};
use crate::timing::Moment;

/// How often what is old enough is looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// How long after one piece of tidying the next may be done.
const TIDY_SPACING: Duration = Duration::from_millis(50);

/// How long the journal waits, where all has gone that may, until more may have come.
const ALL: Duration = Duration::from_millis(200);

/// How long it waits, where nothing may go, before it looks again at what came last.
const NOTHING: Duration = Duration::from_secs(1);

/// How often it looks at all of it again: what ran when it was passed by may have been delivered.
const ROUND: Duration = Duration::from_secs(60);

/// A walk through all exchanges, a piece at a time.
#[derive(Clone, Copy, Debug)]
pub(in crate::journal) struct Pass {
    from: Number,
    pub(in crate::journal) at: Moment,
    /// True if this walk has found something.
    found: bool,
}

impl Pass {
    pub(in crate::journal) const fn begins(at: Moment) -> Self {
        Self {
            from: Number(0),
            at,
            found: false,
        }
    }
}

impl Writer {
    /// Begins or ends an eviction, as the space is.
    pub(in crate::journal) fn weigh(&mut self) {
        let space = &self.shared.site.space;
        self.shared.metrics.used(space.share());
        if space.is_spent() {
            self.is_full(true);
        } else if space.has_space_again() {
            self.is_full(false);
        }
        if space.is_ample() {
            self.eviction = None;
        } else if space.is_short() && self.eviction.is_none() && self.retention.is_some() {
            self.eviction = Some(Pass {
                from: self.evicted,
                ..Pass::begins(self.shared.clock.now())
            });
        }
    }

    fn is_full(&self, full: bool) {
        let was = self.shared.full.swap(full, Ordering::AcqRel);
        match (was, full) {
            (false, true) => tracing::error!(
                max_bytes = self.shared.site.space.max_bytes(),
                "the journal is full: new exchanges are refused until what has to be remembered for \
                 cache.retention makes space: the facts of payments with a key, answers and doubts that \
                 wait; raise journal.max_bytes"
            ),
            (true, false) => tracing::info!("the journal has room again"),
            (false, false) | (true, true) => {}
        }
    }

    /// Forgets what is old enough.
    pub(in crate::journal) async fn sweep(&mut self) {
        let Some(retention) = self.retention else {
            return;
        };
        let goal = Goal::Expired {
            ages: self.ages.clone(),
            retention,
        };
        let Some(found) = self.tidy(goal, self.sweep.from).await else {
            return;
        };
        let now = self.shared.clock.now();
        self.sweep = match found.next {
            Some(from) => Pass {
                from,
                ..Pass::begins(now + TIDY_SPACING)
            },
            None => Pass::begins(now + SWEEP),
        };
        self.weigh();
    }

    /// Makes space: at once where it is nearly gone, with pauses before.
    pub(in crate::journal) async fn evict(&mut self) {
        let Some(pass) = self.eviction else { return };
        let Some(found) = self.tidy(Goal::Space, pass.from).await else {
            return;
        };
        let now = self.shared.clock.now();
        let spacing = if self.shared.site.space.is_pressed() {
            Duration::ZERO
        } else {
            TIDY_SPACING
        };
        let has_found = pass.found || !found.removals.is_empty();
        let next = match found.next {
            Some(from) => Pass {
                from,
                at: now + spacing,
                found: has_found,
            },
            None => Pass {
                from: self.after_round(now, found.undone),
                ..Pass::begins(now + if has_found { ALL } else { NOTHING })
            },
        };
        (self.evicted, self.eviction) = (next.from, Some(next));
        self.weigh();
    }

    /// Where the next round of eviction starts: at the first exchange that the last piece of this round could
    /// not evict yet (`undone`), and once in [`ROUND`] at the very first.
    fn after_round(&mut self, now: Moment, undone: Number) -> Number {
        if now.since(self.round_at) < ROUND {
            return undone;
        }
        self.round_at = now;
        Number(0)
    }

    /// One piece of tidying; `None` if the journal went down over it.
    async fn tidy(&mut self, goal: Goal, from: Number) -> Option<Found> {
        let tidied = self.with_store(move |store| {
            // What stands in the log once more, since the disk took it and said that it did not, is
            // passed over while its exchange is in the file. Forgotten before that, it would come back.
            store.checkpoint()?;
            let found = look(store, &goal, from)?;
            if !found.removals.is_empty() {
                store.forget(&found.removals)?;
            }
            Ok(found)
        });
        match tidied.await {
            Ok(found) => {
                if let Some((place, error)) = &found.damaged
                    && self.damaged.insert(*place)
                {
                    tracing::error!(%error, "the journal is damaged: this exchange stays, and others are forgotten");
                }
                Some(found)
            }
            Err(error) => {
                self.fall(&error, &[]);
                None
            }
        }
    }
}
