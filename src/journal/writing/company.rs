//! The entries that wait for the next commit, and when it begins.
//!
//! A commit has a [`PRICE`]: so much waiting of one client would be as dear. Where clients come at a rate of
//! r and N share a commit, each waits for (N − 1) / 2r and bears PRICE / N; both together are least at
//! N = √(2 · PRICE · r). So where few come nobody waits, but for the end of the commit before, and where many
//! come many share.
use std::time::Duration;

use crate::journal::Change;
use crate::timing::Moment;

/// What a commit costs, in seconds of one client's waiting. It takes some 150 µs of processor time.
const PRICE: f64 = 0.010;

/// A client waits for no longer than this, however few came after it.
const LONGEST: Duration = Duration::from_millis(12);

/// From the beginning of one commit to that of the next, at least: what comes in a burst shares one.
const APART: Duration = Duration::from_millis(6);

/// How long an entry that nobody waits for may wait for company.
const LAZY: Duration = Duration::from_millis(100);

/// What is left of what is known of the rate with each commit.
const REMEMBERED: f64 = 0.875;

/// What is assumed of the time before the first commit: little came.
const BEFORE: Duration = Duration::from_secs(1);

/// Who waits for an entry to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Waits {
    /// A client that is held, most often.
    Client,
    /// The exchange, before its next poll.
    Exchange,
    /// Nobody.
    Nobody,
}

impl Waits {
    pub(in crate::journal) const fn of(change: &Change) -> Self {
        match change {
            Change::Submitted(_)
            | Change::Resubmitted(_)
            | Change::Completed(_)
            | Change::InDoubt(_)
            | Change::Withdrawn
            | Change::Refused
            | Change::Closed(_) => Self::Client,
            Change::Accepted(_) | Change::Candidate(_) => Self::Exchange,
            Change::Delivered => Self::Nobody,
        }
    }
}

/// The entries that wait for one commit together.
#[derive(Debug, Default)]
pub(in crate::journal) struct Company {
    /// When the first entry came.
    first: Option<Moment>,
    /// When the first one came that somebody waits for.
    awaited: Option<Moment>,
    clients: usize,
    /// With this many clients the commit begins. Set when the first entry comes that somebody waits for.
    wanted: usize,
    /// When the last commit began.
    last: Option<Moment>,
    /// Clients that came, and the seconds in which they did; the latest count most.
    came: f64,
    seconds: f64,
}

impl Company {
    /// Takes one more; true if the commit may be due sooner for that.
    pub(in crate::journal) fn join(&mut self, at: Moment, waits: Waits) -> bool {
        let mut is_news = self.first.is_none();
        self.first.get_or_insert(at);
        if waits != Waits::Nobody && self.awaited.is_none() {
            self.awaited = Some(at);
            self.wanted = self.wanted_at(at);
            is_news = true;
        }
        if waits == Waits::Client {
            self.clients += 1;
            is_news |= self.clients == self.wanted;
        }
        is_news
    }

    /// When the commit begins; `None` where nothing waits for it.
    pub(in crate::journal) fn due(&self) -> Option<Moment> {
        let lazily = self.first? + LAZY;
        let Some(awaited) = self.awaited else {
            return Some(lazily);
        };
        let is_enough = self.clients.max(1) >= self.wanted;
        let due = if is_enough {
            awaited
        } else {
            awaited + LONGEST
        };
        let apart = self.last.map_or(due, |last| due.max(last + APART));
        Some(apart.min(lazily))
    }

    /// The commit begins with every entry that waits.
    pub(in crate::journal) fn leave(&mut self, now: Moment) {
        let since_last = self.last.map_or(BEFORE, |last| now.since(last));
        self.came = REMEMBERED * self.came + count(self.clients);
        self.seconds = REMEMBERED * self.seconds + since_last.as_secs_f64();
        self.last = Some(now);
        (self.first, self.awaited, self.clients) = (None, None, 0);
    }

    /// How many clients are worth a commit if the first of them comes now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a square root is not negative, and `as` saturates"
    )]
    fn wanted_at(&self, now: Moment) -> usize {
        let Some(last) = self.last else { return 1 };
        let came = REMEMBERED * self.came + 1.0;
        let seconds = REMEMBERED * self.seconds + now.since(last).as_secs_f64();
        (2.0 * PRICE * came / seconds).sqrt().round().max(1.0) as usize
    }
}

/// A count of clients is far below what a float tells apart.
#[expect(clippy::cast_precision_loss, reason = "see above")]
const fn count(clients: usize) -> f64 {
    clients as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Moment {
        Moment::START + ms(millis)
    }

    /// Clients who come evenly, for some seconds; then how many the next commit wants.
    fn after_even(gap: Duration) -> Company {
        let mut company = Company::default();
        let mut now = Moment::START;
        while now < at(3_000) {
            if let Some(due) = company.due().filter(|due| *due <= now) {
                company.leave(due);
            }
            company.join(now, Waits::Client);
            now = now + gap;
        }
        company
    }

    #[test]
    fn who_comes_alone_waits_for_nobody() {
        let mut company = Company::default();
        assert_eq!(company.due(), None);
        for start in [0, 40, 1_000] {
            assert!(company.join(at(start), Waits::Client));
            assert_eq!(company.due(), Some(at(start)));
            company.leave(at(start));
            assert_eq!(company.due(), None);
            // So does its exchange, once the gateway has accepted it.
            assert!(company.join(at(start + 15), Waits::Exchange));
            assert_eq!(company.due(), Some(at(start + 15)));
            company.leave(at(start + 15));
        }
    }

    #[test]
    fn the_more_come_the_more_share_a_commit() {
        // About √(2 · 10 ms / gap).
        for (gap, wanted) in [(20, 1), (5, 2), (1, 4)] {
            let found = after_even(ms(gap)).wanted;
            assert!(found.abs_diff(wanted) <= 1, "{found}, {gap} ms apart");
        }
        let found = after_even(Duration::from_micros(100)).wanted;
        assert!(found.abs_diff(14) <= 2, "{found}");
    }

    #[test]
    fn a_commit_begins_when_enough_have_come_and_not_long_after_the_first() {
        let mut company = after_even(ms(5));
        company.leave(at(3_000));
        assert!(company.join(at(3_010), Waits::Exchange));
        assert!(!company.join(at(3_011), Waits::Client));
        assert_eq!(company.due(), Some(at(3_022)));
        assert!(company.join(at(3_012), Waits::Client));
        assert_eq!(company.due(), Some(at(3_010)));
    }

    #[test]
    fn one_commit_follows_another_after_a_while() {
        let mut company = Company::default();
        company.leave(at(100));
        company.join(at(101), Waits::Client);
        assert_eq!(company.due(), Some(at(100) + APART));
    }

    #[test]
    fn what_nobody_waits_for_goes_with_others_or_late() {
        let mut company = Company::default();
        assert!(company.join(at(0), Waits::Nobody));
        assert!(!company.join(at(1), Waits::Nobody));
        assert_eq!(company.due(), Some(at(100)));
        assert!(company.join(at(2), Waits::Client));
        assert_eq!(company.due(), Some(at(2)));
    }

    proptest! {
        /// Whatever comes when: who is awaited waits no longer than it may, and what changes when the
        /// commit is due is news.
        #[test]
        fn nobody_waits_for_ever(steps in prop::collection::vec((0..30_u64, 0..3_u8), 1..200)) {
            let mut company = Company::default();
            let mut now = Moment::START;
            for (pause, kind) in steps {
                now = now + ms(pause);
                if let Some(due) = company.due().filter(|due| *due <= now) {
                    company.leave(due);
                }
                let waits = [Waits::Client, Waits::Exchange, Waits::Nobody][usize::from(kind)];
                let before = company.due();
                let is_news = company.join(now, waits);
                let due = company.due().unwrap();
                prop_assert!(is_news || before == Some(due));
                if waits != Waits::Nobody {
                    prop_assert!(due <= now + LONGEST);
                }
            }
        }
    }
}
