//! The turn of a poll that is due: now, or later where the gateway takes no more in a second.
use std::task::Waker;

use super::gateways::queue::{Need, Rank, Turn};
use super::schedule::BEFORE_THE_END;
use super::schedules::Schedules;
use crate::timing::{Moment, on_grid};

/// A poll that is due.
#[derive(Clone, Copy, Debug)]
pub struct DuePoll {
    /// Since when.
    pub since: Moment,
    /// A client waits for its answer until then.
    pub hold_until: Moment,
}

/// The place of a poll that waits for its turn. It is given up when this is dropped.
#[derive(Debug)]
pub struct Waiting {
    schedules: Schedules,
    gateway: Box<str>,
    rank: Rank,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Self {
            schedules,
            gateway,
            rank,
        } = self;
        schedules.leave(gateway, *rank);
    }
}

impl Schedules {
    /// Whether a poll that is due may be sent to a gateway, and counts as sent; else when it is to ask
    /// again. Until then its place is in `waiting`; it has none once it may be sent. Where its turn comes
    /// earlier, `waker` is woken.
    pub fn turn(
        &self,
        gateway: &str,
        poll: DuePoll,
        waiting: &mut Option<Box<Waiting>>,
        now: Moment,
        waker: &Waker,
    ) -> Option<Moment> {
        let last_from = poll.hold_until - BEFORE_THE_END;
        let (need, until) = if now < last_from {
            (Need::Held, Some(last_from))
        } else if now < poll.hold_until {
            (Need::Urgent, Some(poll.hold_until))
        } else {
            (Need::Unattended, None)
        };
        let before = waiting.as_ref().map(|waiting| waiting.rank);
        match self.ask(gateway, before, (poll.since, need), now, waker) {
            Turn::Now => {
                *waiting = None;
                None
            }
            Turn::At(then, rank) => {
                match waiting {
                    Some(waiting) => waiting.rank = rank,
                    None => {
                        *waiting = Some(Box::new(Waiting {
                            schedules: self.clone(),
                            gateway: gateway.into(),
                            rank,
                        }));
                    }
                }
                // What it needs is another thing from then on.
                let then = until.map_or(then, |until| then.min(until));
                Some(on_grid(then))
            }
        }
    }
}
